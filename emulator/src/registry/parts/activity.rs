//! Whether clients use the content of a registry now. The background verification runs only then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use tokio::sync::Notify;

/// When content was last used, by the real clock.
#[derive(Debug)]
pub(in crate::registry) struct Activity {
    clock: Clock,
    /// How long a use counts.
    lasts: Duration,
    /// Milliseconds, plus one. Zero: never used.
    last: AtomicU64,
    used: Notify,
}

impl Activity {
    pub(in crate::registry) fn new(clock: Clock, lasts: Duration) -> Self {
        Self { clock, lasts, last: AtomicU64::new(0), used: Notify::new() }
    }

    /// Notes that content is used now.
    pub(in crate::registry) fn note(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
        self.used.notify_one();
    }

    /// Makes [`Activity::used`] return once more without a new use, if the last one still counts.
    pub(in crate::registry) fn go_on(&self) {
        let last = self.last.load(Ordering::Relaxed);
        let lasts = u64::try_from(self.lasts.as_millis()).unwrap_or(u64::MAX);
        if last != 0 && self.now() <= last.saturating_add(lasts) {
            self.used.notify_one();
        }
    }

    /// Waits until content is used.
    pub(in crate::registry) async fn used(&self) {
        self.used.notified().await;
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}
