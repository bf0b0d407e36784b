//! The operations that have begun and not ended.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azure_emulator_core::clock::Clock;
use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use super::kind::Kind;
use super::waiting::{Entry, Unfinished};
use crate::keys::ServiceKey;
use crate::registry::Error;
use crate::registry::blocking::blocking;
use crate::registry::events::Events;
use crate::store::{End, OutcomeRow, Store};

/// The purpose under which parameters are sealed. They belong to no registry: the id of the operation takes its place.
pub(super) const PURPOSE: &str = "intent";

/// The number of ends after which the oldest outcomes are removed.
pub(super) const ENDS_PER_SWEEP: usize = 100;

/// The operations of a data folder that have begun and not ended. Clones share them.
#[derive(Clone)]
pub struct Intents(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Arc<Store>,
    pub(super) key: ServiceKey,
    pub(super) clock: Clock,
    pub(super) events: Events,
    pub(super) entries: Mutex<HashMap<Uuid, Entry>>,
    /// The operations with a running attempt, including those that were replaced meanwhile.
    pub(super) attempts: Mutex<HashSet<Uuid>>,
    /// Notified when an attempt has ended.
    pub(super) attempt_ended: Notify,
    /// Notified when operations were replaced.
    pub(super) replaced: Notify,
    /// Notified when an entry begins to wait.
    pub(super) waits: Notify,
    /// The number of operations that have ended since the oldest outcomes were removed.
    pub(super) ends: AtomicUsize,
    #[cfg(test)]
    pub(super) stop: super::stop::Stop,
}

/// The outcome of an operation that clients poll.
pub type Outcome = Result<(), Value>;

impl Intents {
    /// The emulator's clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The operations that wait for an attempt or are in one, the oldest first.
    pub fn unfinished(&self) -> Vec<Unfinished> {
        let now = self.0.clock.elapsed();
        let mut all: Vec<Unfinished> =
            self.entries().iter().map(|(id, entry)| entry.report(*id, now)).collect();
        all.sort_by_key(|one| (one.begun, one.id));
        all
    }

    /// Whether the operation of this id has not ended yet.
    pub fn is_unfinished(&self, id: Uuid) -> bool {
        self.entries().contains_key(&id)
    }

    /// The parameters of all operations of a kind.
    pub fn parameters<P: DeserializeOwned>(&self, kind: Kind) -> Vec<(Uuid, P)> {
        let entries = self.entries();
        let of_kind = entries.iter().filter(|(_, entry)| entry.kind == Some(kind));
        of_kind
            .filter_map(|(id, entry)| Some((*id, serde_json::from_slice(&entry.parameters).ok()?)))
            .collect()
    }

    /// The outcome of the operation of this id, if it is kept.
    pub async fn outcome(&self, id: Uuid) -> Result<Option<Outcome>, Error> {
        let store = Arc::clone(&self.0.store);
        let row = blocking(move || store.outcome(id)).await?;
        Ok(row.map(|row| row.error.map_or(Ok(()), Err)))
    }

    /// Stores a success for an operation that needed no intent, and returns the id that clients poll. Durable on return.
    pub async fn keep_success(&self) -> Result<Uuid, Error> {
        let id = Uuid::new_v4();
        self.0.ends.fetch_add(1, Ordering::Relaxed);
        let end = End::Keep(id, OutcomeRow { ended: millis(self.0.clock.now()), error: None });
        let store = Arc::clone(&self.0.store);
        blocking(move || store.end_intent(&end)).await?;
        self.sweep().await;
        Ok(id)
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, HashMap<Uuid, Entry>> {
        // Nothing panics while the lock is held, so the entries are complete.
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attempts(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        // No code panics while it holds the lock.
        self.0.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store with the intents.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> Arc<Store> {
        Arc::clone(&self.0.store)
    }

    /// Whether an operation has ended, or must end before its next step.
    #[cfg(test)]
    pub(crate) fn is_stopping(&self, id: Uuid) -> bool {
        self.entries().get(&id).is_none_or(|entry| entry.is_stopped)
    }

    /// Makes the next attempts due at once.
    #[cfg(test)]
    pub(crate) fn end_backoff(&self) {
        self.entries().values_mut().for_each(Entry::end_backoff);
        self.0.waits.notify_one();
    }

    /// Stops operations at a step boundary, as a kill there would.
    #[cfg(test)]
    pub(crate) fn stop(&self) -> &super::stop::Stop {
        &self.0.stop
    }
}

impl fmt::Debug for Intents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.unfinished()).finish()
    }
}

pub(super) fn millis(moment: OffsetDateTime) -> i64 {
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
