//! Asks the vault only for the state, while no content is in use.
//!
//! A probe is a request with a number of the machine: the vault unwraps the current data key. A refusal
//! erases all keys, a success makes the registry active. The unwrapped key is dropped at once and never enters a slot, so a
//! probe neither begins nor renews a lease. The vault is told that it is a probe: a mock vault then counts no fault.
//!
//! There are two reasons to probe:
//!
//! - [`KeyRing::suspect`]: the vault reports a change. A task of the ring (`prober.rs`) probes at once, but not more often
//!   than content may ask after a refusal. A change that comes meanwhile leads to one more probe, so the last state is
//!   right. When the vault does not answer, the task asks again until it does.
//! - [`KeyRing::refresh`]: a caller asks for the state, and no vault reports its changes. The vault is asked if its last
//!   answer, to any request, is older than a lease.
//!
//! Without a reason there is no probe: an idle ring asks nothing.

use std::sync::{Arc, Weak};

use azure_emulator_core::clock::Deadline;
use futures::FutureExt as _;

use super::audit::{AuditedVault, Purpose};
use super::probe_state::{Probe, ProbeResult};
use super::ring::KeyRing;
use super::shared::Inner;
use super::slot::lock;
use super::state::Failure;
use super::stored::{Entry, Ring, Wrapped};
use super::vault::VaultError;
use sealed_envelope::{DataKey, DataKeyId};

/// How often a probe begins again because its answer came too late to count.
const ATTEMPTS: usize = 3;

/// A request, with the state when it was sent.
struct ProbeRequest {
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

    /// Asks the vault for the state if its last answer is older than a lease. Callers at the same time share one request,
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
        let mut inflight = lock(&self.probing.inflight);
        if let Some(inflight) = inflight.as_ref().filter(|probe| probe.peek().is_none()) {
            return inflight.clone();
        }
        let (inner, stop) = (Arc::downgrade(self), self.stop.clone());
        let task = self.runtime.spawn(async move {
            tokio::select! {
                result = run_probe(&inner) => result,
                () = stop.cancelled() => ProbeResult::No,
            }
        });
        let probe = async move { task.await.unwrap_or(ProbeResult::Silence) }.boxed().shared();
        // As for a request for content: it has to be polled even if the caller is dropped.
        self.runtime.spawn(probe.clone());
        *inflight = Some(probe.clone());
        probe
    }

    /// A request to unwrap the current data key. `None` if there is no vault to ask.
    fn probe_request(&self) -> Option<ProbeRequest> {
        let ring = self.ring();
        let id = ring.head.current;
        let Ok(Entry::Wrapped(entry)) = ring.entry(id, self.registry(), &self.service_key) else {
            return None;
        };
        let vault = self.vault(&ring.head)?;
        // Before the request, as for the beginning of a lease.
        let fresh_until = self.clock.deadline(self.lease());
        let number = self.machine().next_number();
        Some(ProbeRequest { number, id, entry, ring, vault, fresh_until })
    }

    /// Applies an answer. `None` if it came too late to count.
    fn apply_probe_answer(
        &self,
        request: &ProbeRequest,
        answer: Result<DataKey, VaultError>,
    ) -> Option<ProbeResult> {
        let (now, then) = (self.ring(), &request.ring.head);
        if (&now.head.kek, &now.head.identity) != (&then.kek, &then.identity) {
            // A rotation was faster: the answer is about a key or an identity that is no longer in use.
            return None;
        }
        let (kek, id) = (&request.entry.kek, request.id);
        self.probing.record_answer(request.fresh_until);
        let error = match answer {
            Ok(key) => {
                let is_right = request.entry.is_proven_by(id, &key);
                // No caller uses the key, so it is wiped here.
                drop(key);
                if !is_right {
                    tracing::error!(%kek, data_key = %id, "the vault unwrapped a different key than it had wrapped");
                    return Some(ProbeResult::No);
                }
                let mut machine = self.machine();
                if !machine.grant(request.number) {
                    return None;
                }
                self.publish(&machine.active(self.clock.now()));
                return Some(ProbeResult::Yes);
            }
            Err(error) => error,
        };
        let Some(cause) = error.cause() else {
            tracing::error!(%kek, data_key = %id, %error, "the vault cannot unwrap a data key");
            return Some(ProbeResult::No);
        };
        let refusal = self.refusal(cause, kek, &error);
        let mut machine = self.machine();
        // A probe does not delay content any further: content asks for itself.
        let not_before = machine.failure().map(|failure| failure.not_before).unwrap_or_default();
        let failure = Failure { refusal, not_before };
        if !cause.is_refusal() {
            // While a lease lives, content is served. The task asks again when it has ended.
            if !self.any_alive() {
                machine.fail(request.number, failure);
                self.publish_if_dark(&machine);
            }
            return Some(ProbeResult::Silence);
        }
        if machine.refuse(request.number, failure) {
            self.erase_all();
            if let Some(status) = machine.unavailable(self.clock.now()) {
                self.publish(&status);
            }
        }
        Some(ProbeResult::No)
    }
}

/// Asks until an answer counts. The ring is held weakly while the vault is asked.
async fn run_probe(inner: &Weak<Inner>) -> ProbeResult {
    for _ in 0..ATTEMPTS {
        let request = inner.upgrade().and_then(|inner| inner.probe_request());
        let Some(request) = request else { return ProbeResult::No };
        let (entry, id) = (&request.entry, request.id);
        let answer = request.vault.unwrap(&entry.kek, id, &entry.wrapped, Purpose::State).await;
        let result = match inner.upgrade() {
            Some(inner) => inner.apply_probe_answer(&request, answer),
            None => Some(ProbeResult::No),
        };
        if result == Some(ProbeResult::Yes) {
            refresh_validity(inner, &request).await;
        }
        if let Some(result) = result {
            return result;
        }
    }
    ProbeResult::Silence
}

/// Looks up the validity of the version in use, if a change is suspected or the last lookup is as old as the interval between
/// two looks for a newer version.
async fn refresh_validity(inner: &Weak<Inner>, request: &ProbeRequest) {
    let Some(kek) = &request.ring.head.kek else { return };
    match inner.upgrade() {
        Some(inner) if !inner.probing.has_checked_validity(&inner.clock) => {
            let until = inner.clock.deadline(inner.rotation_check());
            inner.probing.record_validity_check(until);
        }
        _ => return,
    }
    let info = request.vault.get(kek, Purpose::State).await;
    if let Some(inner) = inner.upgrade() {
        inner.apply_key_info(kek, info);
    }
}
