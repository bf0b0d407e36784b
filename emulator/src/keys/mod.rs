//! The registry's access to its key.
//!
//! Everything that the registry stores is sealed under data keys. They are in a *ring*, wrapped by a key in a vault and
//! sealed under the service-managed key. This area asks the vault to unwrap them, lends them for the length of a
//! *lease*, wipes them when it ends, and wraps them anew when the vault's key is rotated. Its facade is [`KeyRing`].
//!
//! **Invariant:** content can be read or written only while the vault permits it, with a delay of at most one lease.
//!
//! It stores nothing itself: `registry/` implements [`RingStore`] and [`AuditSink`]. It sends nothing itself: `vault/`
//! implements [`KeyVault`] over HTTPS. It knows no objects, no routes and no status codes; a [`Refusal`] has the reason why content is not served, and the HTTP areas render it.

mod audit;
mod dry_run;
mod error;
mod events;
mod identity;
mod keeper;
mod key_id;
mod lease;
mod probe;
mod probe_state;
mod prober;
mod reinitialize;
mod ring;
mod ring_opening;
mod rotate;
mod service_key;
mod shared;
mod slot;
mod state;
mod stored;
mod unwrap_request;
mod vault;
mod vault_steps;
mod wait;
mod watcher;

#[cfg(test)]
mod tests;

pub use self::audit::{AuditSink, AuditUnavailable, KeyOperation, KeyUse, Purpose};
pub(crate) use self::error::no_access;
pub use self::error::{KeyError, LeaseEnded, MissingPermission, RingError, RingStoreError};
pub use self::events::{KeyEvent, KeyEventKind, Transition};
pub use self::identity::{IdentityId, VaultAccess};
pub use self::key_id::{InvalidKeyId, KeyId, KeyName, KeyVersion, VaultName};
#[cfg(feature = "internals")]
pub use self::lease::RENEWAL_WAIT;
pub use self::lease::{KeyLease, RenewalWait};
pub use self::ring::KeyRing;
pub use self::rotate::{Rotation, RotationTarget};
pub use self::service_key::ServiceKey;
pub use self::shared::RingConfig;
pub use self::state::{Cause, REFUSAL_SENTENCE, Refusal, Severity, State, Status};
pub use self::stored::{RingStore, StoredRing};
pub use self::vault::{Answer, KeyInfo, KeyVault, TokenTerms, VaultError};
pub use self::watcher::PausedFollowing;
