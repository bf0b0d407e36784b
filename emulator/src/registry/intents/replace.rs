//! Ending operations that a newer one replaces: an older operation must not undo what a newer one did.
//!
//! An area calls [`Intents::replace`] under its lock, before a new operation begins. An attempt that waits for that lock
//! asks [`Intent::is_replaced`] when it has it, and does nothing then.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use uuid::Uuid;

use super::waiting::{Entry, State};
use super::{ENDS_PER_SWEEP, Intent, Intents, Kind, millis};
use crate::registry::Error;
use crate::registry::blocking::blocking;
use crate::store::{End, OutcomeRow};

/// The parameters that name what an operation is done to.
pub(super) const SUBJECTS: [&str; 3] = ["registry", "group", "identity"];

impl Intents {
    /// Ends the operations of these kinds on the subject that were cut short and wait, or whose next attempt waits for the
    /// lock that the caller holds. Durable on return.
    pub async fn replace(&self, kinds: &[Kind], subject: &str) -> Result<(), Error> {
        let is_it = |parameters: &Value| {
            let named = SUBJECTS.iter().find_map(|name| parameters[name].as_str());
            named.is_some_and(|named| named.eq_ignore_ascii_case(subject))
        };
        self.replace_those(kinds, is_it).await
    }

    /// The same for those whose parameters `is_it` accepts.
    pub async fn replace_those(
        &self,
        kinds: &[Kind],
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<(), Error> {
        let found = self.replaceable(|_, entry| {
            entry.kind.is_some_and(|kind| kinds.contains(&kind))
                && is_it(&serde_json::from_slice(&entry.parameters).unwrap_or_default())
        });
        self.end_all(found).await
    }

    /// A reset has begun: it replaces the resets before it, everything that would change what it resets, and what cannot go on
    /// in this program. What only tidies up after itself goes on. Durable on return.
    pub async fn replace_for_reset(&self, own: &Intent) -> Result<(), Error> {
        let found = self.replaceable(|id, entry| {
            let is_void = entry.kind.is_some_and(is_void_after_reset);
            id != own.id && (is_void || entry.state == State::Stuck)
        });
        self.end_all(found).await
    }

    /// Refuses while a reset that was cut short has not ended: it would remove what is stored or made now.
    pub fn refuse_in_reset(&self) -> Result<(), Error> {
        let entries = self.entries();
        let reset =
            entries.values().find(|entry| entry.kind == Some(Kind::Reset) && entry.was_cut_short);
        reset.map_or(Ok(()), |entry| Err(Error::ResetUnfinished { why: entry.error() }))
    }

    fn replaceable(&self, is_it: impl Fn(Uuid, &Entry) -> bool) -> Vec<Uuid> {
        let entries = self.entries();
        let found = entries.iter().filter(|(id, entry)| entry.was_cut_short && is_it(**id, entry));
        found.map(|(id, _)| *id).collect()
    }

    async fn end_all(&self, ids: Vec<Uuid>) -> Result<(), Error> {
        for id in ids {
            let is_polled =
                self.entries().get(&id).is_some_and(|one| one.kind == Some(Kind::DeleteGroup));
            let end = if is_polled {
                // Only a reset replaces it, and that deletes the group as well.
                End::Keep(id, OutcomeRow { ended: millis(self.0.clock.now()), error: None })
            } else {
                End::Forget(id)
            };
            let store = Arc::clone(&self.0.store);
            blocking(move || store.end_intent(&end)).await?;
            if let Some(entry) = self.entries().remove(&id) {
                let operation = entry.name();
                tracing::info!(operation, "a newer operation replaces one that was cut short");
            }
        }
        Ok(())
    }

    /// Forgets the oldest outcomes from time to time.
    pub(super) async fn sweep(&self) {
        if self.0.ends.load(Ordering::Relaxed) < ENDS_PER_SWEEP {
            return;
        }
        self.0.ends.store(0, Ordering::Relaxed);
        let store = Arc::clone(&self.0.store);
        if let Err(error) = blocking(move || store.forget_old_outcomes()).await {
            tracing::warn!(%error, "the outcomes of old operations could not be removed");
        }
    }
}

impl Intent {
    /// Whether a newer operation has replaced this one. Ask it with the lock of the area: then there is nothing left to do.
    pub fn is_replaced(&self) -> bool {
        !self.intents.entries().contains_key(&self.id)
    }
}

/// Whether an operation would change what a reset has made. Every other one looks at what is there and removes only what
/// it left itself.
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
        // A deployment whose row is gone ends with that.
        Kind::Deploy
        | Kind::CreateRegistry
        | Kind::DeleteRegistry
        | Kind::SystemIdentity
        | Kind::CreateIdentity => false,
    }
}
