//! The events of a registry's key: changes of the state, rotations, and rotations that failed.
//!
//! The ring makes them, in the order in which they happen, and sends them to the [`AuditSink`](super::AuditSink), which
//! forwards them to a log, a stream or metrics. An event names keys by vault and
//! name, never by an address.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Cause, IdentityId, KeyId, State};

/// An event of a registry's key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyEvent {
    /// The time, in emulator time.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The registry.
    pub registry: String,
    /// The event.
    #[serde(flatten)]
    pub what: KeyEventKind,
}

/// The kinds of events.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum KeyEventKind {
    /// The state or its note has changed.
    StateChanged(Transition),
    /// The data keys were wrapped under another version.
    Rotated {
        /// The version before.
        from: KeyId,
        /// The version after.
        to: KeyId,
        /// The identity that asks the vault from then on. `None` for the identity that the program was started with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<IdentityId>,
        /// How many data keys were wrapped anew.
        data_keys: usize,
        /// How many calls the vault received.
        vault_calls: u64,
    },
    /// A rotation was begun and changed nothing.
    RotationBlocked {
        /// The key of the rotation.
        key: Option<KeyId>,
        /// The reason, as a message.
        why: String,
    },
    /// An operation of several steps was blocked. It is tried again.
    OperationBlocked {
        /// Its name.
        operation: String,
        /// The reason, as a message.
        why: String,
    },
    /// A notice about the stored rows of the registry or of the embedded vault.
    RowsNotice {
        /// The owner of the rows: `registry` or `vault`.
        of: String,
        /// The kind of notice, for programs.
        notice: String,
        /// The message, one sentence.
        #[serde(rename = "words")] // prose: the name in JSON
        message: String,
    },
    /// A stored object was found that cannot be served. It counts as missing until it is pushed again.
    ContentDamaged {
        /// The object: a blob or a manifest with its digest, or the log of a run.
        object: String,
        /// The kind of damage: `damaged`, `missing`, `unreadable` or `keyLost`.
        damage: String,
    },
}

/// A change of the state.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state from then on.
    pub to: State,
    /// The cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The message of the cause.
    #[serde(rename = "words")] // prose: the name in JSON
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The version in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
}

impl KeyEventKind {
    /// The name for programs, as it is serialized.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::StateChanged(_) => "stateChanged",
            Self::Rotated { .. } => "rotated",
            Self::RotationBlocked { .. } => "rotationBlocked",
            Self::OperationBlocked { .. } => "operationBlocked",
            Self::RowsNotice { .. } => "rowsNotice",
            Self::ContentDamaged { .. } => "contentDamaged",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_object_and_survives_a_round_trip() {
        let key: KeyId = "https://local.vault.localhost/keys/k".parse().unwrap();
        let (from, to) = (State::Active, State::Unavailable);
        let cause = Some(Cause::KeyDisabled);
        let changed = Transition { from, to, cause, message: None, key: Some(key.clone()) };
        let blocked = KeyEventKind::RotationBlocked { key: Some(key), why: "why".to_owned() };
        for what in [KeyEventKind::StateChanged(changed), blocked] {
            let at = OffsetDateTime::UNIX_EPOCH;
            let event = KeyEvent { at, registry: "local".to_owned(), what };

            let text = serde_json::to_value(&event).unwrap();

            assert_eq!(text["event"], event.what.name());
            assert_eq!(text["key"]["name"], "k");
            assert_eq!(serde_json::from_value::<KeyEvent>(text).unwrap(), event);
        }
    }
}
