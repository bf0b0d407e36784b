//! Moves the clock, and runs in order everything that becomes due during the move.
//!
//! The admin API and the handle of the emulator call it, and it runs by itself as time passes. There are two lists of due
//! work: the vault's (rotation by policy, notices, expiry, purges) and each registry's (expiry of task runs and uploads,
//! and the look for a newer version of its key). A move goes to the next due moment of either list, lets both run their
//! due work, and repeats. So a move of ninety days has the effect of ninety days: each version is in use within the
//! hour of its creation, and events have the time at which they were due.
//!
//! The cost of a move depends on the number of events and not on its length: a registry looks for a newer version at its
//! usual times, but only at the first such time after the vault changed, for the other looks would find nothing.
//!
//! An interrupted move leaves an intent, and continues at the next start to the requested moment.
//!
//! Invariants: one move at a time. The clock is saved before any work runs at its new time, so that no data has a time in
//! the future after a kill. When a move returns, the states are those of the new time.
//!
//! It makes no decisions about keys, uploads or logs.

mod journey;
mod kept;
mod vault_time;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use azure_emulator_core::clock::{Clock, ClockPlan, ClockRequest, ClockRequestError, KeptClock};
use azure_emulator_core::room::Purpose;
use mock_keyvault::VaultError;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use self::journey::Journey;
pub use self::kept::restore_clock;
pub use self::vault_time::VaultTime;
use crate::registry::{Error, Intent, Kind, Registries};

/// The longest pause of the background, in either time: it then sees work that became due earlier meanwhile.
const REST: Duration = Duration::from_mins(1);

/// Moves the clock. All its callers share it.
pub struct Agenda {
    clock: Clock,
    vault: VaultTime,
    registries: Registries,
    /// The folder of the file that saves the clock.
    data_dir: PathBuf,
    /// One move at a time.
    moving: tokio::sync::Mutex<()>,
    /// Cancelled when the emulator ends.
    stop: CancellationToken,
}

/// The parameters of a move, for its continuation.
#[derive(Serialize, Deserialize)]
struct MoveSteps {
    /// The offset of the clock from real time at the end of the move, in whole seconds.
    offset: i64,
    /// The rest of the offset in nanoseconds.
    #[serde(default)]
    nanoseconds: i32,
    /// The time of the clock at the end of the move, if it is frozen.
    #[serde(with = "time::serde::rfc3339")]
    to: OffsetDateTime,
    freeze: bool,
    resume: bool,
}

