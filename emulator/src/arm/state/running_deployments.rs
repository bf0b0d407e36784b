//! The running deployments. After a restart, interrupted deployments are held here until they continue.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The running deployments. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::arm) struct RunningDeployments(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// By id in lower case.
    all: Mutex<HashMap<String, Arc<Flags>>>,
    /// Marked when a deployment is no longer running, or is not ending after all.
    changes: watch::Sender<()>,
}

/// The flags of a running deployment.
#[derive(Debug, Default)]
struct Flags {
    /// Whether a client cancelled it.
    is_stopped: AtomicBool,
    /// Whether its end is being written. Readers may see the end before the deployment is removed here.
    is_ending: AtomicBool,
}

/// The deployments that were running at a moment. Readers must take this before they read a deployment's row: if it was
/// running here and its row has no end, it has not ended.
#[derive(Debug)]
pub(in crate::arm) struct RunningSnapshot(HashSet<String>);

/// Marks a deployment as running until dropped.
#[derive(Debug)]
pub(in crate::arm) struct Guard {
    running: RunningDeployments,
    id: String,
    flags: Arc<Flags>,
    /// Whether the deployment stays marked as running after the drop.
    is_kept: AtomicBool,
}

impl RunningDeployments {
    /// Marks a deployment as running. `None`: it is running already. If its end is being written, this waits, so that a
    /// client that has read that it succeeded can deploy again at once.
    pub(in crate::arm) async fn begin(&self, id: &str) -> Option<Guard> {
        let id = id.to_lowercase();
        let mut changes = self.0.changes.subscribe();
        loop {
            changes.mark_unchanged();
            match self.all().entry(id.clone()) {
                Entry::Vacant(free) => {
                    let flags = Arc::clone(free.insert(Arc::default()));
                    return Some(self.guard(id, flags));
                }
                Entry::Occupied(taken) if !taken.get().is_ending.load(Ordering::Acquire) => {
                    return None;
                }
                Entry::Occupied(_) => {}
            }
            changes.changed().await.ok()?;
        }
    }

    /// Marks an interrupted deployment as running until it continues.
    pub(in crate::arm) fn hold(&self, id: &str) {
        self.all().insert(id.to_lowercase(), Arc::default());
    }

    /// Takes over the mark of an interrupted deployment that continues.
    pub(in crate::arm) fn resume(&self, id: &str) -> Guard {
        let id = id.to_lowercase();
        let flags = Arc::clone(self.all().entry(id.clone()).or_default());
        self.guard(id, flags)
    }

    /// All that are running now.
    pub(in crate::arm) fn snapshot(&self) -> RunningSnapshot {
        RunningSnapshot(self.all().keys().cloned().collect())
    }

    /// Asks a deployment to stop. False: it is not running.
    pub(in crate::arm) fn cancel(&self, id: &str) -> bool {
        let all = self.all();
        let found = all.get(&id.to_lowercase());
        found.inspect(|flags| flags.is_stopped.store(true, Ordering::Release)).is_some()
    }

    fn guard(&self, id: String, flags: Arc<Flags>) -> Guard {
        Guard { running: self.clone(), id, flags, is_kept: AtomicBool::default() }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Flags>>> {
        // No code panics while it holds the lock, so a poisoned lock has valid data.
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningSnapshot {
    pub(in crate::arm) fn has(&self, id: &str) -> bool {
        self.0.contains(&id.to_lowercase())
    }
}

impl Guard {
    /// Whether a client cancelled it.
    pub(in crate::arm) fn is_stopped(&self) -> bool {
        self.flags.is_stopped.load(Ordering::Acquire)
    }

    /// Announces that its end will be written. From now on, a new deployment of its name waits until this is dropped.
    pub(in crate::arm) fn ending(&self) {
        self.flags.is_ending.store(true, Ordering::Release);
    }

    /// Keeps the deployment marked as running: the next attempt continues it.
    pub(in crate::arm) fn keep(&self) {
        self.is_kept.store(true, Ordering::Release);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.is_kept.load(Ordering::Acquire) {
            self.flags.is_ending.store(false, Ordering::Release);
        } else {
            self.running.all().remove(&self.id);
        }
        self.running.0.changes.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn only_one_deployment_of_a_name_runs_and_it_can_be_stopped() {
        let running = RunningDeployments::default();

        let guard = running.begin("/G/one").await.unwrap();

        assert!(running.begin("/g/ONE").await.is_none());
        assert!(running.snapshot().has("/G/one") && !running.snapshot().has("/g/two"));
        assert!(!guard.is_stopped());
        assert!(running.cancel("/g/One") && guard.is_stopped());
        drop(guard);
        assert!(!running.snapshot().has("/g/one") && !running.cancel("/g/one"));
        assert!(running.begin("/g/one").await.is_some());
    }

    #[tokio::test]
    async fn a_new_deployment_waits_while_the_end_of_the_old_one_is_written() {
        let running = RunningDeployments::default();
        let guard = running.begin("one").await.unwrap();
        guard.ending();
        let mut next = pin!(running.begin("one"));
        assert!(futures::poll!(&mut next).is_pending());

        drop(guard);

        assert!(next.await.is_some());
    }

    #[tokio::test]
    async fn a_deployment_whose_end_was_not_written_is_still_running() {
        let running = RunningDeployments::default();
        let guard = running.begin("one").await.unwrap();
        guard.ending();
        let mut next = pin!(running.begin("one"));
        assert!(futures::poll!(&mut next).is_pending());

        guard.keep();
        drop(guard);

        assert!(next.await.is_none());
        assert!(running.snapshot().has("one"));
    }
}
