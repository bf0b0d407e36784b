//! What can go wrong with the ring, seen by its callers.
//!
//! [`KeyError`] is what content routes meet, and mostly a [`Refusal`]. [`RingError`] is what opening, rotating and
//! retiring meet; it may name causes that no client should read.

use std::fmt;

use time::OffsetDateTime;

use super::audit::KeyOperation;
use super::vault::VaultError;
use super::{Cause, KeyId, Refusal};
use sealed_envelope::{DataKeyId, SealError};

/// Why a data key cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The vault does not admit it at this moment.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such data key in the ring: it was retired, or never was. What names it is damaged.
    #[error("there is no data key {0}")]
    NoSuchDataKey(DataKeyId),
    /// The entry of the data key does not authenticate, or what the vault unwrapped is not the key it should be.
    #[error("the data key {0} is damaged")]
    DamagedDataKey(DataKeyId),
}

/// The lease has ended, or the key was erased: ask for it again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the lease of the data key has ended")]
pub struct LeaseEnded;

/// What the keeper of the ring says when it fails.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct RingStoreError(Box<dyn std::error::Error + Send + Sync>);

impl RingStoreError {
    /// From whatever the keeper's own error is.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// Why the ring cannot be opened, rotated or thinned out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// A customer-managed key is configured and there is no vault to ask.
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
    /// The key is of a type that wraps nothing.
    #[error(
        "the key {key} is of type {kty}: only RSA and RSA-HSM keys can wrap; elliptic-curve keys only sign"
    )]
    KeyType {
        /// The key.
        key: KeyId,
        /// Its type.
        kty: String,
    },
    /// The key version to be used is disabled.
    #[error("the key {0} is disabled")]
    KeyDisabled(KeyId),
    /// The identity may not do all with the key that the registry needs.
    #[error("{0}")]
    MissingPermission(Box<MissingPermission>),
    /// The key version wraps nothing at this moment.
    #[error("the key {key} wraps nothing: it is valid {}", validity(*.from, *.until))]
    OutsideValidity {
        /// The key.
        key: KeyId,
        /// From when on it is valid, if that is limited.
        from: Option<OffsetDateTime>,
        /// Until when it is valid, if that is limited.
        until: Option<OffsetDateTime>,
    },
    /// The vault refused the old or the new key, or does not answer.
    #[error("the vault did not let the key {key} be used")]
    Vault {
        /// The key that was asked for.
        key: KeyId,
        /// What the vault said.
        source: VaultError,
    },
    /// What the vault unwrapped is not what it had wrapped. Nothing was changed.
    #[error("the vault gave back another key than it had wrapped under {0}")]
    Mismatch(KeyId),
    /// A data key of the ring does not open. Nothing was changed.
    #[error("the data key {0} is damaged")]
    DamagedDataKey(DataKeyId),
    /// The head of the ring does not authenticate, or belongs to another registry.
    #[error("the ring of data keys is damaged, or belongs to another registry")]
    DamagedRing,
    /// The ring changed under our hands again and again.
    #[error("the ring of data keys is being changed by somebody else")]
    Conflict,
    /// Sealing failed.
    #[error("a data key cannot be sealed")]
    Seal(#[from] SealError),
    /// The ring cannot be read or written.
    #[error("the ring of data keys cannot be stored")]
    Store(#[from] RingStoreError),
    /// The task that did the work is gone: the program is ending.
    #[error("the work on the ring was broken off")]
    BrokenOff,
}

/// What an identity lacks to use a key for a registry: get, wrapKey and unwrapKey are needed.
///
/// The text is Azure's, and a sentence that names what is missing.
#[derive(Debug)]
pub struct MissingPermission {
    /// The key.
    pub key: KeyId,
    /// Its identifier, at the address that the registry uses.
    pub identifier: String,
    /// The client id of the identity.
    pub identity: String,
    /// What is missing. Empty: the firewall of the vault lets nothing of it through.
    pub missing: Vec<KeyOperation>,
    /// What the vault said.
    pub source: VaultError,
}

impl fmt::Display for MissingPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identifier, identity, .. } = self;
        write!(f, "{} ", no_access(identifier, identity))?;
        if self.missing.is_empty() {
            return write!(f, "Nothing can be seen of it: {}.", Cause::VaultFirewall.words());
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

/// What Azure says of an identity that cannot use a key for a registry.
pub(crate) fn no_access(identifier: &str, identity: &str) -> String {
    format!(
        "Failed to access KeyId '{identifier}'. Verify that identity '{identity}' has 'Get, Wrap Key, Unwrap Key' \
         permission on key '{identifier}'. For more information on bring your own key, please visit \
         'https://aka.ms/acr/cmk'."
    )
}

/// The validity of a key in words.
fn validity(from: Option<OffsetDateTime>, until: Option<OffsetDateTime>) -> String {
    match (from, until) {
        (Some(from), Some(until)) => format!("from {from} until {until}"),
        (Some(from), None) => format!("from {from} on"),
        (None, Some(until)) => format!("until {until}"),
        (None, None) => "at other times".to_owned(),
    }
}
