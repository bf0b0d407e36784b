//! One move of the clock: from one due moment to the next, until the end is reached.

use std::time::Duration;

use azure_emulator_core::clock::ClockPlan;
use time::OffsetDateTime;

use super::vault_time::VaultHand;
use super::{Agenda, AgendaError};
use crate::keys::PausedFollowing;
use crate::registry::{Intent, Registry};

/// How much real time the rings are given on the way to ask a vault that changed. After that they ask at the end alone: a
/// vault that hangs must not make a move hang at each of its steps.
const PATIENCE: Duration = Duration::from_secs(10);

/// A move that is under way.
pub(super) struct Journey<'a> {
    agenda: &'a Agenda,
    vault: &'a mut VaultHand,
    /// The operation that this is.
    intent: &'a Intent,
    travellers: Vec<Traveller>,
    /// Real time that was spent on asking the vault.
    asked_for: Duration,
}

/// A registry whose ring does not look by itself while the clock is moved.
struct Traveller {
    registry: Registry,
    paused: PausedFollowing,
    /// Since when a look can find something that the last one did not.
    news: Option<OffsetDateTime>,
    /// Whether the last look failed: it is tried again at the end.
    failed: bool,
}

impl<'a> Journey<'a> {
    pub(super) async fn begin(
        agenda: &'a Agenda,
        vault: &'a mut VaultHand,
        intent: &'a Intent,
    ) -> Self {
        let mut travellers = Vec::new();
        for registry in agenda.registries.all() {
            let paused = registry.key_ring().pause_following().await;
            // What somebody did to the key since the last look, nobody knows.
            let news = Some(agenda.clock.now());
            travellers.push(Traveller { registry, paused, news, failed: false });
        }
        Self { agenda, vault, intent, travellers, asked_for: Duration::ZERO }
    }

    /// Goes to the end of a plan.
    pub(super) async fn run(mut self, plan: ClockPlan) -> Result<(), AgendaError> {
        let clock = &self.agenda.clock;
        let frozen = clock.is_frozen();
        let offset = clock.offset().saturating_add(plan.by);
        // A clock that runs goes on while the work is done: the end is where its offset is as much greater as was asked.
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
            if self.agenda.stop.is_cancelled() {
                return Err(AgendaError::Stopped);
            }
            let next = self.next().await?.filter(|next| *next <= end());
            let moment = next.unwrap_or_else(&end);
            let vault_changes = self.vault.next_change().is_some_and(|change| change <= moment);
            self.vault.advance_to(moment).await?;
            self.agenda.clock.advance_to(moment);
            self.agenda.keep().await?;
            self.intent.passed().await?;
            self.do_what_is_due(vault_changes).await?;
            self.intent.passed().await?;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// The next moment after now at which anybody has something to do.
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
        self.agenda.vault.run_due().await?;
        let now = self.agenda.clock.now();
        for traveller in &mut self.travellers {
            if vault_changes {
                traveller.news = Some(now);
                if self.asked_for < PATIENCE {
                    let asked = self.agenda.clock.elapsed();
                    traveller.registry.key_ring().check().await;
                    self.asked_for += self.agenda.clock.elapsed().saturating_sub(asked);
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

/// Has a registry do what is due. What fails is due until it succeeds, and tried again by the background.
pub(super) async fn run_due(registry: &Registry) {
    if let Err(error) = registry.run_due().await {
        tracing::warn!(registry.name = registry.name(), %error, "what is due could not be done");
    }
}
