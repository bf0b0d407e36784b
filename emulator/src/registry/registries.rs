//! The set of open registries: who is there, in which order, and who hears of it when one comes or goes.
//!
//! `serve.rs` opens it, every area above looks registries up in it. `local` is always there and always first; the
//! others follow in the order of their names.
//!
//! Each registry has its own ring, identity, key and state. What befalls one never touches another.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::Registry;

/// The open registries. Clones share the set.
#[derive(Clone)]
pub struct Registries(Arc<Set>);

struct Set {
    open: RwLock<Vec<Registry>>,
    /// Grows whenever a registry comes, goes or is changed.
    changes: watch::Sender<u64>,
}

impl Registries {
    /// A set that has `local` alone in it.
    pub fn new(local: Registry) -> Self {
        Self(Arc::new(Set { open: RwLock::new(vec![local]), changes: watch::Sender::new(0) }))
    }

    /// All registries, `local` first.
    pub fn all(&self) -> Vec<Registry> {
        self.0.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The registry of this name.
    pub fn get(&self, name: &str) -> Option<Registry> {
        let open = self.0.open.read().unwrap_or_else(PoisonError::into_inner);
        open.iter().find(|registry| registry.name() == name).cloned()
    }

    /// Tells of every registry that comes, goes or is changed. The state of a key is told by
    /// [`KeyRing::watch`](crate::keys::KeyRing::watch).
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}
