//! The state of the proof, and the threads that wait for its result.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An index up to this size is proven before the rows are opened, so that the service can rely on its first reads.
pub(super) const PROVEN_FIRST: u64 = 8 << 20;

/// The state of the proof in this run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// The index is being compared with the journal.
    #[default]
    Pending,
    /// The index has exactly the rows of the journal.
    Matched,
    /// The index had other rows. It was rebuilt, and now has the rows of the journal.
    Healed,
    /// The index has other rows and could not be rebuilt, for this reason. Nothing can be written.
    Failed(String),
}

/// Holds the state of the proof, and lets threads wait for its result.
#[derive(Debug, Default)]
pub(super) struct ProofCell {
    state: Mutex<Proof>,
    changed: Condvar,
}

impl Proof {
    /// Whether the proof has shown that the rows are complete.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Matched | Self::Healed)
    }
}

impl ProofCell {
    pub(super) fn get(&self) -> Proof {
        self.lock().clone()
    }

    /// Blocks until there is a result.
    pub(super) fn wait(&self) -> Proof {
        let mut state = self.lock();
        while *state == Proof::Pending {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.clone()
    }

    /// Blocks until there is a result, but no longer than `limit`; then it returns [`Proof::Pending`].
    pub(super) fn wait_at_most(&self, limit: Duration) -> Proof {
        let pending = |state: &mut Proof| *state == Proof::Pending;
        let waited = self.changed.wait_timeout_while(self.lock(), limit, pending);
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub(super) fn set(&self, proof: Proof) {
        *self.lock() = proof;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Proof> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
