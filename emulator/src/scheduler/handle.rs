//! The scheduler: one move of the clock at a time, and the due work as time passes by itself.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use azure_emulator_core::clock::{Clock, ClockPlan, ClockRequest, ClockRequestError, SavedClock};
use azure_emulator_core::disk_space::Purpose;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::clock_advance::{self, ClockAdvance};
use super::context::SchedulerContext;
use super::error::SchedulerError;
use super::vault_time::VaultTime;
use crate::registry::{Intent, Kind, Registries};

/// The longest pause of the background, in either time: it then sees work that became due earlier meanwhile.
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// Moves the clock. All its callers share it.
pub struct Scheduler {
    context: SchedulerContext,
    /// One move at a time.
    moving: tokio::sync::Mutex<()>,
}

/// The parameters of a move, for its continuation.
#[derive(Serialize, Deserialize)]
struct MoveParameters {
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

/// The longest file that saves the clock.
const CLOCK_BYTES: u64 = 4096;

impl Scheduler {
    /// A scheduler that ends with `stop`.
    pub fn new(
        clock: Clock,
        vault: VaultTime,
        registries: Registries,
        data_dir: PathBuf,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let context = SchedulerContext { clock, vault, registries, data_dir, stop };
        Arc::new(Self { context, moving: tokio::sync::Mutex::default() })
    }

    /// Applies a request, and returns when all work that became due has run. It goes on if the caller is dropped.
    pub async fn change(self: &Arc<Self>, request: ClockRequest) -> Result<(), SchedulerError> {
        self.carry_out(move |now| request.plan(now)).await
    }

    /// Moves time forward, and returns when all work that became due has run. It goes on if the caller is dropped.
    pub async fn advance(self: &Arc<Self>, by: Duration) -> Result<(), SchedulerError> {
        let by = time::Duration::try_from(by).map_err(|_| ClockRequestError::BeyondTheCalendar)?;
        self.carry_out(move |now| ClockPlan::forward(now, by)).await
    }

    /// Resets the clock to real time and lets it run, for a reset: the only move that goes back.
    pub async fn reset(&self) -> Result<(), SchedulerError> {
        let _alone = self.moving.lock().await;
        self.replace_earlier().await?;
        // A reset removes content, so it must work while the disk is full.
        self.context.registries.disk_space().spend(CLOCK_BYTES, Purpose::Removal)?;
        self.context.clock.restore(SavedClock::default());
        self.context.save_clock().await
    }

    /// Runs work that becomes due as time passes, until the emulator stops. Vault and rings have watchers of their own.
    pub async fn follow(self: Arc<Self>) {
        loop {
            let next = self.next_due_of_registries().await;
            let rest = next.map_or(MAX_PAUSE, |next| {
                Duration::try_from(next - self.context.clock.now())
                    .unwrap_or_default()
                    .min(MAX_PAUSE)
            });
            tokio::select! {
                () = self.context.stop.cancelled() => return,
                () = self.context.clock.until(self.context.clock.deadline(rest)) => (),
            }
            let _alone = self.moving.lock().await;
            if let Err(error) = self.context.vault.run_due().await {
                tracing::warn!(%error, "the vault could not run its due work");
            }
            for registry in &self.context.registries.all() {
                clock_advance::run_due(registry).await;
            }
        }
    }

    /// Makes a plan when no other plan is in progress, and carries it out.
    async fn carry_out(
        self: &Arc<Self>,
        plan: impl FnOnce(OffsetDateTime) -> Result<ClockPlan, ClockRequestError> + Send + 'static,
    ) -> Result<(), SchedulerError> {
        let scheduler = Arc::clone(self);
        let moving = tokio::spawn(async move {
            let _alone = scheduler.moving.lock().await;
            let plan = plan(scheduler.context.clock.now())?;
            scheduler.replace_earlier().await?;
            // Before the move: a clock that cannot be saved would be wrong after a restart.
            scheduler.context.registries.disk_space().spend(CLOCK_BYTES, Purpose::Rows)?;
            let offset = scheduler.context.clock.offset() + plan.by;
            let steps = MoveParameters {
                offset: offset.whole_seconds(),
                nanoseconds: offset.subsec_nanoseconds(),
                to: plan.to,
                freeze: plan.freeze,
                resume: plan.resume,
            };
            let intent =
                scheduler.context.registries.intents().begin(Kind::MoveClock, &steps).await?;
            let result = scheduler.run_plan(plan, &intent).await;
            if !matches!(result, Err(SchedulerError::Stopped)) {
                // The error tells the caller where the clock stopped.
                intent.end().await?;
            }
            result
        });
        moving.await.map_err(io::Error::other)?
    }

    /// Continues an interrupted move to the requested moment. A failed move is recorded, and repeated.
    pub async fn resume(self: &Arc<Self>, intent: Intent) -> Result<(), SchedulerError> {
        let _alone = self.moving.lock().await;
        if intent.is_replaced() {
            return Ok(());
        }
        match self.resume_locked(&intent).await {
            // It continues at the next start.
            Err(SchedulerError::Stopped) => Ok(()),
            Ok(()) => Ok(intent.end().await?),
            Err(error) => {
                intent.failed(&error);
                Err(error)
            }
        }
    }

    async fn resume_locked(&self, intent: &Intent) -> Result<(), SchedulerError> {
        let MoveParameters { offset, nanoseconds, to, freeze, resume } = intent.parameters()?;
        // A running clock moves until it has the requested offset, a frozen clock to the requested moment.
        let rest = if freeze || (self.context.clock.is_frozen() && !resume) {
            to - self.context.clock.now()
        } else {
            time::Duration::new(offset, nanoseconds) - self.context.clock.offset()
        };
        let plan = ClockPlan::forward(self.context.clock.now(), rest.max(time::Duration::ZERO))?;
        self.run_plan(ClockPlan { freeze, resume, ..plan }, intent).await
    }

    /// The vault comes first in each step: if it refuses, the registry does not begin.
    async fn run_plan(&self, plan: ClockPlan, intent: &Intent) -> Result<(), SchedulerError> {
        let mut vault = self.context.vault.begin(plan).await?;
        if plan.resume {
            self.context.clock.resume();
        }
        if plan.freeze {
            self.context.clock.freeze();
        }
        if plan.by > time::Duration::ZERO {
            ClockAdvance::new(&self.context, &mut vault, intent).await.run(plan).await?;
        }
        if plan.freeze {
            vault.synchronize(&self.context.clock).await?;
        }
        self.context.save_clock().await
    }

    /// Ends interrupted moves: a newer move decides the time of the clock. Call it with the lock held.
    async fn replace_earlier(&self) -> Result<(), SchedulerError> {
        Ok(self.context.registries.intents().replace_those(&[Kind::MoveClock], |_| true).await?)
    }

    async fn next_due_of_registries(&self) -> Option<OffsetDateTime> {
        let mut next = None;
        for registry in &self.context.registries.all() {
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

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").field("vault", &self.context.vault).finish_non_exhaustive()
    }
}
