//! The refusals of a vault, in terms of the domain. The wire forms are in [`crate::error`], in one match.
//!
//! A variant exists only where a client can tell the cases apart.

use std::io;

use super::algorithm::SignatureAlgorithm;
use super::caller::Caller;
use super::ec::Curve;
use super::key::{KeyOperation, KeyType};
use super::names::{KeyName, NameError, VaultName};
use super::permission::KeyPermission;
use super::reference::KeyReference;
use azure_emulator_core::disk_space;
use azure_emulator_core::lines::Unwritable;

/// Why a vault refuses or fails an operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The vault does not exist.
    #[error("there is no vault called '{0}'")]
    VaultNotFound(VaultName),
    /// The caller does not have the permission.
    #[error("the caller does not have keys {permission} permission on key vault '{vault}'")]
    Denied {
        /// The caller.
        caller: Caller,
        /// The missing permission.
        permission: KeyPermission,
        /// Where.
        vault: VaultName,
        /// The location in the vault's settings.
        location: String,
        /// Whether the caller has an access policy, if one without this permission.
        has_policy: bool,
    },
    /// The caller has no role that permits this action.
    #[error("the caller has no role for {action} on {resource}")]
    DeniedByRoles {
        /// The caller.
        caller: Caller,
        /// The data action without a role.
        action: &'static str,
        /// The path of the resource that the action is for.
        resource: String,
        /// The vault.
        vault: VaultName,
        /// The location in the vault's settings.
        location: String,
    },
    /// The network rules do not admit the client's address.
    #[error("the network rules of the vault '{vault}' refuse {client}")]
    ClosedToAddress {
        /// The caller.
        caller: Caller,
        /// The client's address.
        client: String,
        /// The vault.
        vault: VaultName,
        /// The location in the vault's settings.
        location: String,
    },
    /// The vault does not accept calls over the public network, and there is no other network here.
    #[error("the vault '{vault}' does not accept calls over the public network")]
    ClosedToPublic {
        /// Whether the vault admits trusted services; the caller is not one of them.
        services_pass: bool,
        /// The vault.
        vault: VaultName,
        /// The location in the vault's settings.
        location: String,
    },
    /// The key or version does not exist, or the key is deleted.
    #[error("there is no key {0}")]
    KeyNotFound(KeyReference),
    /// The version has an invalid form, so no key has it.
    #[error("there is no key {key}/{version}")]
    NoSuchVersion {
        /// The key.
        key: KeyName,
        /// The version, as the client sent it.
        version: String,
    },
    /// No deleted key has this name.
    #[error("there is no deleted key {0}")]
    DeletedKeyNotFound(KeyName),
    /// A deleted, recoverable key has this name.
    #[error("the key {0} is deleted but recoverable")]
    DeletedButRecoverable(KeyName),
    /// The key version is disabled.
    #[error("operation {0} is not allowed on a disabled key")]
    KeyDisabled(KeyPermission),
    /// The key version has expired.
    #[error("operation {0} is not allowed on an expired key")]
    KeyExpired(KeyPermission),
    /// The key version is not valid yet.
    #[error("operation {0} is not allowed on a key that is not yet valid")]
    KeyNotYetValid(KeyPermission),
    /// The key's list of operations does not include the operation.
    #[error("operation {0} is not permitted on this key")]
    OperationNotPermitted(KeyPermission),
    /// The vault has purge protection.
    #[error("purge protection is enabled for the vault '{vault}'")]
    PurgeProtected {
        /// The vault.
        vault: VaultName,
        /// The location in the vault's settings.
        location: String,
    },
    /// The value does not decrypt. The error has no details, so that it cannot help an attacker.
    #[error("the value does not decrypt")]
    DecryptionFailed,
    /// The algorithm is for another type of key.
    #[error("{algorithm} is not for the key {key}: {mismatch}")]
    Incompatible {
        /// The version in the request.
        key: KeyReference,
        /// The algorithm.
        algorithm: &'static str,
        /// How the algorithm and the key differ.
        mismatch: AlgorithmMismatch,
    },
    /// The requested operations are not possible with such a key.
    #[error("unsupported key operations: {}", .requested.join(", "))]
    UnsupportedOperations {
        /// The unsupported operations.
        requested: Vec<String>,
        /// The supported operations.
        supported: &'static [KeyOperation],
    },
    /// A digest does not have the length that the algorithm needs.
    #[error("a digest of {len} bytes, but {algorithm} needs {needs}")]
    DigestLength {
        /// The parameter that holds the digest.
        parameter: &'static str,
        /// The length of the digest in bytes.
        len: usize,
        /// The algorithm.
        algorithm: SignatureAlgorithm,
        /// The length that the algorithm needs, in bytes.
        needs: usize,
    },
    /// The value is too long to be encrypted.
    #[error("the value is too long: the maximum is {max} bytes")]
    ValueTooLong {
        /// The maximum length in bytes.
        max: usize,
        /// The length of the value in bytes.
        len: usize,
    },
    /// RSA keys of this size are not supported.
    #[error("RSA keys of {0} bits are not supported")]
    UnsupportedKeySize(u32),
    /// The numbers in the request are not a key; the message says why, and contains no number.
    #[error("not a key: {0}")]
    NotAKey(String),
    /// The name is in use, and a backup cannot be restored over it.
    #[error("there is a key {0} already")]
    RestoreConflict(KeyReference),
    /// The value is not a backup of this data folder, or is damaged. The error has no details.
    #[error("not a backup of this data folder")]
    NotABackup,
    /// The type of key is not supported.
    #[error("keys of type '{0}' are not supported")]
    KeyTypeNotSupported(String),
    /// A vault of the price class `standard` refuses to create a hardware key.
    #[error("a standard vault does not create hardware keys")]
    HardwareInStandardVault,
    /// A parameter is wrong; the message says which.
    #[error("{0}")]
    BadParameter(String),
    /// The disk has too little space for a change. Nothing was changed, and reading still works.
    #[error("the disk is full")]
    DiskFull,
    /// The data folder is read-only, because an earlier write failed or rows are damaged. Nothing was changed.
    #[error("the data folder is read-only")]
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
pub enum AlgorithmMismatch {
    /// The key is on another curve.
    #[error("it is on {found}, not on {needs}")]
    Curve {
        /// The curve of the key.
        found: Curve,
        /// The curve of the algorithm.
        needs: Curve,
    },
    /// The algorithm is for RSA, and the key is on a curve.
    #[error("its type is {}, not RSA", .0.as_str())]
    NeedsRsa(KeyType),
    /// The algorithm is for curves, and the key is an RSA key.
    #[error("its type is {}, not EC", .0.as_str())]
    NeedsEc(KeyType),
}

impl From<io::Error> for VaultError {
    fn from(error: io::Error) -> Self {
        if disk_space::is_out_of_space(&error) {
            return Self::DiskFull;
        }
        if disk_space::is_read_only(&error) {
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
