//! One move of the clock: from one due moment to the next, until the end is reached.

use std::time::Duration;

use azure_emulator_core::clock::ClockPlan;
use time::OffsetDateTime;

use super::context::SchedulerContext;
use super::error::SchedulerError;
use super::vault_time::VaultClock;
use crate::keys::PausedFollowing;
use crate::registry::{Intent, Registry};

/// The real time that rings may use during a move to ask a vault that changed. After that they ask only at the end: a
/// vault that hangs must not delay a move at each of its steps.
const ASKING_LIMIT: Duration = Duration::from_secs(10);

/// A move in progress.
pub(super) struct ClockAdvance<'a> {
    context: &'a SchedulerContext,
    vault: &'a mut VaultClock,
    /// The intent of this move.
    intent: &'a Intent,
    registries: Vec<RegistryStep>,
    /// The real time that was spent on asking the vault.
    time_asking: Duration,
}

/// A registry whose ring does not look by itself while the clock is moved.
struct RegistryStep {
    registry: Registry,
    paused: PausedFollowing,
    /// The time since which a look can find something new.
    changed_since: Option<OffsetDateTime>,
    /// Whether the last look failed: it is repeated at the end.
    failed: bool,
}

impl<'a> ClockAdvance<'a> {
    pub(super) async fn new(
        context: &'a SchedulerContext,
        vault: &'a mut VaultClock,
        intent: &'a Intent,
    ) -> Self {
        let mut registries = Vec::new();
        for registry in context.registries.all() {
            let paused = registry.key_ring().pause_following().await;
            // The key may have changed since the last look.
            let changed_since = Some(context.clock.now());
            registries.push(RegistryStep { registry, paused, changed_since, failed: false });
        }
        Self { context, vault, intent, registries, time_asking: Duration::ZERO }
    }

    /// Moves the clock to the end of a plan.
    pub(super) async fn run(mut self, plan: ClockPlan) -> Result<(), SchedulerError> {
        let clock = &self.context.clock;
        let frozen = clock.is_frozen();
        let offset = clock.offset().saturating_add(plan.by);
        // A running clock advances during the work: the end is reached when its offset has grown by the requested time.
        let end = || if frozen { plan.to } else { clock.real_now() + offset };
        let result = self.advance(end).await;
        for step in self.registries {
            if step.failed {
                step.paused.resume().await;
            } else {
                step.paused.resume_without_look();
            }
            step.registry.key_ring().check().await;
        }
        result
    }

    async fn advance(&mut self, end: impl Fn() -> OffsetDateTime) -> Result<(), SchedulerError> {
        self.run_due_work(false).await?;
        loop {
            if self.context.stop.is_cancelled() {
                return Err(SchedulerError::Stopped);
            }
            let next = self.next_due().await?.filter(|next| *next <= end());
            let moment = next.unwrap_or_else(&end);
            let vault_changes = self.vault.next_change().is_some_and(|change| change <= moment);
            self.vault.advance_to(moment).await?;
            self.context.clock.advance_to(moment);
            self.context.save_clock().await?;
            self.intent.passed().await?;
            self.run_due_work(vault_changes).await?;
            self.intent.passed().await?;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// The next moment after now at which the vault or a registry has due work.
    async fn next_due(&self) -> Result<Option<OffsetDateTime>, SchedulerError> {
        let mut next = self.vault.next_change();
        for step in &self.registries {
            let due = step.registry.next_due().await?;
            let look = step.next_look();
            next = [next, due, look].into_iter().flatten().min();
        }
        Ok(next)
    }

    async fn run_due_work(&mut self, vault_changes: bool) -> Result<(), SchedulerError> {
        self.context.vault.run_due().await?;
        let now = self.context.clock.now();
        for step in &mut self.registries {
            if vault_changes {
                step.changed_since = Some(now);
                if self.time_asking < ASKING_LIMIT {
                    let before = self.context.clock.elapsed();
                    step.registry.key_ring().check().await;
                    self.time_asking += self.context.clock.elapsed().saturating_sub(before);
                }
            }
            run_due(&step.registry).await;
            if step.next_look().is_some_and(|look| look <= now) {
                step.failed = !step.paused.look().await;
                step.changed_since = None;
            }
        }
        Ok(())
    }
}

impl RegistryStep {
    fn next_look(&self) -> Option<OffsetDateTime> {
        self.changed_since.and_then(|since| self.paused.first_look_from(since))
    }
}

/// Runs the due work of a registry. Failed work stays due, and the background repeats it.
pub(super) async fn run_due(registry: &Registry) {
    if let Err(error) = registry.run_due().await {
        tracing::warn!(registry.name = registry.name(), %error, "could not run the due work of the registry");
    }
}
