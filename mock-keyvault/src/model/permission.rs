//! The permissions on keys: their spelling, and the actions of roles that stand for them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One permission on keys, with Azure's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum KeyPermission {
    /// Back up a key.
    Backup,
    /// Create a key or a new version.
    Create,
    /// Decrypt with the private part.
    Decrypt,
    /// Delete a key.
    Delete,
    /// Encrypt with the public part.
    Encrypt,
    /// Read attributes and the public part.
    Get,
    /// Read the rotation policy.
    GetRotationPolicy,
    /// Import a key.
    Import,
    /// List keys, versions and deleted keys.
    List,
    /// Purge a deleted key.
    Purge,
    /// Recover a deleted key.
    Recover,
    /// Release an exportable key.
    Release,
    /// Restore a backup.
    Restore,
    /// Create a new version now.
    Rotate,
    /// Change the rotation policy.
    SetRotationPolicy,
    /// Sign with the private part.
    Sign,
    /// Unwrap with the private part.
    UnwrapKey,
    /// Change attributes.
    Update,
    /// Verify with the public part.
    Verify,
    /// Wrap with the public part.
    WrapKey,
}

impl KeyPermission {
    /// Every permission, which the owner of a vault has.
    pub const ALL: &[Self] = &[
        Self::Backup,
        Self::Create,
        Self::Decrypt,
        Self::Delete,
        Self::Encrypt,
        Self::Get,
        Self::GetRotationPolicy,
        Self::Import,
        Self::List,
        Self::Purge,
        Self::Recover,
        Self::Release,
        Self::Restore,
        Self::Rotate,
        Self::SetRotationPolicy,
        Self::Sign,
        Self::UnwrapKey,
        Self::Update,
        Self::Verify,
        Self::WrapKey,
    ];

    /// The permissions that a registry needs to use a key.
    pub const FOR_ENCRYPTION: &[Self] = &[Self::Get, Self::UnwrapKey, Self::WrapKey];

    /// The spelling in refusals, such as `wrapKey`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Create => "create",
            Self::Decrypt => "decrypt",
            Self::Delete => "delete",
            Self::Encrypt => "encrypt",
            Self::Get => "get",
            Self::GetRotationPolicy => "getrotationpolicy",
            Self::Import => "import",
            Self::List => "list",
            Self::Purge => "purge",
            Self::Recover => "recover",
            Self::Release => "release",
            Self::Restore => "restore",
            Self::Rotate => "rotate",
            Self::SetRotationPolicy => "setrotationpolicy",
            Self::Sign => "sign",
            Self::UnwrapKey => "unwrapKey",
            Self::Update => "update",
            Self::Verify => "verify",
            Self::WrapKey => "wrapKey",
        }
    }

    /// The permission with this spelling, in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.as_str().eq_ignore_ascii_case(text))
    }

    /// The action that a vault of the role-based model requires in place of this permission.
    pub fn data_action(self) -> &'static str {
        match self {
            Self::Backup => "Microsoft.KeyVault/vaults/keys/backup/action",
            Self::Create => "Microsoft.KeyVault/vaults/keys/create/action",
            Self::Decrypt => "Microsoft.KeyVault/vaults/keys/decrypt/action",
            Self::Delete => "Microsoft.KeyVault/vaults/keys/delete",
            Self::Encrypt => "Microsoft.KeyVault/vaults/keys/encrypt/action",
            Self::Get | Self::List => "Microsoft.KeyVault/vaults/keys/read",
            Self::GetRotationPolicy => "Microsoft.KeyVault/vaults/keyrotationpolicies/read",
            Self::Import => "Microsoft.KeyVault/vaults/keys/import/action",
            Self::Purge => "Microsoft.KeyVault/vaults/keys/purge/action",
            Self::Recover => "Microsoft.KeyVault/vaults/keys/recover/action",
            Self::Release => "Microsoft.KeyVault/vaults/keys/release/action",
            Self::Restore => "Microsoft.KeyVault/vaults/keys/restore/action",
            Self::Rotate => "Microsoft.KeyVault/vaults/keys/rotate/action",
            Self::SetRotationPolicy => "Microsoft.KeyVault/vaults/keyrotationpolicies/write",
            Self::Sign => "Microsoft.KeyVault/vaults/keys/sign/action",
            Self::UnwrapKey => "Microsoft.KeyVault/vaults/keys/unwrap/action",
            Self::Update => "Microsoft.KeyVault/vaults/keys/update/action",
            Self::Verify => "Microsoft.KeyVault/vaults/keys/verify/action",
            Self::WrapKey => "Microsoft.KeyVault/vaults/keys/wrap/action",
        }
    }

    /// Whether the permission to read an asymmetric key includes this one, because the operation only needs the public part.
    pub(crate) fn needs_only_the_public_part(self) -> bool {
        matches!(self, Self::Encrypt | Self::Verify | Self::WrapKey)
    }
}

impl fmt::Display for KeyPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
