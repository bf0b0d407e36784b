//! Tells whoever listens that a vault may answer otherwise than it did: a key, a vault, a role, a principal, a fault.
//!
//! Each part whose contents decide an answer owns a clone of [`Changes`] and tells it after its memory shows the change.
//! Parts that keep their contents behind a lock hand out the write guard as [`Telling`], so no change can be made without
//! being told. The admin API streams the changes; the registry subscribes to that stream.
//!
//! A change that is told may have changed nothing: a listener asks the vault to find out. This module knows nothing of
//! vaults.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLockWriteGuard};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// How many changes a listener may be behind before it misses some.
const BEHIND: usize = 256;

/// The changes of one running vault. Clones share them.
#[derive(Clone, Debug)]
pub struct Changes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    generation: Mutex<u64>,
    live: broadcast::Sender<Change>,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeKind {
    /// A vault, its access policies, its network rules, or a key in it.
    Vault,
    /// A key begins or ceases to be valid by the clock.
    Validity,
    /// A role assignment.
    Role,
    /// A principal or its secrets.
    Principal,
    /// A fault is added or removed, or ends.
    Fault,
    /// The limits on calls change, or a window that was full ends.
    Throttling,
}

/// One change.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Change {
    /// Its place among all changes since the start.
    pub generation: u64,
    /// What it is about.
    pub kind: ChangeKind,
    /// The only vault that can answer otherwise. None: any vault can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
}

/// The write guard of a lock whose contents decide answers. Tells of the change after the lock is free.
#[derive(Debug)]
pub struct Telling<'a, T> {
    // Fields drop in this order: readers see the change before it is told.
    guard: RwLockWriteGuard<'a, T>,
    _teller: Teller<'a>,
}

#[derive(Debug)]
struct Teller<'a> {
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
    /// Tells of a change. `vault` is the only vault that it concerns, if it concerns only one.
    pub fn tell(&self, kind: ChangeKind, vault: Option<&str>) {
        let mut generation = self.lock();
        *generation += 1;
        let change = Change { generation: *generation, kind, vault: vault.map(str::to_owned) };
        // It fails only if nobody listens.
        let _ = self.0.live.send(change);
    }

    /// Wraps a write guard so that the change is told when the guard is dropped.
    pub fn telling<'a, T>(
        &'a self,
        guard: RwLockWriteGuard<'a, T>,
        kind: ChangeKind,
        vault: Option<&str>,
    ) -> Telling<'a, T> {
        let vault = vault.map(str::to_owned);
        Telling { guard, _teller: Teller { changes: self, kind, vault } }
    }

    /// How many changes there were since the start.
    pub fn generation(&self) -> u64 {
        *self.lock()
    }

    /// The current generation, and every change after it.
    pub fn subscribe(&self) -> (u64, broadcast::Receiver<Change>) {
        // No change can come between the two while the lock is held.
        let generation = self.lock();
        (*generation, self.0.live.subscribe())
    }

    // Nothing panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.0.generation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for Telling<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Telling<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl Drop for Teller<'_> {
    fn drop(&mut self) {
        self.changes.tell(self.kind, self.vault.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::RwLock;

    use super::*;

    #[test]
    fn a_subscriber_gets_the_generation_and_every_change_after_it() {
        let changes = Changes::default();
        changes.tell(ChangeKind::Role, None);

        let (generation, mut live) = changes.subscribe();
        changes.tell(ChangeKind::Vault, Some("local"));

        assert_eq!(generation, 1);
        let expected =
            Change { generation: 2, kind: ChangeKind::Vault, vault: Some("local".to_owned()) };
        assert_eq!(live.try_recv(), Ok(expected));
        assert!(live.try_recv().is_err());
    }

    #[test]
    fn a_write_is_told_when_its_guard_is_dropped() {
        let (changes, lock) = (Changes::default(), RwLock::new(1));

        let mut guard = changes.telling(lock.write().unwrap(), ChangeKind::Role, None);
        *guard = 2;
        assert_eq!(changes.generation(), 0);
        drop(guard);

        assert_eq!((changes.generation(), *lock.read().unwrap()), (1, 2));
    }
}
