//! Has a running vault do what becomes due: by itself as time passes, and at once for whoever moved the clock.
//!
//! The task that waits is woken by moves of the clock and by changes that make something due earlier. It starts with
//! what became due while the vault was not running. It ends with the vault.

use std::sync::{Arc, Weak};
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::router::App;
use crate::vault::error::VaultError;

/// How long a task rests when nothing is due, or nothing can be done.
const REST: Duration = Duration::from_hours(24);
const REST_AFTER_ERROR: Duration = Duration::from_mins(1);

/// Has a vault do what is due. Clones do the same; none of them keeps the vault alive.
#[derive(Clone, Debug)]
pub struct Timekeeper {
    app: Weak<App>,
    stop: CancellationToken,
}

impl Timekeeper {
    pub(crate) fn new(app: &Arc<App>, stop: CancellationToken) -> Self {
        Self { app: Arc::downgrade(app), stop }
    }

    /// Returns when everything that is due by the clock was done, in the order of time: how many steps that took.
    ///
    /// A vault that ended has nothing to do.
    pub async fn run_due(&self) -> Result<usize, VaultError> {
        let Some(app) = self.app.upgrade() else {
            return Ok(0);
        };
        let stop = self.stop.clone();
        tokio::task::spawn_blocking(move || app.vaults.run_due(|| stop.is_cancelled()))
            .await
            .map_err(|error| VaultError::Internal(error.to_string()))?
    }

    /// When the vault next does something by the clock, or begins to answer otherwise; none if it never does, or has
    /// ended. For whoever moves the clock and has other things that are due: between two such moments the vault is the
    /// same, whoever asks.
    pub fn next_change(&self) -> Option<OffsetDateTime> {
        self.app.upgrade()?.vaults.next_change()
    }

    /// Does what becomes due until the vault ends.
    pub(super) async fn run(self) {
        while let Some(rest) = self.turn().await {
            let Some(app) = self.app.upgrade() else {
                return;
            };
            let (clock, vaults) = (app.clock.clone(), Arc::clone(&app.vaults));
            drop(app);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = vaults.agenda_changed() => (),
                () = clock.until(clock.deadline(rest)) => (),
            }
        }
    }

    /// Does what is due, and says how long to rest. None means that the vault ends.
    async fn turn(&self) -> Option<Duration> {
        let done = self.run_due().await;
        let app = self.app.upgrade().filter(|_| !self.stop.is_cancelled())?;
        match done {
            Ok(_) => Some(app.vaults.until_next_due().unwrap_or(REST).min(REST)),
            Err(error) => {
                tracing::error!(%error, "what is due could not be done");
                Some(REST_AFTER_ERROR)
            }
        }
    }
}
