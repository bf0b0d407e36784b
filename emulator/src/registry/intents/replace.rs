//! Ends operations that a newer one replaces: an older operation must not undo the work of a newer one.
//!
//! A module calls [`Intents::replace`] under its lock, as soon as the new operation is accepted: a refused operation
//! replaces nothing. An attempt that waits for that lock calls [`Intent::is_replaced`] when it gets it, and does
//! nothing if it is replaced.
//!
//! A reset holds no lock of any module. It ends the operations that it replaces and waits until their running attempts
//! have noticed: each calls [`Intent::passed`] before its next step. Until the reset has ended, the runner takes no
//! other operation, and no operation begins that works without the lock of a module.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use uuid::Uuid;

use super::intent::Intent;
use super::kind::{Kind, SUBJECTS};
use super::list::{ENDS_PER_SWEEP, Intents, millis};
use super::waiting::{Entry, State};
use crate::registry::Error;
use crate::registry::blocking::blocking;
use crate::store::{End, OutcomeRow};

impl Intents {
    /// Ends the interrupted operations of these kinds on the subject that wait, or whose next attempt waits for the
    /// lock that the caller holds. Durable on return.
    pub async fn replace(&self, kinds: &[Kind], subject: &str) -> Result<(), Error> {
        let is_it = |parameters: &Value| {
            let named = SUBJECTS.iter().find_map(|name| parameters[name].as_str());
            named.is_some_and(|named| named.eq_ignore_ascii_case(subject))
        };
        self.replace_those(kinds, is_it).await
    }

    /// The same for the operations whose parameters `is_it` accepts.
    pub async fn replace_those(
        &self,
        kinds: &[Kind],
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<(), Error> {
        let is_replaced = |entry: &Entry| {
            entry.was_cut_short
                && entry.kind.is_some_and(|kind| kinds.contains(&kind))
                && is_it(&serde_json::from_slice(&entry.parameters).unwrap_or_default())
        };
        let found = {
            let entries = self.entries();
            entries.iter().filter(|(_, entry)| is_replaced(entry)).map(|(id, _)| *id).collect()
        };
        self.end_all(found).await
    }

    /// Begins a reset: it replaces earlier resets, every operation that would change what it resets, and operations
    /// that cannot continue in this program. Operations that only clean up after themselves continue. Durable on
    /// return, and no attempt of a replaced operation is running any more. The caller must hold no lock that such an
    /// attempt may wait for.
    pub async fn replace_for_reset(&self, own: &Intent) -> Result<(), Error> {
        let mut stopping = Vec::new();
        let mut found = Vec::new();
        for (id, entry) in self.entries().iter_mut().filter(|(id, _)| **id != own.id) {
            let Some(kind) = entry.kind.filter(|_| entry.state != State::Stuck) else {
                found.push(*id);
                continue;
            };
            if is_void_after_reset(kind) && (entry.was_cut_short || holds_no_lock(kind)) {
                found.push(*id);
                // The attempt of an earlier reset waits for the end of this one.
                stopping.extend((kind != Kind::Reset).then_some(*id));
            } else if holds_no_lock(kind) {
                // It records its end itself, because clients poll it.
                entry.stop();
                stopping.push(*id);
            }
        }
        self.end_all(found).await?;
        self.0.replaced.notify_waiters();
        self.wait_for_attempts(&stopping).await;
        Ok(())
    }

    /// Returns when no attempt of these operations is running.
    async fn wait_for_attempts(&self, ids: &[Uuid]) {
        loop {
            let mut ended = std::pin::pin!(self.0.attempt_ended.notified());
            // From here on no end is missed.
            ended.as_mut().enable();
            let is_under_way = {
                let attempts = self.attempts();
                ids.iter().any(|id| attempts.contains(id))
            };
            if !is_under_way {
                return;
            }
            ended.await;
        }
    }

    /// Adds a new operation. It is refused if a reset would have to stop it.
    pub(super) fn insert_new(&self, id: Uuid, kind: Kind, entry: Entry) -> Result<(), Error> {
        let mut entries = self.entries();
        if holds_no_lock(kind) && has_reset(&entries) {
            return Err(Error::ResetUnfinished { why: None });
        }
        entries.insert(id, entry);
        Ok(())
    }

    /// Refuses new work until an interrupted reset has ended: the reset would remove the results.
    pub fn refuse_in_reset(&self) -> Result<(), Error> {
        self.refuse_if_reset(|_| true)
    }

    /// The same for the work of the reset itself: only between two of its attempts.
    pub fn refuse_while_reset_waits(&self) -> Result<(), Error> {
        self.refuse_if_reset(|entry| entry.state != State::Running)
    }

    fn refuse_if_reset(&self, is_it: impl Fn(&Entry) -> bool) -> Result<(), Error> {
        let entries = self.entries();
        let reset = entries
            .values()
            .find(|entry| entry.kind == Some(Kind::Reset) && entry.was_cut_short && is_it(entry));
        reset.map_or(Ok(()), |entry| Err(Error::ResetUnfinished { why: entry.error() }))
    }

    async fn end_all(&self, ids: Vec<Uuid>) -> Result<(), Error> {
        for id in ids {
            let is_polled =
                self.entries().get(&id).is_some_and(|one| one.kind == Some(Kind::DeleteGroup));
            let end = if is_polled {
                // Only a reset replaces it, and a reset deletes the group as well.
                End::Keep(id, OutcomeRow { ended: millis(self.0.clock.now()), error: None })
            } else {
                End::Forget(id)
            };
            let store = Arc::clone(&self.0.store);
            blocking(move || store.end_intent(&end)).await?;
            if let Some(entry) = self.entries().remove(&id) {
                let operation = entry.name();
                tracing::info!(operation, "a newer operation replaces an interrupted one");
            }
        }
        self.0.replaced.notify_waiters();
        Ok(())
    }

    /// Deletes the oldest outcomes from time to time.
    pub(super) async fn sweep(&self) {
        if self.0.ends.load(Ordering::Relaxed) < ENDS_PER_SWEEP {
            return;
        }
        self.0.ends.store(0, Ordering::Relaxed);
        let store = Arc::clone(&self.0.store);
        if let Err(error) = blocking(move || store.remove_old_outcomes()).await {
            tracing::warn!(%error, "cannot remove the outcomes of old operations");
        }
    }
}

impl Intent {
    /// Whether a newer operation has replaced this one. The caller must hold the module's lock; if true, nothing is
    /// left to do.
    pub fn is_replaced(&self) -> bool {
        self.intents.entries().get(&self.id).is_none_or(|entry| entry.is_stopped)
    }

