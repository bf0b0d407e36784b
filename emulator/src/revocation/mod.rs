//! Taking the key of a registry away in every way that an owner has, and putting back exactly what was there.
//!
//! `admin/revocation.rs` calls [`Revocations`]. What is to be taken is looked up in the vault, noted durably in the data
//! folder, and then taken, in this order: a kill between two steps leaves a note that can be given back without harm.
//! What is changed in the vault goes over its own protocol with the owner's credential, so that the embedded vault and one
//! in another process are the same. A vault that is not ours to change is refused in a sentence. Taking the identity away
//! is a change of the registry, and asks no vault.
//!
//! [`changed`] is where everything that changes the vault waits until the registry has seen it.

pub mod changed;
mod error;
mod identity;
mod kept;
mod network;
mod policy;
mod role;
mod taken;
mod vault;
mod way;

use std::sync::Arc;

use tokio::sync::Mutex;

pub use self::changed::Expected;
pub use self::error::RevocationError;
use self::kept::{Kept, Note};
use self::taken::{Place, Taken};
pub use self::way::Way;
use crate::keys::Status;
use crate::registry::{Registries, Registry};
use crate::store::{Store, StoreError};
use crate::vault_owner::OwnerVault;

/// What was taken from the registries of a data folder.
#[derive(Debug)]
pub struct Revocations {
    /// Locked over each change, from the look to the note that it was undone.
    kept: Mutex<Kept>,
}

/// What changes are made with.
#[derive(Clone, Copy, Debug)]
pub struct Hand<'a> {
    /// The owner's hand on the vault; none with a vault that is not ours to change.
    pub owner: Option<&'a OwnerVault>,
    /// The registries, whose identities can be taken.
    pub registries: &'a Registries,
}

/// What was given back, and the state after it.
#[derive(Clone, Debug)]
pub struct Restored {
    /// In the order in which it was given back: what was taken last came first.
    pub ways: Vec<Way>,
    /// The state of the registry.
    pub status: Status,
}

impl Revocations {
    /// Reads what was taken before the last stop.
    pub fn open(store: Arc<Store>) -> Result<Self, StoreError> {
        Ok(Self { kept: Mutex::new(Kept::open(store)?) })
    }

    /// Takes the key of a registry away. What has been taken in this way before is no error.
    pub async fn revoke(
        &self,
        registry: &Registry,
        hand: Hand<'_>,
        way: Way,
        wait: bool,
    ) -> Result<Status, RevocationError> {
        let mut kept = self.kept.lock().await;
        let place = Place::of(registry, hand, way)?;
        match place.look().await? {
            Some(taken) => {
                kept.note(Note { registry: registry.name().to_owned(), taken: taken.clone() })
                    .await?;
                taken.take(&place).await?;
                tracing::info!(
                    registry.name = registry.name(),
                    way = way.name(),
                    "revoked the key"
                );
            }
            None if kept.has(registry.name(), way) => (),
            None => return Err(place.nothing_to_take()),
        }
        drop(kept);
        changed::seen(registry, if wait { Expected::Dark } else { Expected::Anything }).await
    }

    /// Gives back what was taken from a registry, or what was taken in one way. Nothing to give back is no error.
    pub async fn restore(
        &self,
        registry: &Registry,
        hand: Hand<'_>,
        by: Option<Way>,
        wait: bool,
    ) -> Result<Restored, RevocationError> {
        let mut kept = self.kept.lock().await;
        let mut ways = Vec::new();
        for note in kept.newest_first(registry.name(), by) {
            let way = note.taken.way();
            let place = Place::of(registry, hand, way)?;
            note.taken.give_back(&place).await?;
            kept.forget(&note).await?;
            tracing::info!(registry.name = registry.name(), way = way.name(), "restored the key");
            ways.push(way);
        }
        let is_whole = kept.newest_first(registry.name(), None).is_empty();
        drop(kept);
        let expected = if wait && is_whole && !ways.is_empty() {
            Expected::Served
        } else if wait {
            Expected::Told
        } else {
            Expected::Anything
        };
        Ok(Restored { ways, status: changed::seen(registry, expected).await? })
    }

    /// Forgets everything that was taken: there is nothing left that it could be given back to.
    pub async fn forget_all(&self) -> Result<(), RevocationError> {
        Ok(self.kept.lock().await.forget_all().await?)
    }

    /// Forgets what was taken from registries that are gone: another one of that name has lost nothing. What was taken
    /// stays taken: the key may be that of other registries, and is its owner's to give back.
    pub async fn forget_gone(&self, registries: &Registries) -> Result<(), RevocationError> {
        let mut kept = self.kept.lock().await;
        Ok(kept.keep_of(|registry| registries.get(registry).is_some()).await?)
    }

    /// In which ways the key of a registry is taken away, the newest first.
    pub async fn of(&self, registry: &str) -> Vec<Way> {
        let notes = self.kept.lock().await.newest_first(registry, None);
        notes.iter().map(|note| note.taken.way()).collect()
    }
}
