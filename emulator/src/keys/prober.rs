//! The task of a ring that probes the vault when a change is suspected, and repeats the probe until the vault answers.
//!
//! A token that is older than the change may hide its effect, such as a removed secret or an issuer
//! that is down. So the task probes once more when a pull would ask for the next token.
//!
//! It holds the ring weakly and ends with it. It sleeps by the injected clock.

use std::sync::{Arc, Weak};
use std::time::Duration;

use azure_emulator_core::clock::{Clock, Deadline};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::probe_state::ProbeResult;
use super::shared::Inner;

/// The longest time until a ring asks a silent vault again.
const MAX_RETRY_DELAY: Duration = Duration::from_mins(1);

impl Inner {
    /// Starts the task that probes when a change is suspected.
    pub(super) fn start_prober(self: &Arc<Self>) {
        let prober = Prober {
            inner: Arc::downgrade(self),
            clock: self.clock.clone(),
            lease: self.lease(),
            gap: self.retry_gap(),
            suspicions: self.probing.suspicions.subscribe(),
            stop: self.stop.clone(),
        };
        self.runtime.spawn(prober.run());
    }
}

/// Probes when a change is suspected.
struct Prober {
    inner: Weak<Inner>,
    clock: Clock,
    lease: Duration,
    gap: Duration,
    suspicions: watch::Receiver<u64>,
    stop: CancellationToken,
}

impl Prober {
    async fn run(mut self) {
        // How often the vault has failed to answer in a row, and when it is asked again.
        let (mut silences, mut again) = (0, None);
        // When the last change was suspected, in real time.
        let mut suspected = self.clock.elapsed();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = self.suspicions.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    suspected = self.clock.elapsed();
                }
                () = until(&self.clock, again) => (),
            }
            // Both count from before the request, as a lease does.
            let earliest = self.clock.deadline(self.gap);
            let retry_at = self.clock.deadline(self.retry_delay(silences));
            let result = tokio::select! {
                () = self.stop.cancelled() => return,
                result = self.probe() => result,
            };
            (silences, again) = match result {
                ProbeResult::Silence => (silences + 1, Some(retry_at)),
                ProbeResult::Yes => (0, self.end_of_token(suspected).await),
                ProbeResult::No => (0, None),
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.clock.until(earliest) => (),
            }
        }
    }

    /// The time from an unanswered request to the next one: at first a lease, after which no older lease is left,
    /// then twice as long each time.
    fn retry_delay(&self, silences: u32) -> Duration {
        let longest = MAX_RETRY_DELAY.max(self.lease);
        self.lease.saturating_mul(1 << silences.min(16)).min(longest)
    }

    /// When a token ends that was requested before this real time.
    async fn end_of_token(&self, before: Duration) -> Option<Deadline> {
        let inner = self.inner.upgrade()?;
        let vault = inner.vault(&inner.ring().head)?;
        drop(inner);
        let terms = vault.token().await?;
        (terms.requested < before).then_some(terms.until)
    }

    /// A probe that begins now: a probe in flight may have been answered before the change.
    async fn probe(&self) -> ProbeResult {
        let inflight = self.inner.upgrade().and_then(|inner| inner.probing.inflight_probe());
        if let Some(inflight) = inflight {
            let _ = inflight.await;
        }
        let probe = self.inner.upgrade().map(|inner| inner.probe());
        match probe {
            Some(probe) => probe.await,
            None => ProbeResult::No,
        }
    }
}

/// Waits for a deadline, or for ever without one.
async fn until(clock: &Clock, deadline: Option<Deadline>) {
    match deadline {
        Some(deadline) => clock.until(deadline).await,
        None => std::future::pending().await,
    }
}
