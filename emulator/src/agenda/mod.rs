//! Moving the clock, and doing in order what becomes due on the way.
//!
//! Called by the admin API, by the handle of the emulator, and by itself as time passes. There are two lists of what is
//! due: the vault's (rotation by policy, notices, ends, purges) and each registry's (task runs and uploads that end, and
//! the look for a newer version of its key). A move goes from one due moment to the next, whosever that is, has both do
//! what is due there, and goes on. So ninety days in one call do what ninety days do: each version is in use within the
//! hour of its making, and what happens is dated with the time at which it was due.
//!
//! Work is bounded by what happens and not by how long it takes: a registry looks for a newer version where it looks
//! anyway, but only at the first such moment after the vault changed, for the looks between would find nothing.
//!
//! A move that a stop cuts short leaves an intent, and goes on at the next start to the moment that was asked for.
//!
//! Invariants: one move at a time. The clock is kept on disk before anything is done at its new time, so that after a
//! kill nothing that was made lies in the future. When a move returns, states are what holds at the new time.
//!
//! It decides nothing of keys, uploads or logs.

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

/// The longest that the background rests, in either time: what became due earlier meanwhile is seen then.
const REST: Duration = Duration::from_mins(1);

/// Moves the clock. Shared by whoever may.
pub struct Agenda {
    clock: Clock,
    vault: VaultTime,
    registries: Registries,
    /// Where the clock is kept.
    data_dir: PathBuf,
    /// One move at a time.
    moving: tokio::sync::Mutex<()>,
    /// Cancelled when the emulator ends.
    stop: CancellationToken,
}

/// What a move needs to go on.
#[derive(Serialize, Deserialize)]
struct MoveSteps {
    /// How far the clock is to be ahead of real time, in whole seconds.
    offset: i64,
    /// The rest of it.
    #[serde(default)]
    nanoseconds: i32,
    /// Where the clock is to be, as far as it stands still.
    #[serde(with = "time::serde::rfc3339")]
    to: OffsetDateTime,
    freeze: bool,
    resume: bool,
}

/// Why the clock was not moved, or not to the end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AgendaError {
    /// The request makes no sense. Nothing was moved.
    #[error(transparent)]
    Request(#[from] ClockRequestError),
    /// The vault is not ours to move. Nothing was moved.
    #[error(
        "the clock is moved with a mock vault alone: {0} keeps a time of its own, and keys and registry would no longer agree on what has expired"
    )]
    ForeignVault(String),
    /// The other process with the vault did not do its part. The clock stands where that was noticed.
    #[error("the vault's clock could not be moved: {0}")]
    RemoteVault(String),
    /// The embedded vault could not do what was due. The clock stands at the moment where it was.
    #[error("the vault could not do what is due: {0}")]
    Vault(#[from] VaultError),
    /// A registry could not say what is due.
    #[error("the registry could not do what is due: {0}")]
    Registry(#[from] Error),
    /// The setting of the clock could not be kept.
    #[error("the clock could not be kept: {0}")]
    Io(#[from] io::Error),
    /// The emulator ends; what is due goes on at the next start.
    #[error("the emulator ends; what became due goes on at the next start")]
    Stopped,
}

/// The file that keeps the clock is not longer.
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

    /// Does what a request says, and returns when all that became due was done. It goes on if the caller is dropped.
    pub async fn change(self: &Arc<Self>, request: ClockRequest) -> Result<(), AgendaError> {
        self.carry_out(move |now| request.plan(now)).await
    }

    /// Moves time forward, and returns when all that became due was done. It goes on if the caller is dropped.
    pub async fn advance(self: &Arc<Self>, by: Duration) -> Result<(), AgendaError> {
        let by = time::Duration::try_from(by).map_err(|_| ClockRequestError::BeyondTheCalendar)?;
        self.carry_out(move |now| ClockPlan::forward(now, by)).await
    }

    /// Sets the clock back to real time and lets it go on, for a reset: the one move that goes back.
    pub async fn reset(&self) -> Result<(), AgendaError> {
        let _alone = self.moving.lock().await;
        self.replace_earlier().await?;
        // A reset removes content, so it goes on while the disk is full.
        self.registries.room().spend(CLOCK_BYTES, Purpose::Removal)?;
        self.clock.restore(KeptClock::default());
        self.keep().await
    }

    /// Does what becomes due as time passes, until the emulator ends. Vault and rings have watchers of their own.
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
                tracing::warn!(%error, "the vault could not do what is due");
            }
            for registry in &self.registries.all() {
                journey::run_due(registry).await;
            }
        }
    }

    /// Makes a plan as soon as no other is carried out, and carries it out.
    async fn carry_out(
        self: &Arc<Self>,
        plan: impl FnOnce(OffsetDateTime) -> Result<ClockPlan, ClockRequestError> + Send + 'static,
    ) -> Result<(), AgendaError> {
        let agenda = Arc::clone(self);
        let moving = tokio::spawn(async move {
            let _alone = agenda.moving.lock().await;
            let plan = plan(agenda.clock.now())?;
            agenda.replace_earlier().await?;
            // Before anything moves: a clock that cannot be kept would be another one after a restart.
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
                // Whoever asked is told where the clock stands if that is not where it was to go.
                intent.end().await?;
            }
            went
        });
        moving.await.map_err(io::Error::other)?
    }

    /// Goes on with a move that was cut short, to the moment that was asked for. An error is noted, and it is tried again.
    pub async fn resume(self: &Arc<Self>, intent: Intent) -> Result<(), AgendaError> {
        let _alone = self.moving.lock().await;
        if intent.is_replaced() {
            return Ok(());
        }
        match self.resume_alone(&intent).await {
            // It goes on at the next start.
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
        // A clock that runs goes to where its offset is as great as was asked, one that stands still to the moment.
        let rest = if freeze || (self.clock.is_frozen() && !resume) {
            to - self.clock.now()
        } else {
            time::Duration::new(offset, nanoseconds) - self.clock.offset()
        };
        let plan = ClockPlan::forward(self.clock.now(), rest.max(time::Duration::ZERO))?;
        self.go(ClockPlan { freeze, resume, ..plan }, intent).await
    }

    /// The vault comes first in everything: what it refuses, the registry does not begin.
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

    /// Ends the moves that were cut short: a newer one says where the clock is to be. To be called with the lock held.
    async fn replace_earlier(&self) -> Result<(), AgendaError> {
        Ok(self.registries.intents().replace_those(&[Kind::MoveClock], |_| true).await?)
    }

    /// Keeps the clock as it is set.
    async fn keep(&self) -> Result<(), AgendaError> {
        Ok(kept::save(&self.data_dir, &self.clock).await?)
    }

    async fn next_of_registries(&self) -> Option<OffsetDateTime> {
        let mut next = None;
        for registry in &self.registries.all() {
            match registry.next_due().await {
                Ok(due) => next = [next, due].into_iter().flatten().min(),
                Err(error) => tracing::warn!(%error, "what is due cannot be looked up"),
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
