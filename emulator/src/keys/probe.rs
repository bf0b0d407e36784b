//! Asks the vault only for the state, while no content is in use.
//!
//! A probe is a question with a number of the machine: the vault unwraps the current data key. A refusal
//! erases all keys, a success makes the registry active. The unwrapped key is dropped at once and never enters a slot, so a
//! probe neither begins nor renews a lease. The vault is told that it is a probe: a mock vault then counts no fault.
//!
//! There are two reasons to probe:
//!
//! - [`KeyRing::suspect`]: the vault reports a change. A task of the ring (`prober.rs`) probes at once, but not more often
//!   than content may ask after a refusal. A change that comes meanwhile leads to one more probe, so the last state is
//!   right. When the vault does not answer, the task asks again until it does.
//! - [`KeyRing::refresh`]: a caller asks for the state, and no vault reports its changes. The vault is asked if its last
//!   answer, to any question, is older than a lease.
//!
//! Without a reason there is no probe: an idle ring asks nothing.

use std::sync::{Arc, Weak};

use azure_emulator_core::clock::Deadline;
use futures::FutureExt as _;

use super::audit::{AuditedVault, Purpose};
use super::probing::{Found, Probe};
use super::ring::KeyRing;
use super::shared::Inner;
use super::slot::lock;
use super::state::Failure;
use super::stored::{Entry, Ring, Wrapped};
use super::vault::VaultError;
use sealed_envelope::{DataKey, DataKeyId};

/// How often a probe begins again because its answer came too late to count.
const ATTEMPTS: usize = 3;

/// A question, with the state when it was asked.
struct Question {
    number: u64,
    id: DataKeyId,
    entry: Wrapped,
    ring: Arc<Ring>,
    vault: AuditedVault,
    fresh_until: Deadline,
}

impl KeyRing {
    /// Tells the ring that the vault's answer may have changed: the ring asks soon. Returns at once.
    pub fn suspect(&self) {
        self.0.probing.suspect();
    }

    /// Whether the ring is being rotated or made anew: a change in any vault may concern it.
    pub fn is_changing(&self) -> bool {
        self.0.changing.try_lock().is_err()
    }

    /// Asks the vault for the state if its last answer is older than a lease. Callers at the same time share one question,
    /// which goes on if they are dropped.
    pub async fn refresh(&self) {
        if self.0.key_in_use().is_none() || self.0.probing.is_fresh(&self.0.clock) {
            return;
        }
        let probe = self.0.probe();
        let _ = probe.await;
    }
}

impl Inner {
    /// The probe in flight, or a new one.
    pub(super) fn probe(self: &Arc<Self>) -> Probe {
        let mut flight = lock(&self.probing.flight);
        if let Some(under_way) = flight.as_ref().filter(|probe| probe.peek().is_none()) {
            return under_way.clone();
        }
        let (inner, stop) = (Arc::downgrade(self), self.stop.clone());
        let task = self.runtime.spawn(async move {
            tokio::select! {
                found = probed(&inner) => found,
                () = stop.cancelled() => Found::No,
            }
        });
        let probe = async move { task.await.unwrap_or(Found::Silence) }.boxed().shared();
        // As for a question of content: it has to be polled even if the caller is dropped.
        self.runtime.spawn(probe.clone());
        *flight = Some(probe.clone());
        probe
    }

    /// A question about the current data key. `None` if there is no vault to ask.
    fn question(&self) -> Option<Question> {
        let ring = self.ring();
        let id = ring.head.current;
        let Ok(Entry::Wrapped(entry)) = ring.entry(id, self.registry(), &self.service_key) else {
            return None;
        };
        let vault = self.vault(&ring.head)?;
        // Before the question, as for the beginning of a lease.
        let fresh_until = self.clock.deadline(self.lease());
        let number = self.machine().draw();
        Some(Question { number, id, entry, ring, vault, fresh_until })
    }

    /// Applies an answer. `None` if it came too late to count.
    fn conclude(&self, asked: &Question, answer: Result<DataKey, VaultError>) -> Option<Found> {
        let (now, then) = (self.ring(), &asked.ring.head);
        if (&now.head.kek, &now.head.identity) != (&then.kek, &then.identity) {
            // A rotation was faster: the answer is about a key or an identity that is no longer in use.
            return None;
        }
        let (kek, id) = (&asked.entry.kek, asked.id);
        self.probing.note_answer(asked.fresh_until);
        let error = match answer {
            Ok(key) => {
                let is_right = asked.entry.is_proven_by(id, &key);
                // No caller uses the key, so it is wiped here.
                drop(key);
                if !is_right {
                    tracing::error!(%kek, data_key = %id, "the vault unwrapped a different key than it had wrapped");
                    return Some(Found::No);
                }
                let mut machine = self.machine();
                if !machine.grant(asked.number) {
                    return None;
                }
                self.publish(&machine.active(self.clock.now()));
                return Some(Found::Yes);
            }
            Err(error) => error,
        };
        let Some(cause) = error.cause() else {
            tracing::error!(%kek, data_key = %id, %error, "the vault cannot unwrap a data key");
            return Some(Found::No);
        };
        let refusal = self.refusal(cause, kek, &error);
        let mut machine = self.machine();
        // A probe does not delay content any further: content asks for itself.
        let not_before = machine.failure().map(|failure| failure.not_before).unwrap_or_default();
        let failure = Failure { refusal, not_before };
        if !cause.is_refusal() {
            // While a lease lives, content is served. The task asks again when it has ended.
            if !self.any_alive() {
                machine.fail(asked.number, failure);
                self.publish_if_dark(&machine);
            }
            return Some(Found::Silence);
        }
        if machine.refuse(asked.number, failure) {
            self.erase_all();
            if let Some(status) = machine.unavailable(self.clock.now()) {
                self.publish(&status);
            }
        }
        Some(Found::No)
    }
}

/// Asks until an answer counts. The ring is held weakly while the vault is asked.
async fn probed(inner: &Weak<Inner>) -> Found {
    for _ in 0..ATTEMPTS {
        let question = inner.upgrade().and_then(|inner| inner.question());
        let Some(asked) = question else { return Found::No };
        let (entry, id) = (&asked.entry, asked.id);
        let answer = asked.vault.unwrap(&entry.kek, id, &entry.wrapped, Purpose::State).await;
        let found = match inner.upgrade() {
            Some(inner) => inner.conclude(&asked, answer),
            None => Some(Found::No),
        };
        if found == Some(Found::Yes) {
            look_at_validity(inner, &asked).await;
        }
        if let Some(found) = found {
            return found;
        }
    }
    Found::Silence
}

/// Looks up the validity of the version in use, if a change is suspected or the last lookup is as old as the interval between
/// two looks for a newer version.
async fn look_at_validity(inner: &Weak<Inner>, asked: &Question) {
    let Some(kek) = &asked.ring.head.kek else { return };
    match inner.upgrade() {
        Some(inner) if !inner.probing.has_looked(&inner.clock) => {
            let until = inner.clock.deadline(inner.rotation_check());
            inner.probing.note_look(until);
        }
        _ => return,
    }
    let info = asked.vault.get(kek, Purpose::State).await;
    if let Some(inner) = inner.upgrade() {
        inner.looked(kek, info);
    }
}
