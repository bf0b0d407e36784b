//! The revocations of a data folder: one change at a time, each with its record and its intent.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use super::changed::{self, Expected};
use super::error::RevocationError;
use super::hand::Hand;
use super::kept::{Kept, Note, Noted};
use super::steps::{Steps, give_back, resume, take};
use super::taken::Place;
use super::way::Way;
use crate::keys::Status;
use crate::registry::{Intent, Intents, Kind, Registries, Registry};
use crate::store::{Store, StoreError};

/// The revocations of the registries of a data folder.
#[derive(Debug)]
pub struct Revocations {
    /// Locked during each change, from looking up the access to the last write of the record.
    kept: Mutex<Kept>,
    /// The current records. They are read without the lock: a change waits for the vault, and a reset takes long.
    noted: Noted,
    intents: Intents,
}

/// The revocations of a data folder while a reset holds their lock, so that no other revocation or restoration runs.
#[derive(Debug)]
pub struct Held<'a> {
    revocations: &'a Revocations,
    kept: MutexGuard<'a, Kept>,
}

/// The result of a restoration, and the state after it.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The restored methods, in the order of restoration: the last revocation came first.
    pub ways: Vec<Way>,
    /// The state of the registry.
    pub status: Status,
}

impl Revocations {
    /// Reads the records from before the last stop.
    pub fn open(store: Arc<Store>, intents: Intents) -> Result<Self, StoreError> {
        let kept = Kept::open(store)?;
        Ok(Self { noted: kept.noted(), kept: Mutex::new(kept), intents })
    }

    /// Revokes a registry's access to its key. If the method was used already, this succeeds without a change.
    pub async fn revoke(
        &self,
        registry: &Registry,
        hand: Hand<'_>,
        way: Way,
        wait: bool,
    ) -> Result<Status, RevocationError> {
        let mut kept = self.kept.lock().await;
        let place = Place::of(registry, hand, way)?;
        let looked = place.look().await?;
        match looked {
            Some(taken) => {
                let steps = Steps { registry: registry.name().to_owned(), by: Some(way) };
                let intent = self.intents.begin(Kind::Revoke, &steps).await?;
                let note = Note { registry: steps.registry, taken };
                let done = async {
                    let taken = note.taken.clone();
                    kept.note(note).await?;
                    // Not earlier, because a refused revocation replaces nothing.
                    self.replace_earlier(registry.name(), Some(way)).await?;
                    take(&taken, &place, &intent).await
                };
                let done = done.await;
                // The caller gets the error, and decides what to do.
                intent.end().await?;
                done?;
                tracing::info!(
                    registry.name = registry.name(),
                    way = way.name(),
                    "revoked the key"
                );
            }
            // A waiting restoration would undo this revocation.
            None if kept.has(registry.name(), way) => {
                self.replace_earlier(registry.name(), Some(way)).await?;
            }
            None => return Err(place.nothing_to_take()),
        }
        drop(kept);
        // In strict parity the registry can use an identity for a time after its removal.
        let is_dark = way != Way::Identity || registry.identity_works_until().is_none();
        let expected = match wait {
            true if is_dark => Expected::Dark,
            true => Expected::Told,
            false => Expected::Anything,
        };
        changed::seen(registry, expected).await
    }

    /// Restores the access of a registry, for all methods or for one. If there is nothing to restore, this succeeds.
    pub async fn restore(
        &self,
        registry: &Registry,
        hand: Hand<'_>,
        by: Option<Way>,
        wait: bool,
    ) -> Result<Restored, RevocationError> {
        let mut kept = self.kept.lock().await;
        let ways = self.restore_alone(&mut kept, registry, hand, by).await?;
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

    /// Restores the access, for callers that hold the lock.
    async fn restore_alone(
        &self,
        kept: &mut Kept,
        registry: &Registry,
        hand: Hand<'_>,
        by: Option<Way>,
    ) -> Result<Vec<Way>, RevocationError> {
        if kept.newest_first(registry.name(), by).is_empty() {
            self.replace_earlier(registry.name(), by).await?;
            return Ok(Vec::new());
        }
        let steps = Steps { registry: registry.name().to_owned(), by };
        let intent = self.intents.begin(Kind::Restore, &steps).await?;
        self.replace_earlier(registry.name(), by).await?;
        let done = give_back(kept, registry, hand, by, &intent).await;
        intent.end().await?;
        done
    }

    /// Waits until no revocation and no restoration runs, and blocks new ones until the returned value is dropped.
    pub async fn hold(&self) -> Held<'_> {
        Held { revocations: self, kept: self.kept.lock().await }
    }

    /// Resumes an interrupted operation, as far as its record was stored. After an error the caller tries again.
    pub async fn resume(&self, intent: Intent, hand: Hand<'_>) -> Result<(), RevocationError> {
        let mut kept = self.kept.lock().await;
        if intent.is_replaced() {
            return Ok(());
        }
        let done = resume(&mut kept, &intent, hand).await;
        match done {
            Ok(()) => Ok(intent.end().await?),
            Err(error) => {
                intent.failed(&error);
                Err(error)
            }
        }
    }

    /// Ends the interrupted operations of a registry that a newer operation by this method, or by all methods, replaces.
    /// The caller must hold the lock.
    async fn replace_earlier(
        &self,
        registry: &str,
        by: Option<Way>,
    ) -> Result<(), RevocationError> {
        let is_it = |parameters: &serde_json::Value| {
            serde_json::from_value(parameters.clone()).is_ok_and(|earlier: Steps| {
                earlier.registry.eq_ignore_ascii_case(registry)
                    && (by.is_none() || earlier.by.is_none() || by == earlier.by)
            })
        };
        Ok(self.intents.replace_those(&[Kind::Revoke, Kind::Restore], is_it).await?)
    }

    /// Removes the records of deleted registries, because a new registry of the same name has no revocations. The access
    /// stays revoked: other registries may use the key, and its owner decides about it.
    pub async fn forget_gone(&self, registries: &Registries) -> Result<(), RevocationError> {
        let mut kept = self.kept.lock().await;
        Ok(kept.keep_of(|registry| registries.get(registry).is_some()).await?)
    }

    /// The methods by which the key of a registry is revoked or about to be, the newest first. It does not wait for a running
    /// change.
    pub fn of(&self, registry: &str) -> Vec<Way> {
        let notes = self.noted.newest_first(registry, None);
        notes.iter().map(|note| note.taken.way()).collect()
    }
}

impl Held<'_> {
    /// Restores all access of a registry, without waiting for its state.
    pub async fn restore(
        &mut self,
        registry: &Registry,
        hand: Hand<'_>,
    ) -> Result<(), RevocationError> {
        self.revocations.restore_alone(&mut self.kept, registry, hand, None).await.map(drop)
    }

    /// Removes all records, after a reset that leaves nothing to restore.
    pub async fn forget_all(&mut self) -> Result<(), RevocationError> {
        Ok(self.kept.forget_all().await?)
    }
}
