//! Access policies: what one identity may do with the keys of a vault.
//!
//! Called by the vault before each operation. An identity is its object id, as in Azure; an absent policy and one that
//! lacks the permission are refused with different inner codes.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One permission on keys, with Azure's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum KeyPermission {
    /// Make a backup.
    Backup,
    /// Make a key or a new version.
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
    /// Bring a key of one's own.
    Import,
    /// List keys, versions and deleted keys.
    List,
    /// Purge a deleted key.
    Purge,
    /// Bring a deleted key back.
    Recover,
    /// Release an exportable key.
    Release,
    /// Bring a backup back.
    Restore,
    /// Make a new version now.
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
    /// Every permission there is: what the owner of a vault has.
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

    /// What a registry needs to use a key.
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
}

impl fmt::Display for KeyPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The permissions of one identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccessPolicy {
    permissions: BTreeSet<KeyPermission>,
}

impl AccessPolicy {
    /// A policy with these permissions.
    pub fn new(permissions: &[KeyPermission]) -> Self {
        Self { permissions: permissions.iter().copied().collect() }
    }

    /// Whether the permission is in it.
    pub fn allows(&self, permission: KeyPermission) -> bool {
        self.permissions.contains(&permission)
    }
}
