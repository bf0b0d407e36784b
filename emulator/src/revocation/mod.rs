//! Taking the key of a registry away in every way that an owner has, and putting back exactly what was there.
//!
//! `admin/revocation.rs` calls [`Revocations`]. What is to be taken is looked up in the vault, noted durably in the data
//! folder, and then taken, in this order. Each leaves an intent: after a kill between two steps the rest is taken, or given
//! back.
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

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

pub use self::changed::Expected;
pub use self::error::RevocationError;
use self::kept::{Kept, Note, Noted};
use self::taken::{Place, Taken};
pub use self::way::Way;
use crate::keys::Status;
use crate::registry::{Intent, Intents, Kind, Registries, Registry};
use crate::store::{Store, StoreError};
use crate::vault_owner::OwnerVault;

/// What was taken from the registries of a data folder.
#[derive(Debug)]
pub struct Revocations {
    /// Locked over each change, from the look to the note that it was undone.
    kept: Mutex<Kept>,
    /// What is noted at the moment. It is read without the lock: a change waits for the vault, and a reset takes long.
    noted: Noted,
    intents: Intents,
}

/// What a revocation or a restoration needs to go on.
#[derive(Serialize, Deserialize)]
struct Steps {
    registry: String,
    /// In which way; none: what was taken in any.
    by: Option<Way>,
}

/// What changes are made with.
#[derive(Clone, Copy, Debug)]
pub struct Hand<'a> {
    /// The owner's hand on the vault; none with a vault that is not ours to change.
    pub owner: Option<&'a OwnerVault>,
    /// The registries, whose identities can be taken.
    pub registries: &'a Registries,
}

/// The revocations of a data folder while a reset holds their lock: nobody else takes or gives back anything.
#[derive(Debug)]
pub struct Held<'a> {
    revocations: &'a Revocations,
    kept: MutexGuard<'a, Kept>,
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
    pub fn open(store: Arc<Store>, intents: Intents) -> Result<Self, StoreError> {
        let kept = Kept::open(store)?;
        Ok(Self { noted: kept.noted(), kept: Mutex::new(kept), intents })
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
        let looked = place.look().await?;
        match looked {
            Some(taken) => {
                let steps = Steps { registry: registry.name().to_owned(), by: Some(way) };
                let intent = self.intents.begin(Kind::Revoke, &steps).await?;
                let note = Note { registry: steps.registry, taken };
                let done = async {
                    let taken = note.taken.clone();
                    kept.note(note).await?;
                    // Not before: a revocation that is refused replaces nothing.
                    self.replace_earlier(registry.name(), Some(way)).await?;
                    take(&taken, &place, &intent).await
                };
                let done = done.await;
                // Whoever asked is told of a failure, and decides.
                intent.end().await?;
                done?;
                tracing::info!(
                    registry.name = registry.name(),
                    way = way.name(),
                    "revoked the key"
                );
            }
            // A restoration that waits would give back what was asked to be taken again.
            None if kept.has(registry.name(), way) => {
                self.replace_earlier(registry.name(), Some(way)).await?;
            }
            None => return Err(place.nothing_to_take()),
        }
        drop(kept);
        // In strict parity an identity works on for a while after it was taken.
        let is_dark = way != Way::Identity || registry.identity_works_until().is_none();
        let expected = match wait {
            true if is_dark => Expected::Dark,
            true => Expected::Told,
            false => Expected::Anything,
        };
        changed::seen(registry, expected).await
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

    /// Gives back what was taken, for those who hold the lock.
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

    /// Waits until no revocation and no restoration is under way, and lets none begin until the returned value is dropped.
    pub async fn hold(&self) -> Held<'_> {
        Held { revocations: self, kept: self.kept.lock().await }
    }

    /// Goes on with what was cut short, as far as it was noted what there is to take. An error is noted, and it is tried
    /// again.
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

    /// Ends the revocations and restorations of a registry that were cut short and that a newer one in this way, or in all, makes
    /// void. To be called with the lock held.
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

    /// Forgets what was taken from registries that are gone: another one of that name has lost nothing. What was taken
    /// stays taken: the key may be that of other registries, and is its owner's to give back.
    pub async fn forget_gone(&self, registries: &Registries) -> Result<(), RevocationError> {
        let mut kept = self.kept.lock().await;
        Ok(kept.keep_of(|registry| registries.get(registry).is_some()).await?)
    }

    /// In which ways the key of a registry is taken away, or about to be, the newest first. It waits for no change that is
    /// under way.
    pub fn of(&self, registry: &str) -> Vec<Way> {
        let notes = self.noted.newest_first(registry, None);
        notes.iter().map(|note| note.taken.way()).collect()
    }
}

impl Held<'_> {
    /// Gives back everything that was taken from a registry. The state of the registry is not looked at.
    pub async fn restore(
        &mut self,
        registry: &Registry,
        hand: Hand<'_>,
    ) -> Result<(), RevocationError> {
        self.revocations.restore_alone(&mut self.kept, registry, hand, None).await.map(drop)
    }

    /// Forgets everything that was taken: there is nothing left that it could be given back to.
    pub async fn forget_all(&mut self) -> Result<(), RevocationError> {
        Ok(self.kept.forget_all().await?)
    }
}

/// Takes what was noted.
async fn take(taken: &Taken, place: &Place<'_>, intent: &Intent) -> Result<(), RevocationError> {
    intent.passed().await?;
    taken.take(place).await?;
    intent.passed().await?;
    Ok(())
}

/// Gives back what was taken, the newest first. What is given back is forgotten one by one.
async fn give_back(
    kept: &mut Kept,
    registry: &Registry,
    hand: Hand<'_>,
    by: Option<Way>,
    intent: &Intent,
) -> Result<Vec<Way>, RevocationError> {
    let mut ways = Vec::new();
    for note in kept.newest_first(registry.name(), by) {
        let way = note.taken.way();
        let place = Place::of(registry, hand, way)?;
        note.taken.give_back(&place).await?;
        intent.passed().await?;
        kept.forget(&note).await?;
        intent.passed().await?;
        tracing::info!(registry.name = registry.name(), way = way.name(), "restored the key");
        ways.push(way);
    }
    Ok(ways)
}

async fn resume(kept: &mut Kept, intent: &Intent, hand: Hand<'_>) -> Result<(), RevocationError> {
    let Steps { registry, by } = intent.parameters()?;
    // What was taken from a registry that is gone is its owner's to give back.
    let Some(registry) = hand.registries.get(&registry) else { return Ok(()) };
    match (intent.kind(), by) {
        (Kind::Revoke, Some(way)) => {
            let place = Place::of(&registry, hand, way)?;
            // Without a note nothing was taken, and nobody was told that it was.
            let noted = kept.newest_first(registry.name(), by);
            // What is still there of what was noted: nothing, if it was taken before the stop. If it is something else by
            // now, its owner has set it since, and it stays.
            if let Some(rest) = place.look_again().await?
                && noted.iter().any(|note| rest.is_part_of(&note.taken))
            {
                intent.passed().await?;
                rest.take(&place).await?;
            }
        }
        _ => drop(give_back(kept, &registry, hand, by, intent).await?),
    }
    registry.key_ring().check().await;
    Ok(())
}
