//! The background of the watch: the subscription to the changes of a mock vault, and the questions for open streams of events.
//!
//! A lost subscription counts as a change: the vault may be down. If the vault is a known mock, the watch tries to
//! reconnect twice in a lease, so that it notices its return within one. If the vault has never answered, the attempts become
//! rarer. If the vault answers and is not a mock, there are no further attempts.

use std::sync::Arc;
use std::time::Duration;

use super::watch::StateWatch;
use crate::vault::{ChangeFeed, NotSubscribed, Subscription, Told};

/// The time from the loss of a subscription to the first attempt to renew it, in real time. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause if the vault is a known mock.
const LONGEST_OF_A_MOCK: Duration = Duration::from_secs(5);

/// The longest pause while the vault has never answered.
const LONGEST_OF_A_STRANGER: Duration = Duration::from_mins(1);

impl StateWatch {
    /// Follows the changes of the vault, and asks for open streams of events, until the emulator stops. `first` is a
    /// subscription that is older than the registries. The caller spawns it.
    pub(crate) async fn run(self: Arc<Self>, first: Option<Subscription>) {
        let following = async {
            if let Some(feed) = &self.feed {
                self.follow(feed, first).await;
            }
            self.is_told.send_replace(false);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.stop.cancelled() => (),
            () = following => (),
            () = self.ask_for_listeners() => (),
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
                    self.suspect(&Told::Any);
                }),
            };
            match subscription {
                Ok(subscription) => {
                    (is_mock, pause) = (true, FIRST_PAUSE);
                    self.is_told.send_replace(true);
                    self.listen_to(subscription).await;
                    self.is_told.send_replace(false);
                    tracing::debug!("the vault no longer reports its changes");
                    self.suspect(&Told::Any);
                }
                Err(NotSubscribed::NotAMock) => {
                    tracing::debug!(
                        "the vault reports no changes: it is asked when a client asks for the state"
                    );
                    return;
                }
                Err(NotSubscribed::Away) => (),
            }
            let longest = if is_mock {
                (self.lease / 2).clamp(FIRST_PAUSE, LONGEST_OF_A_MOCK)
            } else {
                LONGEST_OF_A_STRANGER
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => (),
                () = self.asked.notified(), if !is_mock => (),
            }
            pause = pause.saturating_mul(2).min(longest);
        }
    }

    /// Lets the registries that a change may concern ask the vault, until the stream is lost.
    async fn listen_to(&self, mut subscription: Subscription) {
        while let Some(told) = subscription.next().await {
            self.suspect(&told);
        }
    }

    fn suspect(&self, told: &Told) {
        if *told == Told::Nothing {
            return;
        }
        for registry in self.registries.vault_changed() {
            let ring = registry.key_ring();
            // Before the key is read: a ring that changes its key meanwhile asks once more.
            let is_changing = ring.is_changing();
            let key = ring.describe().versioned;
            let is_concerned = match told {
                Told::Nothing => false,
                Told::Vault(_) if is_changing => key.is_some(),
                Told::Any => key.is_some(),
                Told::Vault(vault) => {
                    key.is_some_and(|key| key.vault().as_str().eq_ignore_ascii_case(vault))
                }
            };
            if is_concerned {
                ring.suspect();
            }
        }
    }

    /// Asks once per lease while a stream of events is open and no vault reports its changes.
    async fn ask_for_listeners(&self) {
        let (mut listeners, mut is_told) = (self.listeners.subscribe(), self.is_told.subscribe());
        loop {
            // The senders live as long as this.
            let _ = listeners.wait_for(|count| *count > 0).await;
            let _ = is_told.wait_for(|is_told| !is_told).await;
            self.refresh().await;
            self.clock.until(self.clock.deadline(self.lease)).await;
        }
    }
}
