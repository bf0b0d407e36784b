//! Performs the scheduled actions of a running vault: by itself as time passes, and at once after a move of the clock.
//!
//! Moves of the clock wake the waiting task, and so do changes that schedule an earlier action. The task starts with the actions
//! that became due while the vault was not running, and ends with the vault.

use std::sync::{Arc, Weak};
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::model::error::VaultError;

/// How long the task waits if nothing is due, or after an error.
const REST: Duration = Duration::from_hours(24);
const REST_AFTER_ERROR: Duration = Duration::from_mins(1);

/// Performs the scheduled actions of a vault. Clones share the vault; no clone keeps it alive.
#[derive(Clone, Debug)]
pub struct Timekeeper {
    app: Weak<App>,
    stop: CancellationToken,
}

impl Timekeeper {
    pub(crate) fn new(app: &Arc<App>, stop: CancellationToken) -> Self {
        Self { app: Arc::downgrade(app), stop }
    }

    /// Performs everything that is due by the clock, in the order of time, and returns the number of steps.
    ///
    /// A vault that has ended performs nothing.
    pub async fn run_due(&self) -> Result<usize, VaultError> {
        let Some(app) = self.app.upgrade() else {
            return Ok(0);
        };
        let stop = self.stop.clone();
        tokio::task::spawn_blocking(move || app.vaults.run_due(|| stop.is_cancelled()))
            .await
            .map_err(|error| VaultError::Internal(error.to_string()))?
    }

    /// When the vault next performs an action by the clock, or begins to give different answers; `None` if it never does, or has
    /// ended. This is for callers that move the clock and have other scheduled actions: between two such moments, the answers of
    /// the vault do not change.
    pub fn next_change(&self) -> Option<OffsetDateTime> {
        self.app.upgrade()?.vaults.next_change()
    }

    /// Performs actions when they become due, until the vault ends.
    pub(super) async fn run(self) {
        while let Some(rest) = self.turn().await {
            let Some(app) = self.app.upgrade() else {
                return;
            };
            let (clock, vaults) = (app.clock.clone(), Arc::clone(&app.vaults));
            drop(app);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = vaults.schedule_changed() => (),
                () = clock.until(clock.deadline(rest)) => (),
            }
        }
    }

    /// Performs what is due, and returns how long to wait. `None` means that the vault has ended.
    async fn turn(&self) -> Option<Duration> {
        let done = self.run_due().await;
        let app = self.app.upgrade().filter(|_| !self.stop.is_cancelled())?;
        match done {
            Ok(_) => Some(app.vaults.until_next_due().unwrap_or(REST).min(REST)),
            Err(error) => {
                tracing::error!(%error, "cannot perform the scheduled actions");
                Some(REST_AFTER_ERROR)
            }
        }
    }
}
