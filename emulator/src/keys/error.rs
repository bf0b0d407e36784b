//! The errors of the ring, as its callers see them.
//!
//! Content routes get a [`KeyError`], which mostly holds a [`Refusal`]. Opening, rotating and retiring return a
//! [`RingError`]; it may name causes that no client should read.

use std::fmt;

use time::OffsetDateTime;

use super::audit::KeyOperation;
use super::vault::VaultError;
use super::{Cause, KeyId, Refusal};
use sealed_envelope::{DataKeyId, SealError};

/// The reasons why a data key cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The vault does not permit it now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The ring has no such data key: it was retired, or it never existed and the reference to it is damaged.
    #[error("there is no data key {0}")]
    NoSuchDataKey(DataKeyId),
    /// The entry of the data key does not authenticate, or the vault unwrapped a different key.
    #[error("the data key {0} is damaged")]
    DamagedDataKey(DataKeyId),
}

/// The lease has ended, or the key was erased; the caller must ask for it again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the lease of the data key has ended")]
pub struct LeaseEnded;

/// An error of the ring's store.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct RingStoreError(Box<dyn std::error::Error + Send + Sync>);

impl RingStoreError {
    /// Wraps an error of the store.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }

    /// The error of the store.
    pub fn into_cause(self) -> Box<dyn std::error::Error + Send + Sync> {
        self.0
    }
}

/// The reasons why the ring cannot be opened, rotated or reduced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// A customer-managed key is configured, but there is no vault.
    #[error("the registry has a customer-managed key, but no vault was given")]
    NoVault,
    /// The ring was made with a customer-managed key, which cannot be turned off.
    #[error("the registry was created with a customer-managed key, which cannot be turned off")]
    KeyRequired,
    /// The ring was made without a customer-managed key, which can only be chosen at creation.
    #[error(
        "the registry was created without a customer-managed key; one can only be chosen at creation"
    )]
    NoCustomerManagedKey,
    /// The key is of a type that cannot wrap.
    #[error(
        "the key {key} is of type {kty}: only RSA and RSA-HSM keys can wrap; elliptic-curve keys only sign"
    )]
    KeyType {
        /// The key.
        key: KeyId,
        /// Its type.
        kty: String,
    },
    /// The new key version is disabled.
    #[error("the key {0} is disabled")]
    KeyDisabled(KeyId),
    /// The identity lacks a permission on the key.
    #[error("{0}")]
    MissingPermission(Box<MissingPermission>),
    /// The key version cannot wrap now.
    #[error("the key {key} cannot wrap: it is valid {}", validity(*.from, *.until))]
    OutsideValidity {
        /// The key.
        key: KeyId,
        /// The start of its validity, if it has one.
        from: Option<OffsetDateTime>,
        /// The end of its validity, if it has one.
        until: Option<OffsetDateTime>,
    },
    /// The vault refused the old or the new key, or does not answer.
    #[error("cannot use the key {key} in the vault")]
    Vault {
        /// The key.
        key: KeyId,
        /// The vault's error.
        source: VaultError,
    },
    /// The vault unwrapped a different key than it had wrapped. Nothing was changed.
    #[error("the vault unwrapped a different key than it had wrapped under {0}")]
    Mismatch(KeyId),
    /// A data key of the ring does not open. Nothing was changed.
    #[error("the data key {0} is damaged")]
    DamagedDataKey(DataKeyId),
    /// The head of the ring does not authenticate, or belongs to another registry.
    #[error("the ring of data keys is damaged, or belongs to another registry")]
    DamagedRing,
    /// The ring changed during each of several attempts.
    #[error("the ring of data keys keeps changing; try again")]
    Conflict,
    /// Sealing failed.
    #[error("a data key cannot be sealed")]
    Seal(#[from] SealError),
    /// The ring cannot be read or written.
    #[error("the ring of data keys cannot be stored")]
    Store(#[from] RingStoreError),
    /// The task that did the work has ended, because the program is stopping.
    #[error("the change of the ring was interrupted")]
    BrokenOff,
}

/// The permissions that an identity lacks to use a key for a registry, which needs get, wrapKey and unwrapKey.
///
/// The text is Azure's, followed by a sentence that names the missing permissions.
#[derive(Debug)]
pub struct MissingPermission {
    /// The key.
    pub key: KeyId,
    /// Its identifier, at the address that the registry uses.
    pub identifier: String,
    /// The client id of the identity.
    pub identity: String,
    /// The missing permissions. Empty if the firewall of the vault blocks all operations.
    pub missing: Vec<KeyOperation>,
    /// The vault's error.
    pub source: VaultError,
}

impl fmt::Display for MissingPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identifier, identity, .. } = self;
        write!(f, "{} ", no_access(identifier, identity))?;
        if self.missing.is_empty() {
            return write!(
                f,
                "The permissions cannot be checked: {}.",
                Cause::VaultFirewall.message()
            );
        }
        let missing: Vec<_> = self.missing.iter().map(|missing| missing.permission()).collect();
        let by = if self.source.cause() == Some(Cause::RoleRemoved) { "role" } else { "policy" };
        write!(f, "No {by} gives it '{}'.", missing.join(", "))
    }
}

impl std::error::Error for MissingPermission {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Azure's message about an identity that cannot use a key for a registry.
pub(crate) fn no_access(identifier: &str, identity: &str) -> String {
    format!(
        "Failed to access KeyId '{identifier}'. Verify that identity '{identity}' has 'Get, Wrap Key, Unwrap Key' \
         permission on key '{identifier}'. For more information on bring your own key, please visit \
         'https://aka.ms/acr/cmk'."
    )
}

/// Describes the validity of a key.
fn validity(from: Option<OffsetDateTime>, until: Option<OffsetDateTime>) -> String {
    match (from, until) {
        (Some(from), Some(until)) => format!("from {from} until {until}"),
        (Some(from), None) => format!("from {from} on"),
        (None, Some(until)) => format!("until {until}"),
        (None, None) => "at other times".to_owned(),
    }
}
