//! What a vault refuses, in words of the domain. The wire forms are in [`crate::error`], in one match.
//!
//! A variant exists only where a client can tell the cases apart.

use std::io;

use super::names::{KeyName, NameError, VaultName};
use super::policy::KeyPermission;
use super::{Caller, KeyReference};

/// Why a vault does not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// There is no vault of this name.
    #[error("there is no vault called '{0}'")]
    VaultNotFound(VaultName),
    /// The caller may not do this.
    #[error("the caller does not have keys {permission} permission on key vault '{vault}'")]
    Denied {
        /// Who asked.
        caller: Caller,
        /// What is missing.
        permission: KeyPermission,
        /// Where.
        vault: VaultName,
        /// Where the vault says that it is.
        location: String,
        /// Whether the caller has an access policy, if one without this permission.
        has_policy: bool,
    },
    /// There is no such key or version, or the key is deleted.
    #[error("there is no key {0}")]
    KeyNotFound(KeyReference),
    /// No deleted key has this name.
    #[error("there is no deleted key {0}")]
    DeletedKeyNotFound(KeyName),
    /// The name is taken by a key that is deleted and can be recovered.
    #[error("the key {0} is deleted but recoverable")]
    DeletedButRecoverable(KeyName),
    /// The key version is disabled.
    #[error("operation {0} is not allowed on a disabled key")]
    KeyDisabled(KeyPermission),
    /// The key version is past its end.
    #[error("operation {0} is not allowed on an expired key")]
    KeyExpired(KeyPermission),
    /// The key version is before its start.
    #[error("operation {0} is not allowed on a key that is not yet valid")]
    KeyNotYetValid(KeyPermission),
    /// The operation is not among the operations of the key.
    #[error("operation {0} is not permitted on this key")]
    OperationNotPermitted(KeyPermission),
    /// The vault has purge protection.
    #[error("purge protection is enabled for the vault '{vault}'")]
    PurgeProtected {
        /// The vault.
        vault: VaultName,
        /// Where the vault says that it is.
        location: String,
    },
    /// What is to be unwrapped does not unwrap. Nothing more is said, so that nothing helps a guesser.
    #[error("the value does not unwrap")]
    UnwrapFailed,
    /// What is to be wrapped does not fit.
    #[error("at most {max} bytes fit")]
    ValueTooLong {
        /// How many bytes fit.
        max: usize,
        /// How many there are.
        len: usize,
    },
    /// The kind of key is not served.
    #[error("keys of type '{0}' are not served")]
    KeyTypeNotSupported(String),
    /// A parameter is wrong; the words say which.
    #[error("{0}")]
    BadParameter(String),
    /// The data folder failed, or a sealed key does not open. Logged, never shown.
    #[error("the vault failed: {0}")]
    Internal(String),
}

impl From<io::Error> for VaultError {
    fn from(error: io::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<NameError> for VaultError {
    fn from(error: NameError) -> Self {
        Self::BadParameter(error.to_string())
    }
}