    /// Returns when a newer operation has replaced this one.
    pub async fn replaced(&self) {
        loop {
            let mut notified = std::pin::pin!(self.intents.0.replaced.notified());
            // From here on no replacement is missed.
            notified.as_mut().enable();
            if self.is_replaced() {
                return;
            }
            notified.await;
        }
    }
}

/// The operations that the runner does not take because a reset has not ended: all but resets.
pub(super) fn held_by_reset(entries: &HashMap<Uuid, Entry>) -> impl Fn(&Entry) -> bool + use<> {
    let has_reset = has_reset(entries);
    move |entry| has_reset && entry.kind != Some(Kind::Reset)
}

fn has_reset(entries: &HashMap<Uuid, Entry>) -> bool {
    entries.values().any(|entry| entry.kind == Some(Kind::Reset))
}

/// Whether an operation runs in the background without holding the lock of a module from its first step to its last.
const fn holds_no_lock(kind: Kind) -> bool {
    match kind {
        Kind::DeleteGroup | Kind::Deploy => true,
        Kind::Reset
        | Kind::MoveClock
        | Kind::CreateRegistry
        | Kind::UpdateRegistry
        | Kind::DeleteRegistry
        | Kind::SystemIdentity
        | Kind::CreateIdentity
        | Kind::DeleteIdentity
        | Kind::RotateKey
        | Kind::Revoke
        | Kind::Restore => false,
    }
}

/// Whether an operation would change the result of a reset. Every other operation checks the current state and removes
/// only its own leftovers.
const fn is_void_after_reset(kind: Kind) -> bool {
    match kind {
        Kind::Reset
        | Kind::MoveClock
        | Kind::DeleteGroup
        | Kind::UpdateRegistry
        | Kind::DeleteIdentity
        | Kind::RotateKey
        | Kind::Revoke
        | Kind::Restore => true,
        // A deployment ends when its row is deleted.
        Kind::Deploy
        | Kind::CreateRegistry
        | Kind::DeleteRegistry
        | Kind::SystemIdentity
        | Kind::CreateIdentity => false,
    }
}
