//! The record of a ring's probes: the probe in flight, how fresh the vault's last answer is, the suspected changes.
//!
//! `probe.rs` and `prober.rs` probe, `unwrap_request.rs` reports the answers to other requests. A probe that was answered stays here
//! until the next one.

use std::sync::Mutex;

use azure_emulator_core::clock::{Clock, Deadline};
use futures::future::{BoxFuture, Shared};
use tokio::sync::watch;

use super::slot::lock;

/// A probe that is in flight or was answered.
pub(super) type Probe = Shared<BoxFuture<'static, ProbeResult>>;

/// The result of a probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ProbeResult {
    /// The vault unwrapped the key.
    Yes,
    /// The vault refused, or the ring has no vault.
    No,
    /// The vault did not answer.
    Silence,
}

/// The state of a ring's probes.
pub(super) struct ProbeState {
    /// The probe in flight, or the last one.
    pub(super) inflight: Mutex<Option<Probe>>,
    known: Mutex<LastAnswers>,
    /// Grows with each reason to suspect a change.
    pub(super) suspicions: watch::Sender<u64>,
}

#[derive(Default)]
struct LastAnswers {
    /// When the last answer of the vault becomes older than a lease.
    fresh_until: Option<Deadline>,
    /// When the validity of the version in use must be looked up again.
    looked_until: Option<Deadline>,
}

impl Default for ProbeState {
    fn default() -> Self {
        Self {
            inflight: Mutex::default(),
            known: Mutex::default(),
            suspicions: watch::Sender::new(0),
        }
    }
}

impl ProbeState {
    /// Records that the vault has answered, or has not answered within the limit. This is fresh until the deadline.
    pub(super) fn record_answer(&self, fresh_until: Deadline) {
        lock(&self.known).fresh_until = Some(fresh_until);
    }

    /// Whether the vault's last answer is not older than a lease.
    pub(super) fn is_fresh(&self, clock: &Clock) -> bool {
        lock(&self.known).fresh_until.is_some_and(|until| !clock.has_passed(until))
    }

    /// Records that the validity of the version in use is being looked up. That is enough until the deadline.
    pub(super) fn record_validity_check(&self, until: Deadline) {
        lock(&self.known).looked_until = Some(until);
    }

    /// Whether the validity of the version in use was looked up since the last suspicion, and not long ago.
    pub(super) fn has_checked_validity(&self, clock: &Clock) -> bool {
        lock(&self.known).looked_until.is_some_and(|until| !clock.has_passed(until))
    }

    /// Records that a change is suspected.
    pub(super) fn suspect(&self) {
        lock(&self.known).looked_until = None;
        self.suspicions.send_modify(|count| *count += 1);
    }

    /// How many changes were suspected so far.
    pub(super) fn suspected(&self) -> u64 {
        *self.suspicions.borrow()
    }

    /// Suspects a change again if one was suspected during a change of key or identity: a probe during the change has asked
    /// about the old one. `before`: the count of suspicions when the change began.
    pub(super) fn suspect_again(&self, before: u64) {
        if self.suspected() != before {
            self.suspect();
        }
    }

    /// The probe in flight.
    pub(super) fn inflight_probe(&self) -> Option<Probe> {
        lock(&self.inflight).as_ref().filter(|probe| probe.peek().is_none()).cloned()
    }
}
