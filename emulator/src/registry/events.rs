//! What happens to the keys of all registries: the newest events, and a live stream of them.
//!
//! One [`Events`] is shared by all registries of an emulator; every event names its registry. [`RegistrySink`] is what a
//! ring reports to: from here a use of a key goes to the audit log and into the numbers, and an event to the audit log,
//! into the numbers and to whoever listens.
//!
//! Invariant: events have consecutive numbers, and whoever subscribes gets each one after the number that they name
//! once, as far back as they are kept.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azure_emulator_core::durable::Notice;
use futures::future::BoxFuture;
use time::OffsetDateTime;
use tokio::sync::broadcast;

use super::audit::AuditLog;
use super::intents::Kind;
use super::metrics::Metrics;
use super::names::RegistryName;
use crate::keys::{AuditSink, AuditUnavailable, Happening, KeyEvent, KeyUse};

/// How many events are kept for whoever comes later.
const KEPT: usize = 1000;

/// How many events a listener may be behind.
const BEHIND: usize = 256;

/// The events of all registries. Clones share them.
#[derive(Clone)]
pub struct Events(Arc<Hub>);

/// An event and its number.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its place among all events since the start, from one.
    pub number: u64,
    /// What happened.
    pub event: KeyEvent,
}

/// Events from some number on: those that were kept, then those to come.
#[derive(Debug)]
pub struct EventStream {
    /// What happened already, oldest first.
    pub kept: Vec<Arc<Event>>,
    /// What is to come.
    pub live: broadcast::Receiver<Arc<Event>>,
}

struct Hub {
    notices: Mutex<Vec<String>>,
    kept: Mutex<Kept>,
    live: broadcast::Sender<Arc<Event>>,
    metrics: Metrics,
}

#[derive(Default)]
struct Kept {
    last: u64,
    events: VecDeque<Arc<Event>>,
}

/// What the ring of one registry reports to.
pub(super) struct RegistrySink {
    pub(super) registry: String,
    pub(super) audit: Arc<AuditLog>,
    pub(super) events: Events,
}

impl Events {
    /// The newest events, at most `count`, the oldest of them first.
    pub fn newest(&self, count: usize) -> Vec<Arc<Event>> {
        let kept = self.kept();
        kept.events.iter().skip(kept.events.len().saturating_sub(count)).cloned().collect()
    }

    /// All events after a number.
    pub fn after(&self, number: u64) -> EventStream {
        // With the lock held nothing can come between the two.
        let kept = self.kept();
        let later = kept.events.iter().filter(|event| event.number > number).cloned().collect();
        EventStream { kept: later, live: self.0.live.subscribe() }
    }

    /// The number of the newest event.
    pub fn last(&self) -> u64 {
        self.kept().last
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Tells that an operation of several steps could not go on. What concerns no registry is told under `local`.
    pub(super) fn blocked(
        &self,
        at: OffsetDateTime,
        kind: Kind,
        registry: Option<String>,
        why: String,
    ) {
        let registry = registry.unwrap_or_else(|| RegistryName::LOCAL.to_owned());
        let what = Happening::OperationBlocked { operation: kind.name().to_owned(), why };
        self.put(KeyEvent { at, registry, what });
    }

    /// Tells of what people should know about stored rows: those of the `registry`, or of the `vault`. It concerns all
    /// registries and is told under `local`.
    pub fn noticed(&self, at: OffsetDateTime, of: &str, notice: &Notice) {
        let (of, words) = (of.to_owned(), notice.to_string());
        let mut notices = self.0.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.push(format!("{of}: {words}"));
        drop(notices);
        let what = Happening::RowsNotice { of, notice: notice.name().to_owned(), words };
        self.put(KeyEvent { at, registry: RegistryName::LOCAL.to_owned(), what });
    }

    /// What [`Events::noticed`] has told, in sentences.
    pub fn notices(&self) -> Vec<String> {
        self.0.notices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn put(&self, event: KeyEvent) {
        let mut kept = self.kept();
        kept.last += 1;
        let event = Arc::new(Event { number: kept.last, event });
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back(Arc::clone(&event));
        // It fails only when nobody listens.
        let _ = self.0.live.send(event);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Events {
    fn default() -> Self {
        let live = broadcast::Sender::new(BEHIND);
        Self(Arc::new(Hub {
            notices: Mutex::default(),
            kept: Mutex::default(),
            live,
            metrics: Metrics::new(),
        }))
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("last", &self.last()).finish_non_exhaustive()
    }
}

impl AuditSink for RegistrySink {
    fn ready(&self) -> BoxFuture<'static, Result<(), AuditUnavailable>> {
        self.audit.ready()
    }

    fn record(&self, key_use: KeyUse) -> BoxFuture<'static, Result<(), AuditUnavailable>> {
        self.events.metrics().count_use(&self.registry, &key_use);
        self.audit.record(&self.registry, key_use)
    }

    fn event(&self, event: KeyEvent) {
        self.events.metrics().count_event(&event);
        self.audit.event(event.clone());
        self.events.put(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(why: &str) -> KeyEvent {
        let what = Happening::RotationBlocked { key: None, why: why.to_owned() };
        KeyEvent { at: OffsetDateTime::UNIX_EPOCH, registry: "local".to_owned(), what }
    }

    #[tokio::test]
    async fn who_subscribes_gets_every_event_after_a_number_once() {
        let events = Events::default();
        for why in ["1", "2", "3"] {
            events.put(event(why));
        }

        let mut stream = events.after(1);
        events.put(event("4"));

        let kept: Vec<_> = stream.kept.iter().map(|event| event.number).collect();
        assert_eq!(kept, [2, 3]);
        assert_eq!(stream.live.recv().await.unwrap().number, 4);
        assert!(stream.live.try_recv().is_err());
    }

    #[test]
    fn the_newest_events_are_kept_and_older_ones_go() {
        let events = Events::default();
        for number in 0..KEPT + 5 {
            events.put(event(&number.to_string()));
        }

        assert_eq!(events.newest(usize::MAX).len(), KEPT);
        assert_eq!(events.newest(2).iter().map(|event| event.number).max(), Some(events.last()));
    }
}
