//! The events of keys.

use time::OffsetDateTime;

use super::vaults::Vaults;
use super::view::KeyView;
use azure_emulator_core::events::{EventKind, EventLog, KeyEvent};

impl Vaults {
    /// The events of keys.
    pub(crate) fn events(&self) -> &EventLog {
        &self.events
    }

    /// Records an event of a version with its time. Blocks.
    pub(super) fn announce(&self, kind: EventKind, view: &KeyView, at: i64) {
        let version = &view.version;
        let at = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let named = (view.vault.as_str(), view.name.as_str(), version.id.as_str());
        let validity = (version.attributes.not_before, version.attributes.expires);
        self.events.record(KeyEvent::new(kind, at, named, validity));
    }
}
