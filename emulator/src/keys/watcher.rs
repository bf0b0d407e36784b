//! Follows a key without a version: at regular intervals of emulator time, the newest version is taken into use.
//!
//! There is one watcher for each ring, which sleeps by the injected clock and holds the ring weakly. Whoever moves the
//! clock takes a [`PausedFollowing`] before, and resumes it when the vault has done what became due: the look that is due
//! then is done at once, and the watcher, which waited meanwhile, finds nothing due.
//!
//! One look is one question to the vault. A version that cannot be used leaves the old one in force; the state says why,
//! and the next look tries again. A vault that does not answer changes nothing.

use std::fmt;
use std::sync::{Arc, Weak};

use mock_keyvault::clock::Clock;
use time::OffsetDateTime;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::ring::Inner;
use super::rotate::RotationTarget;

impl Inner {
    pub(super) fn start_watcher(self: &Arc<Self>) {
        let watcher = Watcher {
            inner: Arc::downgrade(self),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
        };
        self.runtime.spawn(watcher.run());
    }

    /// Looks if it is due, and puts down when it is due next.
    async fn follow_if_due(self: &Arc<Self>, next: &mut OffsetDateTime) {
        let now = self.clock.now();
        if now < *next {
            return;
        }
        *next = now + self.rotation_check();
        if self.is_followed()
            && let Err(error) = self.rotate(RotationTarget::default()).await
        {
            tracing::warn!(registry.name = self.registry(), %error, "a newer version of the key is not in use");
        }
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
    /// Looks if that is due by the clock, and returns when a newer version is in use. It goes on if the caller is dropped.
    pub async fn resume(mut self) {
        let runtime = self.inner.runtime.clone();
        let looking = runtime.spawn(async move { self.inner.follow_if_due(&mut self.next).await });
        // What went wrong is in the log and in the state.
        let _ = looking.await;
    }
}

impl fmt::Debug for PausedFollowing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PausedFollowing").finish_non_exhaustive()
    }
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
