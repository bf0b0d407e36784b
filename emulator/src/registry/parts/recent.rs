//! Blobs that clients used recently, by the real clock.
//!
//! A push uploads or finds its blobs first and sends its manifest last. Until then nothing refers to the blobs. Their
//! rows have emulator time, which can jump; this memory has real time, so that after a jump collection never removes a
//! blob of a push in progress.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::names::{Digest, RepositoryName};

/// Blobs that were pushed, mounted or looked up, with the real time of it.
///
/// A use is noted before the rows are read, and collection reads this after the rows, so it cannot miss a use.
#[derive(Debug, Default)]
pub(in crate::registry) struct Recent(Mutex<HashMap<(RepositoryName, Digest), Duration>>);

impl Recent {
    /// Remembers that a client used the blob.
    pub(in crate::registry) fn note(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        now: Duration,
    ) {
        let key = (repository.clone(), digest.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, now);
    }

    /// Removes a note, because the blob does not exist: requests for missing blobs must not fill the memory.
    pub(in crate::registry) fn forget(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        noted: Duration,
    ) {
        let key = (repository.clone(), digest.clone());
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A later note is from another request.
        if seen.get(&key).is_some_and(|at| *at == noted) {
            seen.remove(&key);
        }
    }

    /// Whether nothing is remembered.
    #[cfg(test)]
    pub(in crate::registry) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// When it was last used. A blob that was not used since the start may have been used just before it.
    pub(in crate::registry) fn last_used(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Duration {
        let key = (repository.clone(), digest.clone());
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        seen.unwrap_or(Duration::ZERO)
    }

    /// Keeps only the blobs whose time is picked.
    pub(in crate::registry) fn retain(&self, keep: impl Fn(Duration) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, seen| keep(*seen));
    }
}
