//! Asks the vault for data keys, with one request at a time for each key.
//!
//! # Single flight
//!
//! The request is a task of its own, and callers hold a [`InflightUnwrap`]: a future that any number of them can wait
//! for and any of them can drop. So if the client that asked goes away, the other clients still get the answer. The
//! slot has the flight; callers join it while its answer is outstanding, and replace it afterwards. The task holds the
//! ring only weakly, so that a vault that hangs does not keep an unused ring in memory.
//!
//! # Effects of an answer
//!
//! All effects of an answer happen in [`Inner::apply_answer`], in the task, once, before any waiter gets the answer.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;

use super::audit::Purpose;
use super::shared::Inner;
use super::slot::{InflightUnwrap, Slot, Terms, UnwrapError, lock};
use super::state::Failure;
use super::stored::{Entry, Head, Wrapped};
use super::vault::VaultError;
use super::{KeyError, KeyId, Refusal, State};
use sealed_envelope::DataKey;

/// The state when a request was sent.
struct UnwrapRequest<'a> {
    number: u64,
    terms: Terms,
    head: &'a Head,
}

/// The longest delay that a vault can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);

/// The longest time between two requests for content after a refusal.
const MAX_GAP: Duration = Duration::from_secs(1);

impl Inner {
    /// Makes sure that a slot holds its key. Waits for the vault, but not longer than the limit.
    pub(super) async fn ensure(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<(), KeyError> {
        slot.touch(&self.clock);
        if slot.is_alive(&self.clock) {
            return Ok(());
        }
        let answered = async {
            loop {
                let inflight = self.join_or_start(slot, Purpose::Lease, true)?;
                match inflight.await {
                    Ok(()) => return Ok(()),
                    Err(UnwrapError::Key(error)) => return Err(error),
                    Err(UnwrapError::Superseded) => (),
                }
            }
        };
        self.within_limit(slot, answered).await
    }

    /// Asks the vault for the key of a slot now, even if the slot holds it.
    pub(super) async fn ask_anew(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        purpose: Purpose,
    ) -> Result<(), KeyError> {
        let answered = async {
            // A request in flight may have been answered before the change that our caller wants to see.
            let inflight = lock(&slot.inflight).clone();
            if let Some(inflight) = inflight {
                drop(inflight.await);
            }
            loop {
                match self.join_or_start(slot, purpose, false)?.await {
                    Ok(()) => return Ok(()),
                    Err(UnwrapError::Key(error)) => return Err(error),
                    Err(UnwrapError::Superseded) => (),
                }
            }
        };
        self.within_limit(slot, answered).await
    }

    /// Waits for the answer about a slot, as long as a caller may wait.
    async fn within_limit(
        &self,
        slot: &Slot,
        answered: impl Future<Output = Result<(), KeyError>>,
    ) -> Result<(), KeyError> {
        tokio::select! {
            biased;
            answer = answered => answer,
            () = self.limit() => Err(self.not_answered(slot)),
        }
    }

    /// The request in flight for this slot, or a new one. `patient`: a standing refusal is repeated without a new request.
    pub(super) fn join_or_start(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        purpose: Purpose,
        patient: bool,
    ) -> Result<InflightUnwrap, KeyError> {
        let mut inflight = lock(&slot.inflight);
        if let Some(inflight) = inflight.as_ref().filter(|inflight| inflight.peek().is_none()) {
            return Ok(inflight.clone());
        }
        if patient && let Some(refusal) = self.machine().standing(self.clock.elapsed()) {
            return Err(refusal.clone().into());
        }
        let launched = self.start_unwrap(slot, purpose)?;
        *inflight = Some(launched.clone());
        Ok(launched)
    }

    fn start_unwrap(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        purpose: Purpose,
    ) -> Result<InflightUnwrap, KeyError> {
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
        let number = self.machine().next_number();
        slot.mark_requested();
        let terms = self.terms();
        let (inner, slot, stop) = (Arc::downgrade(self), Arc::clone(slot), self.stop.clone());
        let task = self.runtime.spawn(async move {
            let answer = tokio::select! {
                answer = vault.unwrap(&entry.kek, slot.id, &entry.wrapped, purpose) => answer,
                () = stop.cancelled() => return Err(UnwrapError::Superseded),
            };
            let inner = inner.upgrade().ok_or(UnwrapError::Superseded)?;
            inner.apply_answer(
                &slot,
                &UnwrapRequest { number, terms, head: &ring.head },
                &entry,
                answer,
            )
        });
        let inflight =
            async move { task.await.unwrap_or(Err(UnwrapError::Superseded)) }.boxed().shared();
        // A shared future completes only if it is polled. Without this poll, and with no caller left, an old answer would look
        // like an outstanding one.
        self.runtime.spawn(inflight.clone());
        Ok(inflight)
    }

    /// Applies an answer.
    fn apply_answer(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        request: &UnwrapRequest<'_>,
        entry: &Wrapped,
        answer: Result<DataKey, VaultError>,
    ) -> Result<(), UnwrapError> {
        self.probing.record_answer(request.terms.deadline);
        match answer {
            Ok(key) if entry.is_proven_by(slot.id, &key) => self.granted(slot, request, key),
            Ok(_) => {
                tracing::error!(key = %entry.kek, data_key = %slot.id, "the vault unwrapped a different key than it had wrapped");
                slot.delay_renewal(&self.clock, self.lease(), self.lease(), None);
                Err(UnwrapError::Key(KeyError::DamagedDataKey(slot.id)))
            }
            Err(error) => self.failed(slot, request, &entry.kek, &error),
        }
    }

    fn granted(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        request: &UnwrapRequest<'_>,
        key: DataKey,
    ) -> Result<(), UnwrapError> {
        let mut machine = self.machine();
        if !machine.grant(request.number) {
            return Err(UnwrapError::Superseded);
        }
        // Only a slot that "erase all" finds may hold a key. Retirement removes slots under the same lock.
        if !self.has_slot(slot) {
            return Err(UnwrapError::Key(KeyError::NoSuchDataKey(slot.id)));
        }
        let start_keeper = slot.hold(key, Some(request.terms));
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
        request: &UnwrapRequest<'_>,
        kek: &KeyId,
        error: &VaultError,
    ) -> Result<(), UnwrapError> {
        // A rotation was faster: the ring no longer uses this version, or not through this identity,
        // so the vault's answer does not count.
        let (now, then) = (&self.ring().head, request.head);
        if (&now.kek, &now.identity) != (&then.kek, &then.identity) {
            return Err(UnwrapError::Superseded);
        }
        let Some(cause) = error.cause() else {
            tracing::error!(key = %kek, data_key = %slot.id, %error, "the vault cannot unwrap a data key");
            slot.delay_renewal(&self.clock, self.lease(), self.lease(), error.retry_after());
            return Err(UnwrapError::Key(KeyError::DamagedDataKey(slot.id)));
        };
        let refusal = self.refusal(cause, kek, error);
        if cause.is_refusal() {
            self.refused(slot, request.number, &refusal);
        } else {
            tracing::debug!(key = %kek, cause = cause.name(), %error, "the vault gave no answer");
            let wait = error.retry_after().map(|after| after.min(MAX_RETRY_AFTER));
            slot.delay_renewal(&self.clock, self.lease() / 20, self.lease() / 4, wait);
            let not_before = self.clock.elapsed() + self.retry_gap().max(wait.unwrap_or_default());
            let mut machine = self.machine();
            machine.fail(request.number, Failure { refusal: refusal.clone(), not_before });
            self.publish_if_dark(&machine);
        }
        Err(UnwrapError::Key(refusal.into()))
    }

    /// Applies a refusal of the version in use: no key of the ring may be used from now on.
    pub(super) fn refused(&self, slot: &Slot, number: u64, refusal: &Refusal) {
        let not_before = self.clock.elapsed() + self.retry_gap();
        let mut machine = self.machine();
        if machine.refuse(number, Failure { refusal: refusal.clone(), not_before }) {
            self.erase_all();
            if let Some(status) = machine.unavailable(self.clock.now()) {
                self.publish(&status);
            }
        }
        slot.erase();
    }

    /// Builds the refusal for an error of the vault.
    pub(super) fn refusal(&self, cause: super::Cause, kek: &KeyId, error: &VaultError) -> Refusal {
        let identifier = self.identifier(kek);
        let refusal = Refusal::unavailable(cause, kek.clone(), &identifier, error.retry_after());
        match cause {
            // Only the error has the reason why the log cannot be written.
            super::Cause::AuditUnavailable => refusal.with_message(&error.to_string()),
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

    /// How long content waits between two requests after a refusal.
    pub(super) fn retry_gap(&self) -> Duration {
        (self.lease() / 5).min(MAX_GAP)
    }

    /// The error for callers that timed out waiting.
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
                message: None,
                since: now,
            });
        }
        drop(machine);
        self.checking(slot)
    }

    /// The error for callers that came before the answer.
    pub(super) fn checking(&self, slot: &Slot) -> KeyError {
        match self.key_in_use() {
            Some(key) => Refusal::checking(key.clone(), &self.identifier(&key)).into(),
            // This ring has no vault to wait for: the entry is all there is.
            None => KeyError::DamagedDataKey(slot.id),
        }
    }
}
