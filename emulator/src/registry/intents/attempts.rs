//! The attempts of interrupted operations: which one is due, and why the last one failed.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::intent::Intent;
use super::kind::Kind;
use super::list::Intents;
use super::replace::held_by_reset;
use super::waiting::Entry;

impl Intents {
    /// Takes the oldest operation whose attempt is due and that `is_wanted` accepts, for the runner.
    pub fn take_due(&self, is_wanted: impl Fn(Uuid, Kind) -> bool) -> Option<Intent> {
        let now = self.0.clock.elapsed();
        let mut entries = self.entries();
        let is_held = held_by_reset(&entries);
        let mut due: Vec<(&Uuid, &mut Entry)> =
            entries.iter_mut().filter(|(_, entry)| entry.is_due(now) && !is_held(entry)).collect();
        due.sort_by_key(|(id, entry)| (entry.begun, **id));
        let wanted = due.into_iter().find_map(|(id, entry)| {
            let kind = entry.kind.filter(|kind| is_wanted(*id, *kind))?;
            Some((*id, kind, entry))
        });
        let (id, kind, entry) = wanted?;
        entry.run();
        let (parameters, step) = (entry.parameters.clone(), entry.step.clone());
        drop(entries);
        Some(Intent::new(self, id, kind, parameters, step))
    }

    /// Returns when an attempt may be due.
    pub async fn wait_for_due(&self) {
        let notified = self.0.waits.notified();
        let now = self.0.clock.elapsed();
        let next = {
            let entries = self.entries();
            let is_held = held_by_reset(&entries);
            let free = entries.values().filter(|entry| !is_held(entry));
            free.filter_map(|entry| entry.next(now)).min()
        };
        match next {
            Some(rest) => tokio::select! {
                () = notified => (),
                () = tokio::time::sleep(rest) => (),
            },
            None => notified.await,
        }
    }

    /// Records why an attempt failed, after its end, unless the attempt recorded that itself.
    pub fn explain(&self, id: Uuid, kind: Kind, why: &(impl fmt::Display + ?Sized)) {
        let is_unexplained = self.entries().get(&id).is_some_and(Entry::is_unexplained);
        if is_unexplained {
            self.note_failure(id, kind, why.to_string(), |entry, why, _| entry.explain(why));
        }
    }

    pub(super) fn note_failure(
        &self,
        id: Uuid,
        kind: Kind,
        why: String,
        note: impl FnOnce(&mut Entry, String, Duration) -> bool,
    ) {
        let (registry, is_news) = {
            let now = self.0.clock.elapsed();
            let mut entries = self.entries();
            let Some(entry) = entries.get_mut(&id) else { return };
            let is_news = note(entry, why.clone(), now);
            (entry.registry(), is_news)
        };
        if is_news {
            tracing::warn!(operation = %kind, why, "{} failed and is retried", kind.description());
            self.0.events.blocked(self.0.clock.now(), kind.name(), registry, why);
        }
    }
}
