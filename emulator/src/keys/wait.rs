//! How long callers wait for the vault, in real time: a clock that is moved ends no wait.
//!
//! A request that begins waits for [`RingConfig::wait_limit`]. Work that is under way waits only until the moment that it
//! names (`lease.rs`), and asks again after an outage. Neither holds a key while it waits.
//!
//! [`RingConfig::wait_limit`]: super::RingConfig::wait_limit

use std::sync::Arc;
use std::time::Duration;

use super::KeyError;
use super::ring::Inner;
use super::slot::Slot;

impl Inner {
    /// Sees to it that a slot holds its key, for work that is under way. After an outage it asks again, until `end`, a
    /// moment of real time. A refusal fails at once.
    pub(super) async fn ensure_until(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        end: Duration,
    ) -> Result<(), KeyError> {
        let answered = async {
            loop {
                match self.ensure(slot).await {
                    Err(KeyError::Refused(refusal)) if !refusal.is_lasting() => (),
                    answer => return answer,
                }
                let next = self.machine().failure().map(|failure| failure.not_before);
                self.until_real(next.unwrap_or_default()).await;
                // No question whose answer comes too late.
                if end <= self.clock.elapsed() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            biased;
            answer = answered => answer,
            () = self.until_real(end) => Err(self.not_answered(slot)),
        }
    }

    /// Resolves when the caller of a new request has waited long enough.
    pub(super) async fn limit(&self) {
        self.until_real(self.clock.elapsed() + self.wait_limit()).await;
    }

    /// Resolves at a moment of real time, as the clock counts it.
    async fn until_real(&self, end: Duration) {
        while let Some(left) = end.checked_sub(self.clock.elapsed()).filter(|left| !left.is_zero())
        {
            self.clock.until(self.clock.deadline(left)).await;
        }
    }
}
