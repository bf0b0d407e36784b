//! What an embedding program serves on this listener beside the vault: it is asked first, by name and path.
//!
//! The router asks here before its own dispatch. The program says what is its own only after the vault has started, since
//! what it serves may need the vault; until then, and for all that the program does not take, the vault answers. Names
//! come as [`crate::authority`] reads them: in lower case, without a port.
//!
//! This module knows nothing of what is served, here or there.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;

/// What an embedding program serves on the listener of a vault.
pub trait Front: Send + Sync {
    /// What answers a request to this name and path. None leaves it to the vault.
    fn router(&self, name: &str, path: &str) -> Option<Router>;

    /// Whether the program answers to this name at all.
    fn knows(&self, name: &str) -> bool;
}

/// The place of a [`Front`], which is empty at first.
#[derive(Default)]
pub struct FrontSlot(RwLock<Option<Arc<dyn Front>>>);

impl FrontSlot {
    /// Puts a front in place of the one that is there.
    pub fn set(&self, front: Option<Arc<dyn Front>>) {
        // Nothing panics while the lock is held, and whatever is in it is whole.
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = front;
    }

    /// The router of the front for this host name and path.
    pub fn router(&self, name: &str, path: &str) -> Option<Router> {
        self.get()?.router(name, path)
    }

    /// Whether the front has this host name.
    pub fn knows(&self, name: &str) -> bool {
        self.get().is_some_and(|front| front.knows(name))
    }

    fn get(&self) -> Option<Arc<dyn Front>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for FrontSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrontSlot").field("is_set", &self.get().is_some()).finish()
    }
}
