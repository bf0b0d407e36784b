//! The deployments that are under way. After a restart those are held here that were cut short, until they go on.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What is under way. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::arm) struct Running(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// By id in lower case.
    all: Mutex<HashMap<String, Arc<Flags>>>,
    /// Marked whenever one is no longer under way, or is not ending after all.
    changes: watch::Sender<()>,
}

/// What is known of a deployment that is under way.
#[derive(Debug, Default)]
struct Flags {
    /// Whether somebody asked it to stop.
    is_stopped: AtomicBool,
    /// Whether its end is being written. Readers may see the end before the deployment is no longer under way.
    is_ending: AtomicBool,
}

/// The deployments that were under way at a moment. Who reads what is kept of one, asks before: one that was under way and
/// is not kept as ended has not ended.
#[derive(Debug)]
pub(super) struct UnderWay(HashSet<String>);

/// That a deployment is under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Guard {
    running: Running,
    id: String,
    flags: Arc<Flags>,
    /// Whether the deployment stays under way although this is dropped.
    is_kept: AtomicBool,
}

impl Running {
    /// That a deployment is under way from now on. None: it is already. One whose end is being written is waited for: who has
    /// read that it succeeded may deploy again at once.
    pub(super) async fn begin(&self, id: &str) -> Option<Guard> {
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

    /// That a deployment which was cut short is under way, until it goes on.
    pub(super) fn hold(&self, id: &str) {
        self.all().insert(id.to_lowercase(), Arc::default());
    }

    /// A deployment that was cut short goes on.
    pub(super) fn resume(&self, id: &str) -> Guard {
        let id = id.to_lowercase();
        let flags = Arc::clone(self.all().entry(id.clone()).or_default());
        self.guard(id, flags)
    }

    /// All that are under way now.
    pub(super) fn now(&self) -> UnderWay {
        UnderWay(self.all().keys().cloned().collect())
    }

    /// Asks a deployment to stop. False: it is not under way.
    pub(super) fn cancel(&self, id: &str) -> bool {
        let all = self.all();
        let found = all.get(&id.to_lowercase());
        found.inspect(|flags| flags.is_stopped.store(true, Ordering::Release)).is_some()
    }

    fn guard(&self, id: String, flags: Arc<Flags>) -> Guard {
        Guard { running: self.clone(), id, flags, is_kept: AtomicBool::default() }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Flags>>> {
        // Nothing panics while the lock is held, and whatever is in it is whole.
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains(&id.to_lowercase())
    }
}

impl Guard {
    /// Whether somebody asked it to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.flags.is_stopped.load(Ordering::Acquire)
    }

    /// Its end is about to be written. Whoever begins one of its name waits from now on, until this is dropped.
    pub(super) fn ending(&self) {
        self.flags.is_ending.store(true, Ordering::Release);
    }

    /// The deployment stays under way: it goes on with the next attempt.
    pub(super) fn keep(&self) {
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
    async fn one_of_a_name_is_under_way_and_can_be_stopped() {
        let running = Running::default();

        let guard = running.begin("/G/one").await.unwrap();

        assert!(running.begin("/g/ONE").await.is_none());
        assert!(running.now().has("/G/one") && !running.now().has("/g/two"));
        assert!(!guard.is_stopped());
        assert!(running.cancel("/g/One") && guard.is_stopped());
        drop(guard);
        assert!(!running.now().has("/g/one") && !running.cancel("/g/one"));
        assert!(running.begin("/g/one").await.is_some());
    }

    #[tokio::test]
    async fn one_whose_end_is_being_written_is_waited_for() {
        let running = Running::default();
        let guard = running.begin("one").await.unwrap();
        guard.ending();
        let mut next = pin!(running.begin("one"));
        assert!(futures::poll!(&mut next).is_pending());

        drop(guard);

        assert!(next.await.is_some());
    }

    #[tokio::test]
    async fn one_whose_end_could_not_be_written_is_still_under_way() {
        let running = Running::default();
        let guard = running.begin("one").await.unwrap();
        guard.ending();
        let mut next = pin!(running.begin("one"));
        assert!(futures::poll!(&mut next).is_pending());

        guard.keep();
        drop(guard);

        assert!(next.await.is_none());
        assert!(running.now().has("one"));
    }
}
