//! Follows a key without a version: at regular intervals of emulator time, the ring rotates to the newest version.
//!
//! There is one watcher for each ring, which sleeps by the injected clock and holds the ring weakly. Code that moves the
//! clock first takes a [`PausedFollowing`]: the watcher then waits, and that code looks when a look can find a new version.
//! That is the first regular look after a change in the vault. The other looks would find the same version and are left
//! out, so that ninety days are a handful of looks and not thousands.
//!
//! One look is one request to the vault. If a version cannot be used, the old one stays in use; the state shows the reason,
//! and the next look tries again. If the vault does not answer, nothing changes.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use time::OffsetDateTime;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::rotate::{RotationTarget, RotationTrigger};
use super::shared::Inner;

impl Inner {
    pub(super) fn start_watcher(self: &Arc<Self>) {
        let watcher = Watcher {
            inner: Arc::downgrade(self),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
        };
        self.runtime.spawn(watcher.run());
    }

    /// Looks if a look is due, and sets the time of the next one. Returns false if a look failed.
    async fn follow_if_due(self: &Arc<Self>, next: &mut OffsetDateTime) -> bool {
        let now = self.clock.now();
        if now < *next {
            return true;
        }
        *next = now + self.rotation_check();
        if self.is_followed()
            && let Err(error) =
                self.rotate(RotationTarget::default(), RotationTrigger::Watcher).await
        {
            tracing::warn!(registry.name = self.registry(), %error, "a newer version of the key is not in use");
            return false;
        }
        true
    }

    /// Whether the ring uses newer versions.
    fn is_followed(&self) -> bool {
        self.ring().head.configured.as_ref().is_some_and(|key| key.version().is_none())
    }
}

/// A ring that does not look for newer versions as long as this exists.
#[must_use]
pub struct PausedFollowing {
    pub(super) inner: Arc<Inner>,
    pub(super) next: OwnedMutexGuard<OffsetDateTime>,
}

impl PausedFollowing {
    /// The time of the first look at or after a moment; `None` if the key is not followed.
    pub fn first_look_from(&self, moment: OffsetDateTime) -> Option<OffsetDateTime> {
        self.inner
            .is_followed()
            .then(|| first_from(*self.next, self.inner.rotation_check(), moment))
    }

    /// Looks if that is due by the clock, and keeps the pause. Returns false if a look failed.
    pub async fn look(&mut self) -> bool {
        self.inner.follow_if_due(&mut self.next).await
    }

    /// Leaves out the looks that were due until now, and lets the ring follow again. For callers that know that the looks would
    /// have found nothing.
    pub fn resume_without_look(mut self) {
        let now = self.inner.clock.now();
        *self.next = first_from(*self.next, self.inner.rotation_check(), now);
    }

    /// Looks if that is due by the clock, and returns when a newer version is in use. The look goes on if the caller is dropped.
    pub async fn resume(mut self) {
        let runtime = self.inner.runtime.clone();
        let looking = runtime.spawn(async move { self.look().await });
        // A failure is in the log and in the state.
        let _ = looking.await;
    }
}

impl fmt::Debug for PausedFollowing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PausedFollowing").finish_non_exhaustive()
    }
}

/// The first look at or after a moment and not before `next`. Looks are `every` apart, and `next` is one of them.
fn first_from(next: OffsetDateTime, every: Duration, moment: OffsetDateTime) -> OffsetDateTime {
    let every = i128::try_from(every.as_nanos().max(1)).unwrap_or(i128::MAX);
    let behind = (moment - next).whole_nanoseconds().max(0);
    let steps = behind.div_euclid(every) + i128::from(behind.rem_euclid(every) > 0);
    let ahead = i64::try_from(steps.saturating_mul(every)).unwrap_or(i64::MAX);
    next.saturating_add(time::Duration::nanoseconds(ahead))
}

struct Watcher {
    inner: Weak<Inner>,
    clock: Clock,
    stop: CancellationToken,
}

impl Watcher {
    async fn run(self) {
        loop {
            let next = {
                let Some(inner) = self.inner.upgrade() else { return };
                let mut next = inner.next_check.lock().await;
                inner.follow_if_due(&mut next).await;
                *next
            };
            tokio::select! {
                () = self.clock.reached(next) => (),
                () = self.stop.cancelled() => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn looks_are_a_fixed_time_apart_even_if_some_are_left_out() {
        let next = datetime!(2026-01-01 00:10 UTC);
        let first = |moment| first_from(next, Duration::from_mins(15), moment);

        assert_eq!(first(datetime!(2025-12-31 00:00 UTC)), next);
        assert_eq!(first(next), next);
        assert_eq!(first(datetime!(2026-01-01 00:10:01 UTC)), datetime!(2026-01-01 00:25 UTC));
        assert_eq!(first(datetime!(2026-01-01 00:25 UTC)), datetime!(2026-01-01 00:25 UTC));
        assert_eq!(first(datetime!(2026-04-01 00:01 UTC)), datetime!(2026-04-01 00:10 UTC));
    }
}
