//! What became of keys: new versions, versions near their end, versions past it, in the shape of Azure Event Grid.
//!
//! Written by the vault, in the order of time. That a version nears its end, or is past it, is written before the vault
//! keeps that it has told: after a kill such an event may come again, under the same id, and none is lost. A new version
//! is durable before it is told of, so that a kill in that moment leaves one that no event names. Read by the admin API and by tests. The last ones are in memory, also after a
//! restart; older ones are in the files alone.
//!
//! What is kept names vault, key and version. An `Id` is rendered for the address that the reader used.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::lines::{Limits, Lines};
use crate::room::{Purpose, Room};

/// How many events are kept in memory.
const KEPT: usize = 1_000;

const LIMITS: Limits = Limits { bytes: 4 << 20, old_files: 4 };

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// The newest version is past its end.
    #[serde(rename = "Microsoft.KeyVault.KeyExpired")]
    Expired,
    /// The newest version is near its end.
    #[serde(rename = "Microsoft.KeyVault.KeyNearExpiry")]
    NearExpiry,
    /// There is a key or a version that was not there before.
    #[serde(rename = "Microsoft.KeyVault.KeyNewVersionCreated")]
    NewVersionCreated,
}

/// An event, as it is kept: it holds no host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyEvent {
    /// The same for an event that is told twice.
    pub id: Uuid,
    /// What happened.
    pub event_type: EventKind,
    /// When, by the clock of the vault.
    #[serde(with = "time::serde::rfc3339")]
    pub event_time: OffsetDateTime,
    /// The vault.
    pub vault: String,
    /// The key.
    pub key: String,
    /// The version.
    pub version: String,
    /// When the version begins, in seconds since 1970.
    pub not_before: Option<i64>,
    /// When it ends, in seconds since 1970.
    pub expires: Option<i64>,
}

/// The events so far.
pub struct EventLog {
    inner: Mutex<Inner>,
}

struct Inner {
    kept: VecDeque<KeyEvent>,
    lines: Lines,
}

impl EventKind {
    /// The name that Event Grid has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "Microsoft.KeyVault.KeyExpired",
            Self::NearExpiry => "Microsoft.KeyVault.KeyNearExpiry",
            Self::NewVersionCreated => "Microsoft.KeyVault.KeyNewVersionCreated",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl KeyEvent {
    /// The event of a key version: `at` names vault, key and version; `validity` is its start and its end, in seconds since 1970.
    pub fn new(
        kind: EventKind,
        time: OffsetDateTime,
        at: (&str, &str, &str),
        validity: (Option<i64>, Option<i64>),
    ) -> Self {
        let (vault, key, version) = at;
        let (not_before, expires) = validity;
        let named =
            format!("{vault}\0{}\0{version}\0{kind}\0{expires:?}", key.to_ascii_uppercase());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&Sha256::digest(named.as_bytes())[..16]);
        Self {
            id: uuid::Builder::from_custom_bytes(bytes).into_uuid(),
            event_type: kind,
            event_time: time,
            vault: vault.to_owned(),
            key: key.to_owned(),
            version: version.to_owned(),
            not_before,
            expires,
        }
    }

    /// The event as Event Grid delivers it, with an `Id` at this address of the vault, such as `https://local.vault.localhost:8443`.
    pub fn to_event_grid(&self, vault_uri: &str, resource_id: &str) -> serde_json::Value {
        json!({
            "id": self.id,
            "topic": resource_id,
            "subject": self.key,
            "eventType": self.event_type,
            "eventTime": self.event_time.format(&Rfc3339).unwrap_or_default(),
            "data": {
                "Id": format!("{vault_uri}/keys/{}/{}", self.key, self.version),
                "VaultName": self.vault,
                "ObjectType": "Key",
                "ObjectName": self.key,
                "Version": self.version,
                "NBF": self.not_before,
                "EXP": self.expires,
            },
            "dataVersion": "1",
            "metadataVersion": "1",
        })
    }
}

impl EventLog {
    /// Opens the log in this file. Blocks.
    pub fn open(path: &Path, room: Arc<Room>) -> io::Result<Self> {
        let lines = Lines::open(path, LIMITS, room, Purpose::Upkeep)?;
        let mut kept = VecDeque::new();
        for line in lines.recent()? {
            match serde_json::from_slice(&line) {
                Ok(event) => keep(&mut kept, event),
                Err(error) => tracing::warn!(%error, "a line of the event log cannot be read"),
            }
        }
        Ok(Self { inner: Mutex::new(Inner { kept, lines }) })
    }

    /// Takes an event down. One that cannot be written is in memory alone, and the log of the program says so. Blocks.
    pub fn record(&self, event: KeyEvent) {
        let mut inner = self.lock();
        let written = serde_json::to_vec(&event)
            .map_err(io::Error::from)
            .and_then(|line| inner.lines.append(&line));
        if let Err(error) = written {
            tracing::error!(%error, "the event log could not be written");
        }
        keep(&mut inner.kept, event);
    }

    /// The last events, the oldest first.
    pub fn events(&self) -> Vec<KeyEvent> {
        self.lock().kept.iter().cloned().collect()
    }

    // Nothing panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog").finish_non_exhaustive()
    }
}

fn keep(kept: &mut VecDeque<KeyEvent>, event: KeyEvent) {
    // One that a kill has told twice.
    if kept.iter().rev().take(8).any(|known| known.id == event.id) {
        return;
    }
    if kept.len() == KEPT {
        kept.pop_front();
    }
    kept.push_back(event);
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn opened(path: &Path) -> EventLog {
        EventLog::open(path, Arc::new(Room::of(path.parent().unwrap()))).unwrap()
    }

    fn event(version: &str) -> KeyEvent {
        let time = datetime!(2026-01-01 0:00 UTC);
        KeyEvent::new(EventKind::NearExpiry, time, ("local", "k", version), (None, Some(5)))
    }

    #[test]
    fn events_are_there_after_a_restart_and_one_told_twice_is_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let log = opened(&path);

        log.record(event("a"));
        log.record(event("b"));
        drop(log);
        let log = opened(&path);
        log.record(event("b"));

        assert_eq!(log.events(), [event("a"), event("b")]);
    }

    #[test]
    fn the_shape_is_that_of_event_grid() {
        let event = event("0a").to_event_grid("https://v.vault.localhost:1", "/subscriptions/s");

        assert_eq!(event["eventType"], "Microsoft.KeyVault.KeyNearExpiry");
        assert_eq!(event["eventTime"], "2026-01-01T00:00:00Z");
        assert_eq!(event["data"]["Id"], "https://v.vault.localhost:1/keys/k/0a");
        assert_eq!(event["data"]["EXP"], 5);
        assert_eq!(event["data"]["NBF"], serde_json::Value::Null);
    }

    #[test]
    fn memory_holds_the_last_events_alone() {
        let folder = tempfile::tempdir().unwrap();
        let log = opened(&folder.path().join("events.jsonl"));

        for version in 0..KEPT + 5 {
            log.record(event(&version.to_string()));
        }

        let events = log.events();
        assert_eq!(events.len(), KEPT);
        assert_eq!(events[0].version, "5");
    }
}
