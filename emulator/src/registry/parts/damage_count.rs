//! The number of damaged objects that were found since the start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts damaged objects; health reports the number. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(in crate::registry) struct BrokenObjects(Arc<AtomicU64>);

impl BrokenObjects {
    /// Counts a damaged object.
    pub(in crate::registry) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Resets the count.
    pub(in crate::registry) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The number of damaged objects found since the start.
    pub(in crate::registry) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
