//! Tells of the changes that come with time and not with a request: a key becomes valid or expires, a fault ends, a window
//! of throttling ends.
//!
//! The task sleeps until the next such moment, and looks again when the clock is moved or something else changes. It ends
//! with the vault. What becomes due and is then done, such as a purge, is told where it is done.

use std::sync::{Arc, Weak};
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::router::App;
use azure_emulator_core::changes::ChangeKind;
use azure_emulator_core::clock::Clock;

/// Waits for the moments at which a vault begins to answer otherwise, and tells of them.
pub(super) struct Herald {
    app: Weak<App>,
    clock: Clock,
    stop: CancellationToken,
}

impl Herald {
    pub(super) fn new(app: &Arc<App>, stop: CancellationToken) -> Self {
        Self { app: Arc::downgrade(app), clock: app.clock.clone(), stop }
    }

    pub(super) async fn run(self) {
        let mut validity = None;
        loop {
            let Some(app) = self.app.upgrade() else { return };
            // One moment for both: none that lies between two looks at the clock is left out.
            let now = self.clock.now();
            if validity.is_some_and(|moment| moment <= now) {
                app.changes.tell(ChangeKind::Validity, None);
            }
            // What changes while the next moments are looked up wakes the task again.
            let (_, mut told) = app.changes.subscribe();
            validity = app.vaults.next_validity(now);
            let (real, by_clock) = app.faults.next_end();
            let by_clock =
                [validity, by_clock, app.throttle.next_end()].into_iter().flatten().min();
            drop(app);
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = told.recv() => (),
                () = self.elapsed(real) => (),
                () = self.reached(by_clock) => (),
            }
        }
    }

    async fn elapsed(&self, end: Option<Duration>) {
        let Some(end) = end else { return std::future::pending().await };
        // A clock that is moved ends the wait early; then the loop looks again.
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
