//! Reports damage: the one place where a damaged object is logged, counted and made an event.

use crate::keys::{KeyEvent, KeyEventKind};
use crate::registry::object_name::ObjectName;
use crate::registry::parts::Parts;
use crate::store::Damage;

/// Reports that an object can no longer be served.
pub(in crate::registry) fn report(
    parts: &Parts,
    object: &ObjectName,
    damage: Damage,
    message: &str,
) {
    parts.broken.add();
    tracing::error!(
        registry.name = parts.name.as_str(), %object, damage = damage.name(), words = message,
        "cannot serve an object: push it again; `verify` lists the affected tags"
    );
    parts.settings.events.metrics().count_damage(parts.name.as_str(), damage);
    parts.settings.events.put(KeyEvent {
        at: parts.clock.now(),
        registry: parts.name.to_string(),
        what: KeyEventKind::ContentDamaged {
            object: object.to_string(),
            damage: damage.name().to_owned(),
        },
    });
}