/// The reasons why the clock was not moved, or not to the end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AgendaError {
    /// The request is invalid. Nothing was moved.
    #[error(transparent)]
    Request(#[from] ClockRequestError),
    /// The vault is external and has its own time. Nothing was moved.
    #[error(
        "the clock can be moved only with a mock vault: {0} keeps its own time, and keys and registry would no longer agree on expiry"
    )]
    ForeignVault(String),
    /// The vault in another process failed. The clock stays at the moment when that was noticed.
    #[error("the vault's clock could not be moved: {0}")]
    RemoteVault(String),
    /// The embedded vault could not run its due work. The clock stays at the moment of that work.
    #[error("the vault could not run its due work: {0}")]
    Vault(#[from] VaultError),
    /// A registry could not determine its due work.
    #[error("the registry could not run its due work: {0}")]
    Registry(#[from] Error),
    /// The state of the clock could not be saved.
    #[error("the clock could not be saved: {0}")]
    Io(#[from] io::Error),
    /// The emulator is stopping; the move continues at the next start.
    #[error("the emulator is stopping; due work continues at the next start")]
    Stopped,
}

/// The longest file that saves the clock.
const CLOCK_BYTES: u64 = 4096;

impl Agenda {
    /// An agenda that ends with `stop`.
    pub fn new(
        clock: Clock,
        vault: VaultTime,
        registries: Registries,
        data_dir: PathBuf,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            clock,
            vault,
            registries,
            data_dir,
            moving: tokio::sync::Mutex::default(),
            stop,
        })
    }

    /// Applies a request, and returns when all work that became due has run. It goes on if the caller is dropped.
    pub async fn change(self: &Arc<Self>, request: ClockRequest) -> Result<(), AgendaError> {
        self.carry_out(move |now| request.plan(now)).await
    }

    /// Moves time forward, and returns when all work that became due has run. It goes on if the caller is dropped.
    pub async fn advance(self: &Arc<Self>, by: Duration) -> Result<(), AgendaError> {
        let by = time::Duration::try_from(by).map_err(|_| ClockRequestError::BeyondTheCalendar)?;
        self.carry_out(move |now| ClockPlan::forward(now, by)).await
    }

    /// Resets the clock to real time and lets it run, for a reset: the only move that goes back.
    pub async fn reset(&self) -> Result<(), AgendaError> {
        let _alone = self.moving.lock().await;
        self.replace_earlier().await?;
        // A reset removes content, so it must work while the disk is full.
        self.registries.room().spend(CLOCK_BYTES, Purpose::Removal)?;
        self.clock.restore(KeptClock::default());
        self.keep().await
    }

    /// Runs work that becomes due as time passes, until the emulator stops. Vault and rings have watchers of their own.
    pub async fn follow(self: Arc<Self>) {
        loop {
            let next = self.next_of_registries().await;
            let rest = next.map_or(REST, |next| {
                Duration::try_from(next - self.clock.now()).unwrap_or_default().min(REST)
            });
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.clock.until(self.clock.deadline(rest)) => (),
            }
            let _alone = self.moving.lock().await;
            if let Err(error) = self.vault.run_due().await {
                tracing::warn!(%error, "the vault could not run its due work");
            }
            for registry in &self.registries.all() {
                journey::run_due(registry).await;
            }
        }
    }

    /// Makes a plan when no other plan is in progress, and carries it out.
    async fn carry_out(
        self: &Arc<Self>,
        plan: impl FnOnce(OffsetDateTime) -> Result<ClockPlan, ClockRequestError> + Send + 'static,
    ) -> Result<(), AgendaError> {
        let agenda = Arc::clone(self);
        let moving = tokio::spawn(async move {
            let _alone = agenda.moving.lock().await;
            let plan = plan(agenda.clock.now())?;
            agenda.replace_earlier().await?;
            // Before the move: a clock that cannot be saved would be wrong after a restart.
            agenda.registries.room().spend(CLOCK_BYTES, Purpose::Rows)?;
            let offset = agenda.clock.offset() + plan.by;
            let steps = MoveSteps {
                offset: offset.whole_seconds(),
                nanoseconds: offset.subsec_nanoseconds(),
                to: plan.to,
                freeze: plan.freeze,
                resume: plan.resume,
            };
            let intent = agenda.registries.intents().begin(Kind::MoveClock, &steps).await?;
            let went = agenda.go(plan, &intent).await;
            if !matches!(went, Err(AgendaError::Stopped)) {
                // The error tells the caller where the clock stopped.
                intent.end().await?;
            }
            went
        });
        moving.await.map_err(io::Error::other)?
    }

    /// Continues an interrupted move to the requested moment. A failed move is recorded, and repeated.
    pub async fn resume(self: &Arc<Self>, intent: Intent) -> Result<(), AgendaError> {
        let _alone = self.moving.lock().await;
        if intent.is_replaced() {
            return Ok(());
        }
        match self.resume_alone(&intent).await {
            // It continues at the next start.
            Err(AgendaError::Stopped) => Ok(()),
            Ok(()) => Ok(intent.end().await?),
            Err(error) => {
                intent.failed(&error);
                Err(error)
            }
        }
    }

    async fn resume_alone(&self, intent: &Intent) -> Result<(), AgendaError> {
        let MoveSteps { offset, nanoseconds, to, freeze, resume } = intent.parameters()?;
        // A running clock moves until it has the requested offset, a frozen clock to the requested moment.
        let rest = if freeze || (self.clock.is_frozen() && !resume) {
            to - self.clock.now()
        } else {
            time::Duration::new(offset, nanoseconds) - self.clock.offset()
        };
        let plan = ClockPlan::forward(self.clock.now(), rest.max(time::Duration::ZERO))?;
        self.go(ClockPlan { freeze, resume, ..plan }, intent).await
    }

    /// The vault comes first in each step: if it refuses, the registry does not begin.
    async fn go(&self, plan: ClockPlan, intent: &Intent) -> Result<(), AgendaError> {
        let mut vault = self.vault.begin(plan).await?;
        if plan.resume {
            self.clock.resume();
        }
        if plan.freeze {
            self.clock.freeze();
        }
        if plan.by > time::Duration::ZERO {
            Journey::begin(self, &mut vault, intent).await.run(plan).await?;
        }
        if plan.freeze {
            vault.meet(&self.clock).await?;
        }
        self.keep().await
    }

    /// Ends interrupted moves: a newer move decides the time of the clock. Call it with the lock held.
    async fn replace_earlier(&self) -> Result<(), AgendaError> {
        Ok(self.registries.intents().replace_those(&[Kind::MoveClock], |_| true).await?)
    }

    /// Saves the state of the clock.
    async fn keep(&self) -> Result<(), AgendaError> {
        Ok(kept::save(&self.data_dir, &self.clock).await?)
    }

    async fn next_of_registries(&self) -> Option<OffsetDateTime> {
        let mut next = None;
        for registry in &self.registries.all() {
            match registry.next_due().await {
                Ok(due) => next = [next, due].into_iter().flatten().min(),
                Err(error) => {
                    tracing::warn!(%error, "could not determine the due work of a registry");
                }
            }
        }
        next
    }
}

impl fmt::Debug for Agenda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agenda").field("vault", &self.vault).finish_non_exhaustive()
    }
}
