//! Revokes a registry's access to its key by every method that an owner has, and restores it exactly.
//!
//! `admin/revocation.rs` calls [`Revocations`]. It looks up the access in the vault, stores a durable record in the data
//! folder, and then removes the access, in this order. Each operation leaves an intent: after a kill between two steps, the
//! rest is removed or restored.
//! It changes the vault over the vault's own protocol with the owner's credential, so the embedded vault and a vault
//! in another process work alike. A vault that the emulator may not change is refused with a message. Removing the identity
//! is a change of the registry, and asks no vault.
//!
//! Every change of the vault waits in [`wait`] until the registry has seen it.

mod context;
mod error;
mod identity;
mod method;
mod network;
mod policy;
mod records;
mod revocations;
mod revoked;
mod role;
mod steps;
mod vault;
mod vault_lookup;
pub(crate) mod wait;

pub use self::context::RevocationContext;
pub use self::error::RevocationError;
pub use self::method::RevocationMethod;
pub use self::revocations::Revocations;
