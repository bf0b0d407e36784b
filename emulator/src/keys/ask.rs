//! Asking the vault for a data key: one question at a time for each key, whoever wants to know.
//!
//! # Single flight
//!
//! The question is a task of its own, and what callers hold is a [`Flight`]: a future that any number of them can wait
//! for and any of them can drop. So a client that goes away while it was the one that asked leaves nobody waiting. The
//! flight lies in the slot; it is taken up while its answer is outstanding, and replaced afterwards. The task holds the
//! ring only weakly, so that a vault that hangs does not keep a ring alive that nobody wants any more.
//!
//! # What an answer does
//!
//! Everything that follows from an answer happens in [`Inner::settle`], in the task, once, before any waiter is told.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

use super::audit::Purpose;
use super::ring::Inner;
use super::slot::{Slot, Terms, lock};
use super::state::Failure;
use super::stored::{Entry, Head, Wrapped};
use super::vault::VaultError;
use super::{KeyError, KeyId, Refusal, State};
use sealed_envelope::DataKey;

/// A question that is under way, or was answered.
pub(super) type Flight = Shared<BoxFuture<'static, Result<(), AskError>>>;

/// Why a question has not brought the key.
#[derive(Clone, Debug)]
pub(super) enum AskError {
    /// The answer came too late to count: ask again.
    Superseded,
    /// The answer.
    Key(KeyError),
}

/// What was true when a question was asked.
struct Asked<'a> {
    number: u64,
    terms: Terms,
    head: &'a Head,
}

/// The most that we let a vault put us off.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);

/// The most that content waits between two questions after a refusal.
const MAX_GAP: Duration = Duration::from_secs(1);

