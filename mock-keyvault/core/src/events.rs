//! Events of keys in the form of Azure Event Grid: new versions, versions near expiry, and expired versions.
//!
//! The vault writes them in the order of time; the admin API and tests read them. The vault writes an event of a version
//! near or past its expiry before it stores that the event was sent. So none is lost, and after a kill such an event may
//! come again, under the same id. A new version is durable before its event is written, so a kill in between leaves a
//! version without an event. The last events are in memory, also after a restart; older ones are only in the files.
//!
//! A stored event names vault, key and version. Its `Id` is rendered for the address that the reader used.

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

use crate::disk_space::{DiskSpace, Purpose};
use crate::lines::{Limits, Lines};

/// How many events are kept in memory.
const RETAINED: usize = 1_000;

const LIMITS: Limits = Limits { bytes: 4 << 20, old_files: 4 };

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// The newest version has expired.
    #[serde(rename = "Microsoft.KeyVault.KeyExpired")]
    Expired,
    /// The newest version is near its expiry.
    #[serde(rename = "Microsoft.KeyVault.KeyNearExpiry")]
    NearExpiry,
    /// A key or a version was created.
    #[serde(rename = "Microsoft.KeyVault.KeyNewVersionCreated")]
    NewVersionCreated,
}

/// An event as it is stored, without a host name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyEvent {
    /// Its id, which is the same if the event is written twice.
    pub id: Uuid,
    /// The kind of the event.
    pub event_type: EventKind,
    /// The time of the event by the vault's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub event_time: OffsetDateTime,
    /// The vault.
    pub vault: String,
    /// The key.
    pub key: String,
    /// The version.
    pub version: String,
    /// When the version becomes valid, in seconds since 1970.
    pub not_before: Option<i64>,
    /// When the version expires, in seconds since 1970.
    pub expires: Option<i64>,
}

/// The log of events.
pub struct EventLog {
    inner: Mutex<Inner>,
}

struct Inner {
    retained: VecDeque<KeyEvent>,
    lines: Lines,
}

impl EventKind {
    /// The name that Event Grid uses for it.
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

    /// The event as Event Grid delivers it. Its `Id` is at this address of the vault, such as `https://local.vault.localhost:8443`.
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
    pub fn open(path: &Path, disk_space: Arc<DiskSpace>) -> io::Result<Self> {
        let lines = Lines::open(path, LIMITS, disk_space, Purpose::Maintenance)?;
        let mut retained = VecDeque::new();
        for line in lines.recent()? {
            match serde_json::from_slice(&line) {
                Ok(event) => retain(&mut retained, event),
                Err(error) => {
                    tracing::warn!(%error, "cannot read a line of the event log: the event is left out");
                }
            }
        }
        Ok(Self { inner: Mutex::new(Inner { retained, lines }) })
    }

    /// Writes an event. If that fails, the event is only in memory, and a line of the program's log says so. Blocks.
    pub fn record(&self, event: KeyEvent) {
        let mut inner = self.lock();
        let written = serde_json::to_vec(&event)
            .map_err(io::Error::from)
            .and_then(|line| inner.lines.append(&line));
        if let Err(error) = written {
            tracing::error!(%error, "cannot write an event to the event log: it is only in memory");
        }
        retain(&mut inner.retained, event);
    }

    /// The last events, the oldest first.
    pub fn events(&self) -> Vec<KeyEvent> {
        self.lock().retained.iter().cloned().collect()
    }

    // No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog").finish_non_exhaustive()
    }
}

fn retain(retained: &mut VecDeque<KeyEvent>, event: KeyEvent) {
    // The event was written twice because of a kill.
    if retained.iter().rev().take(8).any(|known| known.id == event.id) {
        return;
    }
    if retained.len() == RETAINED {
        retained.pop_front();
    }
    retained.push_back(event);
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn opened(path: &Path) -> EventLog {
        EventLog::open(path, Arc::new(DiskSpace::without_reserve(path.parent().unwrap()))).unwrap()
    }

    fn event(version: &str) -> KeyEvent {
        let time = datetime!(2026-01-01 0:00 UTC);
        KeyEvent::new(EventKind::NearExpiry, time, ("local", "k", version), (None, Some(5)))
    }

    #[test]
    fn events_survive_a_restart_and_one_written_twice_is_listed_once() {
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
    fn events_have_the_form_of_event_grid() {
        let event = event("0a").to_event_grid("https://v.vault.localhost:1", "/subscriptions/s");

        assert_eq!(event["eventType"], "Microsoft.KeyVault.KeyNearExpiry");
        assert_eq!(event["eventTime"], "2026-01-01T00:00:00Z");
        assert_eq!(event["data"]["Id"], "https://v.vault.localhost:1/keys/k/0a");
        assert_eq!(event["data"]["EXP"], 5);
        assert_eq!(event["data"]["NBF"], serde_json::Value::Null);
    }

    #[test]
    fn memory_holds_only_the_last_events() {
        let folder = tempfile::tempdir().unwrap();
        let log = opened(&folder.path().join("events.jsonl"));

        for version in 0..RETAINED + 5 {
            log.record(event(&version.to_string()));
        }

        let events = log.events();
        assert_eq!(events.len(), RETAINED);
        assert_eq!(events[0].version, "5");
    }
}
