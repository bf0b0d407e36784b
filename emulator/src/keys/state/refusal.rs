//! The reason why content is not served, as the HTTP areas render it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::cause::{Cause, REFUSAL_SENTENCE};
use super::status::State;
use crate::keys::KeyId;

/// Why content is not served now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The state of the registry: never [`State::Active`].
    pub state: State,
    /// The cause; `None` while the vault has not answered.
    pub cause: Option<Cause>,
    /// The message of the cause.
    pub reason: Arc<str>,
    /// The key version that was asked for.
    pub key: KeyId,
    /// When to ask again, if the vault said so.
    pub retry_after: Option<Duration>,
    /// The identifier of the key, at the address that the registry uses.
    identifier: Arc<str>,
}

impl Refusal {
    /// For the state `unavailable`.
    pub(in crate::keys) fn unavailable(
        cause: Cause,
        key: KeyId,
        identifier: &str,
        retry_after: Option<Duration>,
    ) -> Self {
        Self {
            state: State::Unavailable,
            cause: Some(cause),
            reason: cause.message().into(),
            key,
            retry_after,
            identifier: identifier.into(),
        }
    }

    /// The same refusal with another message.
    pub(in crate::keys) fn with_message(self, message: &str) -> Self {
        Self { reason: message.into(), ..self }
    }

    /// For the state `checking`.
    pub(in crate::keys) fn checking(key: KeyId, identifier: &str) -> Self {
        Self {
            state: State::Checking,
            cause: None,
            reason: "the vault was asked and has not answered yet".into(),
            key,
            retry_after: None,
            identifier: identifier.into(),
        }
    }

    /// Whether it lasts until an operator changes something (403), or may pass by itself (503).
    pub fn is_lasting(&self) -> bool {
        self.cause.is_some_and(Cause::is_refusal)
    }

    /// The identifier of the key version, as the vault knows it.
    pub fn key_identifier(&self) -> &str {
        &self.identifier
    }

    /// The message for a client: first the sentence to search for, then key and cause.
    pub fn message(&self) -> String {
        format!("{} {self}", self.cause.map_or(REFUSAL_SENTENCE, Cause::sentence))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key {}: {}", self.key, self.reason)
    }
}

impl std::error::Error for Refusal {}
