//! Follows a key without a version: at regular intervals of emulator time, the newest version is taken into use.
//!
//! There is one watcher for each ring, which sleeps by the injected clock and holds the ring weakly. Whoever moves the
//! clock calls [`KeyRing::follow_if_due`](super::KeyRing::follow_if_due) and need not wait for the watcher to wake: the
//! two exclude each other, and the one that comes second finds nothing due.
//!
//! One look is one question to the vault. A version that cannot be used leaves the old one in force; the state says why,
//! and the next look tries again. A vault that does not answer changes nothing.

use std::sync::{Arc, Weak};

use mock_keyvault::clock::Clock;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::ring::Inner;

impl Inner {
    pub(super) fn start_watcher(self: &Arc<Self>) {
        let watcher = Watcher {
            inner: Arc::downgrade(self),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
        };
        self.runtime.spawn(watcher.run());
    }

    /// Looks if it is due, and says when it is due next.
    pub(super) async fn follow_if_due(self: &Arc<Self>) -> OffsetDateTime {
        let mut next = self.next_check.lock().await;
        let now = self.clock.now();
        if now < *next {
            return *next;
        }
        *next = now + self.rotation_check();
        if self.is_followed()
            && let Err(error) = self.rotate(None).await
        {
            tracing::warn!(registry.name = self.registry(), %error, "a newer version of the key is not in use");
        }
        *next
    }

    /// Whether newer versions are to be taken into use.
    fn is_followed(&self) -> bool {
        self.ring().head.configured.as_ref().is_some_and(|key| key.version().is_none())
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
                inner.follow_if_due().await
            };
            tokio::select! {
                () = self.clock.reached(next) => (),
                () = self.stop.cancelled() => return,
            }
        }
    }
}
