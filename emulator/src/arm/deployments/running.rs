//! The deployments that are under way. After a restart those are held here that were cut short, until they go on.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is under way, by id in lower case, and whether it is to stop. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::arm) struct Running(Arc<Mutex<HashMap<String, Arc<AtomicBool>>>>);

/// The deployments that were under way at a moment. Who reads what is kept of one, asks before: one that was under way and
/// is not kept as ended has not ended.
#[derive(Debug)]
pub(super) struct UnderWay(HashSet<String>);

/// That a deployment is under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Guard {
    running: Running,
    id: String,
    is_stopped: Arc<AtomicBool>,
    /// Whether the deployment stays under way although this is dropped.
    is_kept: AtomicBool,
}

impl Running {
    /// That a deployment is under way from now on. None: it is already.
    pub(super) fn begin(&self, id: &str) -> Option<Guard> {
        let id = id.to_lowercase();
        let is_stopped = Arc::<AtomicBool>::default();
        let mut all = self.all();
        if all.contains_key(&id) {
            return None;
        }
        all.insert(id.clone(), Arc::clone(&is_stopped));
        Some(Guard { running: self.clone(), id, is_stopped, is_kept: AtomicBool::default() })
    }

    /// That a deployment which was cut short is under way, until it goes on.
    pub(super) fn hold(&self, id: &str) {
        self.all().insert(id.to_lowercase(), Arc::default());
    }

    /// A deployment that was cut short goes on.
    pub(super) fn resume(&self, id: &str) -> Guard {
        let id = id.to_lowercase();
        let is_stopped = Arc::clone(self.all().entry(id.clone()).or_default());
        Guard { running: self.clone(), id, is_stopped, is_kept: AtomicBool::default() }
    }

    /// All that are under way now.
    pub(super) fn now(&self) -> UnderWay {
        UnderWay(self.all().keys().cloned().collect())
    }

    /// Asks a deployment to stop. False: it is not under way.
    pub(super) fn cancel(&self, id: &str) -> bool {
        let all = self.all();
        let found = all.get(&id.to_lowercase());
        found.inspect(|is_stopped| is_stopped.store(true, Ordering::Release)).is_some()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<AtomicBool>>> {
        // Nothing panics while the lock is held, and whatever is in it is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.is_stopped.load(Ordering::Acquire)
    }

    /// The deployment stays under way: it goes on with the next attempt.
    pub(super) fn keep(&self) {
        self.is_kept.store(true, Ordering::Release);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.is_kept.load(Ordering::Acquire) {
            self.running.all().remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_name_is_under_way_and_can_be_stopped() {
        let running = Running::default();

        let guard = running.begin("/G/one").unwrap();

        assert!(running.begin("/g/ONE").is_none());
        assert!(running.now().has("/G/one") && !running.now().has("/g/two"));
        assert!(!guard.is_stopped());
        assert!(running.cancel("/g/One") && guard.is_stopped());
        drop(guard);
        assert!(!running.now().has("/g/one") && !running.cancel("/g/one"));
        assert!(running.begin("/g/one").is_some());
    }
}
