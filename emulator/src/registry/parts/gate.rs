//! The gate where content waits while a reset runs.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{RwLock, RwLockWriteGuard};

/// Blocks content while a reset runs.
#[derive(Debug, Default)]
pub(in crate::registry) struct Gate {
    lock: RwLock<()>,
    resets: AtomicU64,
}

/// While it lives, content waits.
#[must_use = "content continues when this guard is dropped"]
pub(in crate::registry) struct Closed<'a> {
    resets: &'a AtomicU64,
    _guard: RwLockWriteGuard<'a, ()>,
}

impl Gate {
    /// Waits until no reset runs. Returns the number of resets so far.
    pub(in crate::registry) async fn pass(&self) -> u64 {
        drop(self.lock.read().await);
        self.resets.load(Ordering::Acquire)
    }

    /// Makes content wait, until [`Closed::note_reset`] or until the result is dropped.
    pub(in crate::registry) async fn close(&self) -> Closed<'_> {
        Closed { resets: &self.resets, _guard: self.lock.write().await }
    }
}

impl Closed<'_> {
    /// Counts the reset, and lets content continue.
    pub(in crate::registry) fn note_reset(self) {
        self.resets.fetch_add(1, Ordering::Release);
    }
}
