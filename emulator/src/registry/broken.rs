//! Reports damage: the one place where a damaged object is logged, counted and made an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Parts;
use super::damage::{Damage, ObjectName};
use crate::keys::{KeyEvent, KeyEventKind};

/// Counts damaged objects; health reports the number. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct BrokenObjects(Arc<AtomicU64>);

impl BrokenObjects {
    /// Reports that an object can no longer be served.
    pub(super) fn found(&self, parts: &Parts, object: &ObjectName, damage: Damage, words: &str) {
        self.0.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            registry.name = parts.name, %object, damage = damage.name(), words,
            "cannot serve an object: push it again; `verify` lists the affected tags"
        );
        parts.settings.events.metrics().count_damage(&parts.name, damage);
        parts.settings.events.put(KeyEvent {
            at: parts.clock.now(),
            registry: parts.name.clone(),
            what: KeyEventKind::ContentDamaged {
                object: object.to_string(),
                damage: damage.name().to_owned(),
            },
        });
    }

    /// Resets the count.
    pub(crate) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The number of damaged objects found since the start.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
