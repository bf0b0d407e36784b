//! What a vault refuses, in words of the domain. The wire forms are in [`crate::error`], in one match.
//!
//! A variant exists only where a client can tell the cases apart.

use std::io;

use super::algorithm::SignatureAlgorithm;
use super::ec::Curve;
use super::key::{KeyOperation, KeyType};
use super::names::{KeyName, NameError, VaultName};
use super::policy::KeyPermission;
use super::{Caller, KeyReference};
use azure_emulator_core::lines::Unwritable;
use azure_emulator_core::room;

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
    /// The caller has no role that allows this.
    #[error("the caller has no role for {action} on {resource}")]
    DeniedByRoles {
        /// Who asked.
        caller: Caller,
        /// The data action that is missing.
        action: &'static str,
        /// What it was asked for, as a path of resources.
        resource: String,
        /// The vault.
        vault: VaultName,
        /// Where the vault says that it is.
        location: String,
    },
    /// The network rules do not let the client's address in.
    #[error("the network rules of the vault '{vault}' refuse {client}")]
    ClosedToAddress {
        /// Who asked.
        caller: Caller,
        /// From where.
        client: String,
        /// The vault.
        vault: VaultName,
        /// Where the vault says that it is.
        location: String,
    },
    /// The vault takes no calls over the public network, and there is no other here.
    #[error("the vault '{vault}' takes no calls over the public network")]
    ClosedToPublic {
        /// Whether trusted services pass, of which the caller is none.
        services_pass: bool,
        /// The vault.
        vault: VaultName,
        /// Where the vault says that it is.
        location: String,
    },
    /// There is no such key or version, or the key is deleted.
    #[error("there is no key {0}")]
    KeyNotFound(KeyReference),
    /// The version cannot be one, so no key has it.
    #[error("there is no key {key}/{version}")]
    NoSuchVersion {
        /// The key.
        key: KeyName,
        /// The version, as it came.
        version: String,
    },
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
    /// What is to be decrypted does not decrypt. Nothing more is said, so that nothing helps a guesser.
    #[error("the value does not decrypt")]
    DecryptionFailed,
    /// The algorithm is for another kind of key.
    #[error("{algorithm} is not for the key {key}: {misfit}")]
    Incompatible {
        /// The version that was asked.
        key: KeyReference,
        /// The algorithm.
        algorithm: &'static str,
        /// What does not fit.
        misfit: Misfit,
    },
    /// The key is to be used for what such keys cannot do.
    #[error("unsupported key operations: {}", .asked.join(", "))]
    UnsupportedOperations {
        /// The operations that are not supported.
        asked: Vec<String>,
        /// Those that are.
        supported: &'static [KeyOperation],
    },
    /// A digest has not the length that the algorithm needs.
    #[error("{len} bytes, and {algorithm} needs {needs}")]
    DigestLength {
        /// The parameter that holds it.
        parameter: &'static str,
        /// How many bytes there are.
        len: usize,
        /// The algorithm.
        algorithm: SignatureAlgorithm,
        /// How many bytes it needs.
        needs: usize,
    },
    /// What is to be encrypted does not fit.
    #[error("at most {max} bytes fit")]
    ValueTooLong {
        /// How many bytes fit.
        max: usize,
        /// How many there are.
        len: usize,
    },
    /// An RSA key of this many bits is not served.
    #[error("RSA keys of {0} bits are not served")]
    UnsupportedKeySize(u32),
    /// The numbers that were sent are not a key; the words say why, and no number.
    #[error("not a key: {0}")]
    NotAKey(String),
    /// The name is taken, and a backup cannot be restored over it.
    #[error("there is a key {0} already")]
    RestoreConflict(KeyReference),
    /// What is to be restored is no backup of this data folder, or is damaged. There is nothing more to say.
    #[error("not a backup of this data folder")]
    NotABackup,
    /// The kind of key is not served.
    #[error("keys of type '{0}' are not served")]
    KeyTypeNotSupported(String),
    /// A key of hardware is to be made in a vault of the price class `standard`.
    #[error("a standard vault takes no new keys of hardware")]
    HardwareInStandardVault,
    /// A parameter is wrong; the words say which.
    #[error("{0}")]
    BadParameter(String),
    /// The disk has too little room for a change. Nothing was changed, and reading goes on.
    #[error("the disk is full")]
    DiskFull,
    /// The data folder can only be read, because an earlier write failed or rows are damaged. Nothing was changed.
    #[error("the data folder can only be read")]
    ReadOnly,
    /// The use of a key cannot be written to the audit log, so the key was not used.
    #[error("the audit log of the vault cannot be written: {0}")]
    AuditUnavailable(Unwritable),
    /// The data folder failed, or a sealed key does not open. Logged, never shown.
    #[error("the vault failed: {0}")]
    Internal(String),
}

/// Why an algorithm cannot be used with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// The key is on another curve.
    #[error("it is on {found}, not on {needs}")]
    Curve {
        /// The curve of the key.
        found: Curve,
        /// The curve of the algorithm.
        needs: Curve,
    },
    /// An algorithm of RSA with a key on a curve.
    #[error("its type is {}, not RSA", .0.as_str())]
    NeedsRsa(KeyType),
    /// An algorithm of curves with an RSA key.
    #[error("its type is {}, not EC", .0.as_str())]
    NeedsEc(KeyType),
}

impl From<io::Error> for VaultError {
    fn from(error: io::Error) -> Self {
        if room::is_lacking(&error) {
            return Self::DiskFull;
        }
        if room::is_read_only(&error) {
            tracing::error!(%error, "a change was refused");
            return Self::ReadOnly;
        }
        Self::Internal(error.to_string())
    }
}

impl From<NameError> for VaultError {
    fn from(error: NameError) -> Self {
        Self::BadParameter(error.to_string())
    }
}
