//! The connections that one process may have open, so that connections do not use up all of its files.
//!
//! A process that has no file left cannot open its data either: then a client that opens many connections would stop every
//! other client. So connections may use only a part of the files. When all places are taken, idle connections end, and a
//! new connection waits for a place in the queue of the system.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::process::{Resource, getrlimit};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The most connections, whatever the system allows: each needs memory.
const MAX_PLACES: usize = 8192;
/// The fewest connections.
const MIN_PLACES: usize = 16;

/// How many connections each listener may have in any case: the registry reaches the vault through a listener of the same
/// process, also while clients have all other places.
const RESERVED: usize = 8;

/// The places of one listener. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Places {
    shared: Arc<Shared>,
    /// The places of this listener only.
    reserved: Arc<Semaphore>,
}

/// The places of all listeners.
#[derive(Debug)]
struct Shared {
    free: Arc<Semaphore>,
    /// How many new connections wait for a place.
    waiting: AtomicUsize,
    wanted: Notify,
}

/// The place of one connection, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    /// `None` only if the semaphore was closed, which never happens.
    _permit: Option<OwnedSemaphorePermit>,
}

/// A new connection that waits until this is dropped.
struct Waiting<'a>(&'a Shared);

impl Places {
    /// The places of a listener. It shares those of this process with all listeners, because they share its files.
    pub(super) fn of_process() -> Self {
        static SHARED: OnceLock<Arc<Shared>> = OnceLock::new();
        let files = || getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let shared = SHARED.get_or_init(|| Shared::new(places_for(files())));
        Self { shared: Arc::clone(shared), reserved: Arc::new(Semaphore::new(RESERVED)) }
    }

    /// This many places for a listener that shares them with no other.
    #[cfg(test)]
    pub(super) fn new(count: usize) -> Self {
        Self { shared: Shared::new(count), reserved: Arc::new(Semaphore::new(0)) }
    }

    /// Waits for a place. While it waits, idle connections end.
    pub(super) async fn take(&self) -> Place {
        let (free, reserved) = (&self.shared.free, &self.reserved);
        let at_once = Arc::clone(free).try_acquire_owned();
        let at_once = at_once.or_else(|_| Arc::clone(reserved).try_acquire_owned());
        let permit = if let Ok(permit) = at_once {
            Some(permit)
        } else {
            let _waiting = Waiting::new(&self.shared);
            tokio::select! {
                permit = Arc::clone(free).acquire_owned() => permit.ok(),
                permit = Arc::clone(reserved).acquire_owned() => permit.ok(),
            }
        };
        Place { shared: Arc::clone(&self.shared), _permit: permit }
    }
}

impl Shared {
    fn new(count: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(count));
        Arc::new(Self { free, waiting: AtomicUsize::new(0), wanted: Notify::new() })
    }
}

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::SeqCst);
        shared.wanted.notify_waiters();
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Place {
    /// Waits until a new connection waits for a place.
    pub(super) async fn is_wanted(&self) {
        loop {
            let notified = self.shared.wanted.notified();
            if self.shared.waiting.load(Ordering::SeqCst) > 0 {
                return;
            }
            notified.await;
        }
    }
}

/// A quarter of the files: a connection that sends content has a file open as well, and so have uploads.
fn places_for(files: u64) -> usize {
    usize::try_from(files / 4).unwrap_or(usize::MAX).clamp(MIN_PLACES, MAX_PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_use_a_quarter_of_the_files_within_bounds() {
        for (files, places) in [(0, 16), (1024, 256), (1 << 20, 8192), (u64::MAX, 8192)] {
            assert_eq!(places_for(files), places, "{files}");
        }
    }

    #[tokio::test]
    async fn a_listener_has_reserved_places_when_all_others_are_taken() {
        let reserved = Arc::new(Semaphore::new(1));
        let places = Places { reserved, ..Places::new(1) };

        let _both = [places.take().await, places.take().await];

        tokio::select! {
            biased;
            _ = places.take() => panic!("there is no third place"),
            () = std::future::ready(()) => (),
        }
    }

    #[tokio::test]
    async fn a_wanted_place_is_free_when_its_connection_ends() {
        let places = Places::new(1);
        let first = places.take().await;

        let (second, ()) = tokio::join!(places.take(), async {
            // Dropped when the second one wants it.
            let first = first;
            first.is_wanted().await;
        });

        drop(second);
        places.take().await;
    }
}
