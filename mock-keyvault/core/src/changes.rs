//! Notifies listeners that a vault may now answer differently: a key, vault, role, principal or fault has changed.
//!
//! Each module whose state decides an answer owns a clone of [`Changes`] and tells it of a change after the change is in
//! memory. Modules with a lock around their state return its write guard as [`NotifyingGuard`], so that no change goes unreported.
//! The admin API streams the changes, and the registry subscribes to that stream.
//!
//! A notification does not prove that anything changed: the listener asks the vault to find out. This module knows
//! nothing of vaults.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLockWriteGuard};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// How many changes a listener can be behind before it misses some.
const BEHIND: usize = 256;

/// The changes of one running vault. Clones share them.
#[derive(Clone, Debug)]
pub struct Changes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    generation: Mutex<u64>,
    live: broadcast::Sender<Change>,
}

/// The subject of a change.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeKind {
    /// A vault changes, or its access policies, its network rules or a key in it.
    Vault,
    /// By the clock, a key becomes valid or invalid.
    Validity,
    /// A role assignment changes.
    Role,
    /// A principal or its secrets change.
    Principal,
    /// A fault is added or removed, or ends.
    Fault,
    /// The limits on calls change, or a time window in which they were reached ends.
    Throttling,
}

/// One change.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Change {
    /// Its number among all changes since the start.
    pub generation: u64,
    /// Its subject.
    pub kind: ChangeKind,
    /// The only vault that may answer differently. `None`: any vault may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
}

/// The write guard of a lock whose contents decide answers. It reports the change after it has released the lock.
#[derive(Debug)]
pub struct NotifyingGuard<'a, T> {
    // Fields drop in this order: readers see the change before it is reported.
    guard: RwLockWriteGuard<'a, T>,
    _notify: NotifyOnDrop<'a>,
}

#[derive(Debug)]
struct NotifyOnDrop<'a> {
    changes: &'a Changes,
    kind: ChangeKind,
    vault: Option<String>,
}

impl Default for Changes {
    fn default() -> Self {
        Self(Arc::new(Inner { generation: Mutex::new(0), live: broadcast::Sender::new(BEHIND) }))
    }
}

impl Changes {
    /// Notifies all listeners of a change. `vault` is the only vault that it concerns, if it concerns only one.
    pub fn notify(&self, kind: ChangeKind, vault: Option<&str>) {
        let mut generation = self.lock();
        *generation += 1;
        let change = Change { generation: *generation, kind, vault: vault.map(str::to_owned) };
        // It fails only if there is no listener.
        let _ = self.0.live.send(change);
    }

    /// Wraps a write guard so that the change is reported when the guard is dropped.
    pub fn notifying<'a, T>(
        &'a self,
        guard: RwLockWriteGuard<'a, T>,
        kind: ChangeKind,
        vault: Option<&str>,
    ) -> NotifyingGuard<'a, T> {
        let vault = vault.map(str::to_owned);
        NotifyingGuard { guard, _notify: NotifyOnDrop { changes: self, kind, vault } }
    }

    /// How many changes there were since the start.
    pub fn generation(&self) -> u64 {
        *self.lock()
    }

    /// The current generation, and every change after it.
    pub fn subscribe(&self) -> (u64, broadcast::Receiver<Change>) {
        // While the lock is held, no change can come between the two.
        let generation = self.lock();
        (*generation, self.0.live.subscribe())
    }

    // No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.0.generation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for NotifyingGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for NotifyingGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl Drop for NotifyOnDrop<'_> {
    fn drop(&mut self) {
        self.changes.notify(self.kind, self.vault.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::RwLock;

    use super::*;

    #[test]
    fn a_subscriber_gets_the_generation_and_every_change_after_it() {
        let changes = Changes::default();
        changes.notify(ChangeKind::Role, None);

        let (generation, mut live) = changes.subscribe();
        changes.notify(ChangeKind::Vault, Some("local"));

        assert_eq!(generation, 1);
        let expected =
            Change { generation: 2, kind: ChangeKind::Vault, vault: Some("local".to_owned()) };
        assert_eq!(live.try_recv(), Ok(expected));
        assert!(live.try_recv().is_err());
    }

    #[test]
    fn listeners_are_notified_when_the_write_guard_is_dropped() {
        let (changes, lock) = (Changes::default(), RwLock::new(1));

        let mut guard = changes.notifying(lock.write().unwrap(), ChangeKind::Role, None);
        *guard = 2;
        assert_eq!(changes.generation(), 0);
        drop(guard);

        assert_eq!((changes.generation(), *lock.read().unwrap()), (1, 2));
    }
}
