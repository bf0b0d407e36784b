//! The states of the registries, for the clients that ask for them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use futures::future::join_all;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::keys::KeyRing;
use crate::registry::Registries;
use crate::vault::ChangeFeed;

/// How long a request for the state waits for the vault, in real time. After that it gets the last known state.
const WAIT: Duration = Duration::from_secs(2);

/// Watches over the states of all registries.
pub struct StateWatch {
    pub(super) registries: Registries,
    pub(super) clock: Clock,
    pub(super) lease: Duration,
    /// The source of the vault's changes; `None` if the vault is Azure's, which has none.
    pub(super) feed: Option<ChangeFeed>,
    /// Whether the vault reports its changes now.
    pub(super) is_notified: watch::Sender<bool>,
    /// How many streams of events are open.
    pub(super) listeners: watch::Sender<usize>,
    /// Notified when a client asks for the state: a good moment to look for the vault again.
    pub(super) requests: Notify,
    pub(super) stop: CancellationToken,
}

/// An open stream of events: the states are kept up to date while it exists.
#[derive(Debug)]
pub struct Listener(Arc<StateWatch>);

impl StateWatch {
    /// A watch over these registries. It does nothing before it is spawned.
    pub(crate) fn new(
        registries: Registries,
        clock: Clock,
        lease: Duration,
        feed: Option<ChangeFeed>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            registries,
            clock,
            lease,
            feed,
            is_notified: watch::Sender::new(false),
            listeners: watch::Sender::new(0),
            requests: Notify::new(),
            stop,
        })
    }

    /// Updates the states, for a client that asks for them. A vault that reports its changes is not asked. Another
    /// vault is asked if its last answer is older than a lease; this waits for it, but not long.
    pub async fn refresh(&self) {
        if *self.is_notified.borrow() {
            return;
        }
        self.requests.notify_one();
        let rings: Vec<KeyRing> =
            self.registries.all().iter().map(|registry| registry.key_ring().clone()).collect();
        let asking = join_all(rings.iter().map(KeyRing::refresh));
        // The questions go on, and the next call gets their results.
        let _ = tokio::time::timeout(WAIT, asking).await;
    }

    /// Keeps the states up to date until the returned value is dropped.
    pub fn listen(self: &Arc<Self>) -> Listener {
        self.listeners.send_modify(|count| *count += 1);
        Listener(Arc::clone(self))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.listeners.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl fmt::Debug for StateWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateWatch")
            .field("is_told", &*self.is_notified.borrow())
            .finish_non_exhaustive()
    }
}
