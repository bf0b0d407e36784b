//! The routes that an embedding program serves on the vault's listener, selected by host name and path before the vault's.
//!
//! The router asks the [`EmbeddedRoutes`] before its own dispatch. The program sets it only after the vault has started, since its
//! routes may need the vault. Until then, and for each request that the program does not take, the vault answers. Names
//! are as [`crate::authority`] parses them: in lower case, without a port.
//!
//! This module knows nothing of the routes, neither the program's nor the vault's.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;

/// The routes of an embedding program on the listener of a vault.
pub trait EmbeddedRoutes: Send + Sync {
    /// The router for requests to this name and path. `None` leaves them to the vault.
    fn router(&self, name: &str, path: &str) -> Option<Router>;

    /// Whether the program serves this name at all.
    fn knows(&self, name: &str) -> bool;
}

/// Holds the [`EmbeddedRoutes`], if one is set. It is empty at first.
#[derive(Default)]
pub struct HostRouter(RwLock<Option<Arc<dyn EmbeddedRoutes>>>);

impl HostRouter {
    /// Replaces the routes.
    pub fn set(&self, routes: Option<Arc<dyn EmbeddedRoutes>>) {
        // No code panics while it holds the lock, so its value is always whole.
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = routes;
    }

    /// The embedded router for this host name and path.
    pub fn router(&self, name: &str, path: &str) -> Option<Router> {
        self.get()?.router(name, path)
    }

    /// Whether the embedding program serves this host name.
    pub fn knows(&self, name: &str) -> bool {
        self.get().is_some_and(|routes| routes.knows(name))
    }

    fn get(&self) -> Option<Arc<dyn EmbeddedRoutes>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for HostRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostRouter").field("is_set", &self.get().is_some()).finish()
    }
}
