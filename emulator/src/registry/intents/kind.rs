//! The operations of several steps, by name. Each module implements its own operations; this file has what all share.

use std::fmt;

use azure_emulator_core::disk_space::Purpose;

/// The parameters that name the subject of an operation.
pub(super) const SUBJECTS: [&str; 3] = ["registry", "group", "identity"];

/// The kind of an operation. The name is the format on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Everything is reset to a fresh state.
    Reset,
    /// The clock moves to a later moment.
    MoveClock,
    /// A resource group is deleted with everything in it.
    DeleteGroup,
    /// A template is deployed.
    Deploy,
    /// A registry is created, with its own identity.
    CreateRegistry,
    /// A registry is updated, with another key.
    UpdateRegistry,
    /// A registry is deleted.
    DeleteRegistry,
    /// The system-assigned identity of a registry is created or removed.
    SystemIdentity,
    /// A user-assigned identity is created.
    CreateIdentity,
    /// A user-assigned identity is deleted.
    DeleteIdentity,
    /// A new version of a key is made, and a registry uses it.
    RotateKey,
    /// A registry's access to its key is revoked.
    Revoke,
    /// A registry's revoked access is restored.
    Restore,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Reset,
        Self::MoveClock,
        Self::DeleteGroup,
        Self::Deploy,
        Self::CreateRegistry,
        Self::UpdateRegistry,
        Self::DeleteRegistry,
        Self::SystemIdentity,
        Self::CreateIdentity,
        Self::DeleteIdentity,
        Self::RotateKey,
        Self::Revoke,
        Self::Restore,
    ];

    /// Its name for programs, on disk and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::MoveClock => "moveClock",
            Self::DeleteGroup => "deleteGroup",
            Self::Deploy => "deploy",
            Self::CreateRegistry => "createRegistry",
            Self::UpdateRegistry => "updateRegistry",
            Self::DeleteRegistry => "deleteRegistry",
            Self::SystemIdentity => "systemIdentity",
            Self::CreateIdentity => "createIdentity",
            Self::DeleteIdentity => "deleteIdentity",
            Self::RotateKey => "rotateKey",
            Self::Revoke => "revoke",
            Self::Restore => "restore",
        }
    }

    /// Its description, as the subject of a sentence.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Reset => "the reset of the emulator",
            Self::MoveClock => "the move of the clock",
            Self::DeleteGroup => "the deletion of the resource group",
            Self::Deploy => "the deployment",
            Self::CreateRegistry => "the creation of the registry",
            Self::UpdateRegistry => "the update of the registry",
            Self::DeleteRegistry => "the deletion of the registry",
            Self::SystemIdentity => "the change of the system-assigned identity of the registry",
            Self::CreateIdentity => "the creation of the identity",
            Self::DeleteIdentity => "the deletion of the identity",
            Self::RotateKey => "the rotation of the key of the registry",
            Self::Revoke => "the revocation of the key of the registry",
            Self::Restore => "the restoration of the key of the registry",
        }
    }

    /// The kind of this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// How its intent may use a full disk. An operation that removes something must work on a full disk, so its intent
    /// may use the reserve. All others may not: the parameters of a deployment can be as long as the reserve.
    pub(super) const fn purpose(self) -> Purpose {
        match self {
            Self::Reset
            | Self::DeleteGroup
            | Self::DeleteRegistry
            | Self::DeleteIdentity
            | Self::Revoke => Purpose::Removal,
            Self::MoveClock
            | Self::Deploy
            | Self::CreateRegistry
            | Self::UpdateRegistry
            | Self::SystemIdentity
            | Self::CreateIdentity
            | Self::RotateKey
            | Self::Restore => Purpose::Rows,
        }
    }

    /// Whether a start tries it once before it reports that the emulator is ready: the state of `local` depends on it,
    /// and it needs only the rows and the vault.
    pub const fn comes_before_ready(self) -> bool {
        match self {
            Self::Reset
            | Self::MoveClock
            | Self::UpdateRegistry
            | Self::SystemIdentity
            | Self::RotateKey
            | Self::Revoke
            | Self::Restore => true,
            Self::DeleteGroup
            | Self::Deploy
            | Self::CreateRegistry
            | Self::DeleteRegistry
            | Self::CreateIdentity
            | Self::DeleteIdentity => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::from_name("other"), None);
    }
}
