//! Follows a key without a version: at regular intervals of emulator time, the newest version is taken into use.
//!
//! There is one watcher for each ring, which sleeps by the injected clock and holds the ring weakly. Whoever moves the
//! clock takes a [`PausedFollowing`] before: the watcher waits meanwhile, and they look where a look can find something.
//! That is at the first look after the vault changed. The looks between that and the next change would find what it
//! found, and are left out, so that ninety days are a handful of looks and not thousands.
//!
//! One look is one question to the vault. A version that cannot be used leaves the old one in force; the state says why,
//! and the next look tries again. A vault that does not answer changes nothing.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use time::OffsetDateTime;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::ring::Inner;
use super::rotate::{RotationTarget, Starter};

impl Inner {
    pub(super) fn start_watcher(self: &Arc<Self>) {
        let watcher = Watcher {
            inner: Arc::downgrade(self),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
        };
        self.runtime.spawn(watcher.run());
    }

    /// Looks if it is due, and puts down when it is due next. False: it was due and did not succeed.
    async fn follow_if_due(self: &Arc<Self>, next: &mut OffsetDateTime) -> bool {
        let now = self.clock.now();
        if now < *next {
            return true;
        }
        *next = now + self.rotation_check();
        if self.is_followed()
            && let Err(error) = self.rotate(RotationTarget::default(), Starter::Watcher).await
        {
            tracing::warn!(registry.name = self.registry(), %error, "a newer version of the key is not in use");
            return false;
        }
        true
    }

    /// Whether newer versions are to be taken into use.
    fn is_followed(&self) -> bool {
        self.ring().head.configured.as_ref().is_some_and(|key| key.version().is_none())
    }
}

/// A ring that does not look for newer versions as long as this is there.
#[must_use]
pub struct PausedFollowing {
    pub(super) inner: Arc<Inner>,
    pub(super) next: OwnedMutexGuard<OffsetDateTime>,
}

impl PausedFollowing {
    /// When the first look at or after a moment is due; none if the key is not followed.
    pub fn first_look_from(&self, moment: OffsetDateTime) -> Option<OffsetDateTime> {
        self.inner
            .is_followed()
            .then(|| first_from(*self.next, self.inner.rotation_check(), moment))
    }

    /// Looks if that is due by the clock, and goes on pausing. False: it was due and did not succeed.
    pub async fn look(&mut self) -> bool {
        self.inner.follow_if_due(&mut self.next).await
    }

    /// Leaves out the looks that were due until now, and lets the ring follow again. For whoever knows that they would
    /// have found nothing.
    pub fn resume_without_look(mut self) {
        let now = self.inner.clock.now();
        *self.next = first_from(*self.next, self.inner.rotation_check(), now);
    }

    /// Looks if that is due by the clock, and returns when a newer version is in use. It goes on if the caller is dropped.
    pub async fn resume(mut self) {
        let runtime = self.inner.runtime.clone();
        let looking = runtime.spawn(async move { self.look().await });
        // What went wrong is in the log and in the state.
        let _ = looking.await;
    }
}

impl fmt::Debug for PausedFollowing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PausedFollowing").finish_non_exhaustive()
    }
}

/// The first of the looks that lie `every` apart, `next` among them, that does not lie before a moment, nor before `next`.
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
    fn looks_lie_a_fixed_time_apart_whichever_are_left_out() {
        let next = datetime!(2026-01-01 00:10 UTC);
        let first = |moment| first_from(next, Duration::from_mins(15), moment);

        assert_eq!(first(datetime!(2025-12-31 00:00 UTC)), next);
        assert_eq!(first(next), next);
        assert_eq!(first(datetime!(2026-01-01 00:10:01 UTC)), datetime!(2026-01-01 00:25 UTC));
        assert_eq!(first(datetime!(2026-01-01 00:25 UTC)), datetime!(2026-01-01 00:25 UTC));
        assert_eq!(first(datetime!(2026-04-01 00:01 UTC)), datetime!(2026-04-01 00:10 UTC));
    }
}