impl Inner {
    /// Sees to it that a slot holds its key. Waits for the vault, but not longer than the limit.
    pub(super) async fn ensure(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<(), KeyError> {
        slot.touch(&self.clock);
        if slot.is_alive(&self.clock) {
            return Ok(());
        }
        let answered = async {
            loop {
                let flight = self.flight(slot, Purpose::Lease, true)?;
                match flight.await {
                    Ok(()) => return Ok(()),
                    Err(AskError::Key(error)) => return Err(error),
                    Err(AskError::Superseded) => (),
                }
            }
        };
        tokio::select! {
            biased;
            answer = answered => answer,
            () = self.limit() => Err(self.not_answered(slot)),
        }
    }

    /// Asks for the key of a slot after this moment, whatever is known.
    pub(super) async fn ask_anew(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        purpose: Purpose,
    ) -> Result<(), KeyError> {
        let answered = async {
            // A question that is under way may have been answered before whatever our caller wants to see.
            let under_way = lock(&slot.flight).clone();
            if let Some(flight) = under_way {
                drop(flight.await);
            }
            loop {
                match self.flight(slot, purpose, false)?.await {
                    Ok(()) => return Ok(()),
                    Err(AskError::Key(error)) => return Err(error),
                    Err(AskError::Superseded) => (),
                }
            }
        };
        tokio::select! {
            biased;
            answer = answered => answer,
            () = self.limit() => Err(self.not_answered(slot)),
        }
    }

    /// The question for this slot that is under way, or a new one. `patient`: not so soon after a refusal.
    pub(super) fn flight(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        purpose: Purpose,
        patient: bool,
    ) -> Result<Flight, KeyError> {
        let mut flight = lock(&slot.flight);
        if let Some(under_way) = flight.as_ref().filter(|flight| flight.peek().is_none()) {
            return Ok(under_way.clone());
        }
        if patient && let Some(refusal) = self.machine().standing(self.clock.elapsed()) {
            return Err(refusal.clone().into());
        }
        let launched = self.launch(slot, purpose)?;
        *flight = Some(launched.clone());
        Ok(launched)
    }

    fn launch(self: &Arc<Self>, slot: &Arc<Slot>, purpose: Purpose) -> Result<Flight, KeyError> {
        let ring = self.ring();
        let entry = match ring.entry(slot.id, self.registry(), &self.service_key)? {
            Entry::Bare(key) => {
                // No keeper: a key without terms is held for good.
                let _ = slot.hold(key, None);
                return Ok(futures::future::ready(Ok(())).boxed().shared());
            }
            Entry::Wrapped(entry) => entry,
        };
        let vault = self.vault(&ring.head).ok_or(KeyError::DamagedDataKey(slot.id))?;
        let number = self.machine().draw();
        slot.note_asked();
        let terms = self.terms();
        let (inner, slot, stop) = (Arc::downgrade(self), Arc::clone(slot), self.stop.clone());
        let task = self.runtime.spawn(async move {
            let answer = tokio::select! {
                answer = vault.unwrap(&entry.kek, slot.id, &entry.wrapped, purpose) => answer,
                () = stop.cancelled() => return Err(AskError::Superseded),
            };
            let inner = inner.upgrade().ok_or(AskError::Superseded)?;
            inner.settle(&slot, &Asked { number, terms, head: &ring.head }, &entry, answer)
        });
        let flight =
            async move { task.await.unwrap_or(Err(AskError::Superseded)) }.boxed().shared();
        // A shared future is answered when somebody has polled it. With no caller left, an old answer would pass for one
        // that is still to come.
        self.runtime.spawn(flight.clone());
        Ok(flight)
    }

    /// Draws the consequences of an answer.
    fn settle(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        asked: &Asked<'_>,
        entry: &Wrapped,
        answer: Result<DataKey, VaultError>,
    ) -> Result<(), AskError> {
        self.probing.note_answer(asked.terms.deadline);
        match answer {
            Ok(key) if entry.is_proven_by(slot.id, &key) => self.granted(slot, asked, key),
            Ok(_) => {
                tracing::error!(key = %entry.kek, data_key = %slot.id, "the vault unwrapped another key than was wrapped");
                slot.put_off(&self.clock, self.lease(), self.lease(), None);
                Err(AskError::Key(KeyError::DamagedDataKey(slot.id)))
            }
            Err(error) => self.failed(slot, asked, &entry.kek, &error),
        }
    }

    fn granted(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        asked: &Asked<'_>,
        key: DataKey,
    ) -> Result<(), AskError> {
        let mut machine = self.machine();
        if !machine.grant(asked.number) {
            return Err(AskError::Superseded);
        }
        // Only a slot that "erase all" finds may hold a key. Retirement takes slots out under the same lock.
        if !self.has_slot(slot) {
            return Err(AskError::Key(KeyError::NoSuchDataKey(slot.id)));
        }
        let start_keeper = slot.hold(key, Some(asked.terms));
        self.publish(&machine.active(self.clock.now()));
        drop(machine);
        if start_keeper {
            self.start_keeper(slot);
        }
        Ok(())
    }

    fn failed(
        self: &Arc<Self>,
        slot: &Slot,
        asked: &Asked<'_>,
        kek: &KeyId,
        error: &VaultError,
    ) -> Result<(), AskError> {
        // A rotation was faster: the version that was asked for is not ours any more, or not through that identity,
        // whatever the vault says of it.
        let (now, then) = (&self.ring().head, asked.head);
        if (&now.kek, &now.identity) != (&then.kek, &then.identity) {
            return Err(AskError::Superseded);
        }
        let Some(cause) = error.cause() else {
            tracing::error!(key = %kek, data_key = %slot.id, %error, "the vault cannot unwrap a data key");
            slot.put_off(&self.clock, self.lease(), self.lease(), error.retry_after());
            return Err(AskError::Key(KeyError::DamagedDataKey(slot.id)));
        };
        let refusal = self.refusal(cause, kek, error);
        if cause.is_refusal() {
            self.refused(slot, asked.number, &refusal);
        } else {
            tracing::debug!(key = %kek, cause = cause.name(), %error, "the vault gave no answer");
            let wait = error.retry_after().map(|after| after.min(MAX_RETRY_AFTER));
            slot.put_off(&self.clock, self.lease() / 20, self.lease() / 4, wait);
            let not_before = self.clock.elapsed() + self.gap().max(wait.unwrap_or_default());
            let mut machine = self.machine();
            machine.fail(asked.number, Failure { refusal: refusal.clone(), not_before });
            self.publish_if_dark(&machine);
        }
        Err(AskError::Key(refusal.into()))
    }

    /// The vault said no, to a question about the version in use: no key of the ring may be used from here on.
    pub(super) fn refused(&self, slot: &Slot, number: u64, refusal: &Refusal) {
        let not_before = self.clock.elapsed() + self.gap();
        let mut machine = self.machine();
        if machine.refuse(number, Failure { refusal: refusal.clone(), not_before }) {
            self.erase_all();
            if let Some(status) = machine.unavailable(self.clock.now()) {
                self.publish(&status);
            }
        }
        slot.erase();
    }

    /// The refusal that an error of the vault makes.
    pub(super) fn refusal(&self, cause: super::Cause, kek: &KeyId, error: &VaultError) -> Refusal {
        let identifier = self.identifier(kek);
        let refusal = Refusal::unavailable(cause, kek.clone(), &identifier, error.retry_after());
        match cause {
            // The error alone says why the log cannot be written.
            super::Cause::AuditUnavailable => refusal.in_words(&error.to_string()),
            _ => refusal,
        }
    }

    /// The terms of a key that the vault is asked for now.
    fn terms(&self) -> Terms {
        Terms {
            deadline: self.clock.deadline(self.lease()),
            renew_at: self.clock.deadline(self.lease() / 2),
        }
    }

    /// How long content waits between two questions after a refusal.
    pub(super) fn gap(&self) -> Duration {
        (self.lease() / 5).min(MAX_GAP)
    }

    /// What a caller is told who has waited long enough.
    pub(super) fn not_answered(&self, slot: &Slot) -> KeyError {
        let machine = self.machine();
        if let Some(failure) = machine.failure() {
            return failure.refusal.clone().into();
        }
        if !self.any_alive() {
            let now = self.clock.now();
            self.publish(&super::Status {
                state: State::Checking,
                cause: None,
                words: None,
                since: now,
            });
        }
        drop(machine);
        self.checking(slot)
    }

    /// The refusal of who came before the answer.
    pub(super) fn checking(&self, slot: &Slot) -> KeyError {
        match self.key_in_use() {
            Some(key) => Refusal::checking(key.clone(), &self.identifier(&key)).into(),
            // Nobody waits for a vault here: the entry is all there is.
            None => KeyError::DamagedDataKey(slot.id),
        }
    }
}
