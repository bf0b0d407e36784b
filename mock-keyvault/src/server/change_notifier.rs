//! Reports the changes that come with time and not with a request: a key becomes valid or expires, a fault ends, a window
//! of throttling ends.
//!
//! The task sleeps until the next such moment, and looks again when the clock moves or something else changes. It ends with the
//! vault. Scheduled actions, such as a purge, report their changes themselves.

use std::sync::{Arc, Weak};
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use azure_emulator_core::changes::ChangeKind;
use azure_emulator_core::clock::Clock;

/// Waits for the moments at which a vault begins to give different answers, and reports them.
pub(super) struct ChangeNotifier {
    app: Weak<App>,
    clock: Clock,
    stop: CancellationToken,
}

impl ChangeNotifier {
    pub(super) fn new(app: &Arc<App>, stop: CancellationToken) -> Self {
        Self { app: Arc::downgrade(app), clock: app.clock.clone(), stop }
    }

    pub(super) async fn run(self) {
        let mut validity = None;
        loop {
            let Some(app) = self.app.upgrade() else { return };
            // The same moment for both, so that no moment between two readings of the clock is missed.
            let now = self.clock.now();
            if validity.is_some_and(|moment| moment <= now) {
                app.changes.notify(ChangeKind::Validity, None);
            }
            // A change during the search for the next moments wakes the task again.
            let (_, mut changes) = app.changes.subscribe();
            validity = app.vaults.next_validity(now);
            let (real, by_clock) = app.faults.next_end();
            let by_clock =
                [validity, by_clock, app.throttle.next_end()].into_iter().flatten().min();
            drop(app);
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = changes.recv() => (),
                () = self.elapsed(real) => (),
                () = self.reached(by_clock) => (),
            }
        }
    }

    async fn elapsed(&self, end: Option<Duration>) {
        let Some(end) = end else { return std::future::pending().await };
        // A move of the clock ends the wait early; then the loop looks again.
        let left = end.saturating_sub(self.clock.elapsed());
        self.clock.until(self.clock.deadline(left)).await;
    }

    async fn reached(&self, moment: Option<OffsetDateTime>) {
        match moment {
            Some(moment) => self.clock.reached(moment).await,
            None => std::future::pending().await,
        }
    }
}
