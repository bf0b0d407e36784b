//! Events of the keys of all registries: the newest ones, and a live stream.
//!
//! All registries of an emulator share one [`Events`]; every event names its registry. [`RegistrySink`] receives the
//! reports of a ring: it sends a use of a key to the audit log and the metrics, and an event to the audit log, the
//! metrics and all listeners.
//!
//! Invariant: events have consecutive numbers, and a subscriber gets each event after the number that it names exactly
//! once, as far back as events are retained.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azure_emulator_core::durable::Notice;
use futures::future::BoxFuture;
use time::OffsetDateTime;
use tokio::sync::broadcast;

use super::audit::AuditLog;
use super::metrics::Metrics;
use crate::keys::{AuditSink, AuditUnavailable, KeyEvent, KeyEventKind, KeyUse};
use crate::names::RegistryName;

/// The number of events retained for later subscribers.
const MAX_RETAINED: usize = 1000;

/// The maximum number of events that a listener may lag behind.
const MAX_LAG: usize = 256;

/// The events of all registries. Clones share them.
#[derive(Clone)]
pub struct Events(Arc<Hub>);

/// An event and its number.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number since the start, from one.
    pub number: u64,
    /// The event.
    pub event: KeyEvent,
}

/// Events after some number: the retained ones, then the live ones.
#[derive(Debug)]
pub struct EventStream {
    /// Past events, oldest first.
    pub retained: Vec<Arc<Event>>,
    /// Future events.
    pub live: broadcast::Receiver<Arc<Event>>,
}

struct Hub {
    notices: Mutex<Vec<String>>,
    retained: Mutex<RetainedEvents>,
    live: broadcast::Sender<Arc<Event>>,
    metrics: Metrics,
}

#[derive(Default)]
struct RetainedEvents {
    last: u64,
    events: VecDeque<Arc<Event>>,
}

/// Receives the reports of one registry's ring.
pub(super) struct RegistrySink {
    pub(super) registry: String,
    pub(super) audit: Arc<AuditLog>,
    pub(super) events: Events,
}

impl Events {
    /// The newest events, at most `count`, oldest first.
    pub fn newest(&self, count: usize) -> Vec<Arc<Event>> {
        let retained = self.retained();
        retained.events.iter().skip(retained.events.len().saturating_sub(count)).cloned().collect()
    }

    /// All events after a number.
    pub fn after(&self, number: u64) -> EventStream {
        // While the lock is held, no event can come between the two.
        let retained = self.retained();
        let later = retained.events.iter().filter(|event| event.number > number).cloned().collect();
        EventStream { retained: later, live: self.0.live.subscribe() }
    }

    /// The number of the newest event.
    pub fn last(&self) -> u64 {
        self.retained().last
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Reports that an operation of several steps is blocked. If it concerns no registry, it is reported under `local`.
    pub(super) fn blocked(
        &self,
        at: OffsetDateTime,
        operation: &str,
        registry: Option<String>,
        why: String,
    ) {
        let registry = registry.unwrap_or_else(|| RegistryName::LOCAL.to_owned());
        let what = KeyEventKind::OperationBlocked { operation: operation.to_owned(), why };
        self.put(KeyEvent { at, registry, what });
    }

    /// Reports a notice about stored rows of the `registry` or of the `vault`. It concerns all registries and is
    /// reported under `local`.
    pub fn noticed(&self, at: OffsetDateTime, of: &str, notice: &Notice) {
        let (of, message) = (of.to_owned(), notice.to_string());
        let mut notices = self.0.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.push(format!("{of}: {notice}"));
        drop(notices);
        let what = KeyEventKind::RowsNotice { of, notice: notice.name().to_owned(), message };
        self.put(KeyEvent { at, registry: RegistryName::LOCAL.to_owned(), what });
    }

    /// All notices from [`Events::noticed`], as sentences.
    pub fn notices(&self) -> Vec<String> {
        self.0.notices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn put(&self, event: KeyEvent) {
        let mut retained = self.retained();
        retained.last += 1;
        let event = Arc::new(Event { number: retained.last, event });
        if retained.events.len() == MAX_RETAINED {
            retained.events.pop_front();
        }
        retained.events.push_back(Arc::clone(&event));
        // Sending fails only if there are no listeners.
        let _ = self.0.live.send(event);
    }

    fn retained(&self) -> MutexGuard<'_, RetainedEvents> {
        self.0.retained.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Events {
    fn default() -> Self {
        let live = broadcast::Sender::new(MAX_LAG);
        Self(Arc::new(Hub {
            notices: Mutex::default(),
            retained: Mutex::default(),
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
        let what = KeyEventKind::RotationBlocked { key: None, why: why.to_owned() };
        KeyEvent { at: OffsetDateTime::UNIX_EPOCH, registry: "local".to_owned(), what }
    }

    #[tokio::test]
    async fn a_subscriber_gets_every_event_after_a_number_once() {
        let events = Events::default();
        for why in ["1", "2", "3"] {
            events.put(event(why));
        }

        let mut stream = events.after(1);
        events.put(event("4"));

        let retained: Vec<_> = stream.retained.iter().map(|event| event.number).collect();
        assert_eq!(retained, [2, 3]);
        assert_eq!(stream.live.recv().await.unwrap().number, 4);
        assert!(stream.live.try_recv().is_err());
    }

    #[test]
    fn the_newest_events_are_kept_and_older_ones_are_dropped() {
        let events = Events::default();
        for number in 0..MAX_RETAINED + 5 {
            events.put(event(&number.to_string()));
        }

        assert_eq!(events.newest(usize::MAX).len(), MAX_RETAINED);
        assert_eq!(events.newest(2).iter().map(|event| event.number).max(), Some(events.last()));
    }
}
