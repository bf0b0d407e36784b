//! One move of the clock: from one due moment to the next, until the end is reached.

use std::time::Duration;

use azure_emulator_core::clock::ClockPlan;
use time::OffsetDateTime;

use super::error::AgendaError;
use super::parts::Parts;
use super::vault_time::VaultHand;
use crate::keys::PausedFollowing;
use crate::registry::{Intent, Registry};

/// The real time that rings may use during a move to ask a vault that changed. After that they ask only at the end: a
/// vault that hangs must not delay a move at each of its steps.
const PATIENCE: Duration = Duration::from_secs(10);

/// A move in progress.
pub(super) struct Journey<'a> {
    parts: &'a Parts,
    vault: &'a mut VaultHand,
    /// The intent of this move.
    intent: &'a Intent,
    travellers: Vec<Traveller>,
    /// The real time that was spent on asking the vault.
    asked_for: Duration,
}

/// A registry whose ring does not look by itself while the clock is moved.
struct Traveller {
    registry: Registry,
    paused: PausedFollowing,
    /// The time since which a look can find something new.
    news: Option<OffsetDateTime>,
    /// Whether the last look failed: it is repeated at the end.
    failed: bool,
}

impl<'a> Journey<'a> {
    pub(super) async fn begin(
        parts: &'a Parts,
        vault: &'a mut VaultHand,
        intent: &'a Intent,
    ) -> Self {
        let mut travellers = Vec::new();
        for registry in parts.registries.all() {
            let paused = registry.key_ring().pause_following().await;
            // The key may have changed since the last look.
            let news = Some(parts.clock.now());
            travellers.push(Traveller { registry, paused, news, failed: false });
        }
        Self { parts, vault, intent, travellers, asked_for: Duration::ZERO }
    }

    /// Moves the clock to the end of a plan.
    pub(super) async fn run(mut self, plan: ClockPlan) -> Result<(), AgendaError> {
        let clock = &self.parts.clock;
        let frozen = clock.is_frozen();
        let offset = clock.offset().saturating_add(plan.by);
        // A running clock advances during the work: the end is reached when its offset has grown by the requested time.
        let end = || if frozen { plan.to } else { clock.real_now() + offset };
        let went = self.go(end).await;
        for traveller in self.travellers {
            if traveller.failed {
                traveller.paused.resume().await;
            } else {
                traveller.paused.resume_without_look();
            }
            traveller.registry.key_ring().check().await;
        }
        went
    }

    async fn go(&mut self, end: impl Fn() -> OffsetDateTime) -> Result<(), AgendaError> {
        self.do_what_is_due(false).await?;
        loop {
            if self.parts.stop.is_cancelled() {
                return Err(AgendaError::Stopped);
            }
            let next = self.next().await?.filter(|next| *next <= end());
            let moment = next.unwrap_or_else(&end);
            let vault_changes = self.vault.next_change().is_some_and(|change| change <= moment);
            self.vault.advance_to(moment).await?;
            self.parts.clock.advance_to(moment);
            self.parts.keep().await?;
            self.intent.passed().await?;
            self.do_what_is_due(vault_changes).await?;
            self.intent.passed().await?;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// The next moment after now at which the vault or a registry has due work.
    async fn next(&self) -> Result<Option<OffsetDateTime>, AgendaError> {
        let mut next = self.vault.next_change();
        for traveller in &self.travellers {
            let due = traveller.registry.next_due().await?;
            let look = traveller.next_look();
            next = [next, due, look].into_iter().flatten().min();
        }
        Ok(next)
    }

    async fn do_what_is_due(&mut self, vault_changes: bool) -> Result<(), AgendaError> {
        self.parts.vault.run_due().await?;
        let now = self.parts.clock.now();
        for traveller in &mut self.travellers {
            if vault_changes {
                traveller.news = Some(now);
                if self.asked_for < PATIENCE {
                    let asked = self.parts.clock.elapsed();
                    traveller.registry.key_ring().check().await;
                    self.asked_for += self.parts.clock.elapsed().saturating_sub(asked);
                }
            }
            run_due(&traveller.registry).await;
            if traveller.next_look().is_some_and(|look| look <= now) {
                traveller.failed = !traveller.paused.look().await;
                traveller.news = None;
            }
        }
        Ok(())
    }
}

impl Traveller {
    fn next_look(&self) -> Option<OffsetDateTime> {
        self.news.and_then(|since| self.paused.first_look_from(since))
    }
}

/// Runs the due work of a registry. Failed work stays due, and the background repeats it.
pub(super) async fn run_due(registry: &Registry) {
    if let Err(error) = registry.run_due().await {
        tracing::warn!(registry.name = registry.name(), %error, "could not run the due work of the registry");
    }
}
