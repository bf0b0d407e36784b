//! The background of the watch: the subscription to the changes of a mock vault, and the questions for open streams of events.
//!
//! A lost subscription counts as a change: the vault may be down. If the vault is a known mock, the watch tries to
//! reconnect twice in a lease, so that it notices its return within one. If the vault has never answered, the attempts become
//! rarer. If the vault answers and is not a mock, there are no further attempts.

use std::sync::Arc;
use std::time::Duration;

use super::watch::StateWatch;
use crate::vault::{ChangeFeed, SubscribeError, Subscription, VaultChange};

/// The time from the loss of a subscription to the first attempt to renew it, in real time. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause if the vault is a known mock.
const MAX_PAUSE_OF_MOCK: Duration = Duration::from_secs(5);

/// The longest pause while the vault has never answered.
const MAX_PAUSE_OF_UNKNOWN: Duration = Duration::from_mins(1);

impl StateWatch {
    /// Follows the changes of the vault, and asks for open streams of events, until the emulator stops. `first` is a
    /// subscription that is older than the registries. The caller spawns it.
    pub(crate) async fn run(self: Arc<Self>, first: Option<Subscription>) {
        let following = async {
            if let Some(feed) = &self.feed {
                self.follow(feed, first).await;
            }
            self.is_notified.send_replace(false);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.stop.cancelled() => (),
            () = following => (),
            () = self.poll_for_listeners() => (),
        }
    }

    /// Follows the changes of the vault. Returns when the vault turns out not to be a mock.
    async fn follow(&self, feed: &ChangeFeed, mut first: Option<Subscription>) {
        let (mut is_mock, mut pause) = (false, FIRST_PAUSE);
        loop {
            let subscription = match first.take() {
                Some(subscription) => Ok(subscription),
                None => feed.subscribe().await.inspect(|_| {
                    // The changes until now were not reported.
                    self.notify_registries(&VaultChange::Any);
                }),
            };
            match subscription {
                Ok(subscription) => {
                    (is_mock, pause) = (true, FIRST_PAUSE);
                    self.is_notified.send_replace(true);
                    self.listen_to(subscription).await;
                    self.is_notified.send_replace(false);
                    tracing::debug!("the vault no longer reports its changes");
                    self.notify_registries(&VaultChange::Any);
                }
                Err(SubscribeError::NotAMock) => {
                    tracing::debug!(
                        "the vault reports no changes: it is asked when a client asks for the state"
                    );
                    return;
                }
                Err(SubscribeError::Away) => (),
            }
            let longest = if is_mock {
                (self.lease / 2).clamp(FIRST_PAUSE, MAX_PAUSE_OF_MOCK)
            } else {
                MAX_PAUSE_OF_UNKNOWN
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => (),
                () = self.requests.notified(), if !is_mock => (),
            }
            pause = pause.saturating_mul(2).min(longest);
        }
    }

    /// Lets the registries that a change may concern ask the vault, until the stream is lost.
    async fn listen_to(&self, mut subscription: Subscription) {
        while let Some(change) = subscription.next().await {
            self.notify_registries(&change);
        }
    }

    fn notify_registries(&self, change: &VaultChange) {
        if *change == VaultChange::Nothing {
            return;
        }
        for registry in self.registries.vault_changed() {
            let ring = registry.key_ring();
            // Before the key is read: a ring that changes its key meanwhile asks once more.
            let is_changing = ring.is_changing();
            let key = ring.describe().versioned;
            let is_concerned = match change {
                VaultChange::Nothing => false,
                VaultChange::Vault(_) if is_changing => key.is_some(),
                VaultChange::Any => key.is_some(),
                VaultChange::Vault(vault) => {
                    key.is_some_and(|key| key.vault().as_str().eq_ignore_ascii_case(vault))
                }
            };
            if is_concerned {
                ring.suspect();
            }
        }
    }

    /// Asks once per lease while a stream of events is open and no vault reports its changes.
    async fn poll_for_listeners(&self) {
        let (mut listeners, mut is_told) =
            (self.listeners.subscribe(), self.is_notified.subscribe());
        loop {
            // The senders live as long as this.
            let _ = listeners.wait_for(|count| *count > 0).await;
            let _ = is_told.wait_for(|is_told| !is_told).await;
            self.refresh().await;
            self.clock.until(self.clock.deadline(self.lease)).await;
        }
    }
}
