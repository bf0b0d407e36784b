//! How long callers wait for the vault, in real time: moving the clock ends no wait.
//!
//! A new request waits for [`RingConfig::wait_limit`]. Work that has begun waits only until a moment that it
//! names (`lease.rs`), and asks again after an outage. Neither holds a key while it waits.
//!
//! [`RingConfig::wait_limit`]: super::RingConfig::wait_limit

use std::sync::Arc;
use std::time::Duration;

use super::KeyError;
use super::shared::Inner;
use super::slot::Slot;

impl Inner {
    /// Makes sure that a slot holds its key, for work that has begun. After an outage it asks again, until `end`, a
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
                // No request whose answer would come too late.
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

    /// Resolves when a new request has waited long enough.
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
