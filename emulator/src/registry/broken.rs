//! The count of stored objects that did not authenticate, and the one place where that is logged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::Error;

/// Counts damaged objects; health tells the number. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct BrokenObjects(Arc<AtomicU64>);

impl BrokenObjects {
    /// Logs and counts the error, if it is one of damage.
    pub(crate) fn report(&self, error: &Error) {
        if let Error::Damaged(cause) = error {
            self.0.fetch_add(1, Ordering::Relaxed);
            tracing::error!(error = %cause, "a stored object does not authenticate; run `sealyard verify`");
        }
    }

    /// Begins to count again.
    pub(crate) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// How many times damage was met since the start.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
