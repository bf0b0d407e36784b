//! The life of a key as a registry sees it: states, causes, transitions, and what each state permits.
//!
//! | state | cause | content | new data keys | rotation |
//! |---|---|---|---|---|
//! | `active` | none | yes | yes | yes |
//! | `active` | `keyExpired` | yes | no | to another version |
//! | `active` | `rotationBlocked` | yes | under the version in use | to another version |
//! | `checking` | | waits, with a limit | no | yes, if the vault answers |
//! | `unavailable` | a refusal (403) | no | no | no: undo it first |
//! | `unavailable` | an outage (503) | no | no | no: the vault does not answer |
//!
//! The vault's answers change the state, in the order of the questions (`machine.rs`):
//!
//! - a grant makes it `active`, unless a refusal came after the question;
//! - a refusal makes it `unavailable` at once and erases every key, unless a later question was granted;
//! - silence changes nothing until the last lease has ended, and makes it `unavailable` then;
//! - a caller that has waited long enough with no answer at all makes it `checking`;
//! - a rotation makes it `active`: the answers about the old key no longer count.
//!
//! This module has the one table of causes and their messages. The ring sets the state, other code only reads it.
//! The HTTP areas render a refusal: this module only says whether it lasts.

mod machine;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

pub(super) use self::machine::{Failure, Machine};
use super::KeyId;

/// The sentence that reports about the real service quote. It comes first in every refusal, so that a search finds help.
pub const REFUSAL_SENTENCE: &str = "Access to Key Encryption Key is forbidden. View troubleshooting steps at https://aka.ms/acr/cmk.";

/// Azure's message instead when the identity was removed long ago:
/// <https://learn.microsoft.com/azure/container-registry/tutorial-troubleshoot-customer-managed-keys>.
const INACTIVE_SENTENCE: &str = "The identity associated with the registry is inactive. This could be due to attempted removal of the identity. Reassign the identity manually.";

/// Whether content can be served.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// The vault granted the last question, or there was no need to ask it.
    Active,
    /// The vault was asked, and nothing is known until it answers.
    Checking,
    /// The vault refused, or does not answer and the lease has ended.
    Unavailable,
}

/// The cause of a state.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Cause {
    /// The key version has expired. It still unwraps, but cannot wrap.
    KeyExpired,
    /// The key cannot be rotated.
    RotationBlocked,
    /// The access policy of the vault does not permit the identity to use the key.
    PolicyRemoved,
    /// The identity has no role that permits it to use the key.
    RoleRemoved,
    /// The key version is disabled.
    KeyDisabled,
    /// The key is deleted, and can be recovered.
    KeyDeleted,
    /// The key is deleted permanently.
    KeyPurged,
    /// The firewall of the vault is closed to the registry.
    VaultFirewall,
    /// There is no vault of this name.
    VaultDeleted,
    /// The identity of the registry is deleted, or is no longer its own.
    IdentityRemoved,
    /// The identity was removed from the registry so long ago that Azure stops accepting it. Only in strict parity.
    IdentityInactive,
    /// The vault does not answer, or answers with an error of its own.
    VaultUnreachable,
    /// The vault has too many requests.
    VaultThrottled,
    /// The issuer of tokens does not answer.
    IssuerDown,
    /// The use of the key cannot be written to the audit log of the registry or of its vault.
    AuditUnavailable,
}

/// The effect of a cause on content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// Nothing: content is served as usual.
    Note,
    /// The vault refused, and will refuse again until an operator changes something: 403.
    Refusal,
    /// The vault has not refused. The cause may pass by itself: 503.
    Outage,
}

/// The operations that a state permits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lets {
    /// Whether content is read and written, at once or after the check in flight.
    pub content: bool,
    /// Whether data keys can be made under the version in use.
    pub new_data_keys: bool,
    /// Whether the data keys can be wrapped anew, as far as the version in use permits it.
    pub rotation: bool,
}

impl State {
    /// The operations that the state permits: the table at the top of this file.
    pub const fn lets(self, cause: Option<Cause>) -> Lets {
        match (self, cause) {
            (Self::Active, Some(Cause::KeyExpired)) => {
                Lets { content: true, new_data_keys: false, rotation: true }
            }
            (Self::Active, _) => Lets { content: true, new_data_keys: true, rotation: true },
            (Self::Checking, _) => Lets { content: true, new_data_keys: false, rotation: true },
            (Self::Unavailable, _) => {
                Lets { content: false, new_data_keys: false, rotation: false }
            }
        }
    }
}

impl Cause {
    /// The one table.
    const fn row(self) -> (Severity, &'static str) {
        match self {
            Self::KeyExpired => (
                Severity::Note,
                "the key version is outside its validity: it unwraps the existing data keys and wraps no new ones",
            ),
            Self::RotationBlocked => (Severity::Note, "the key cannot be rotated"),
            Self::PolicyRemoved => (
                Severity::Refusal,
                "the access policy of the vault does not let the registry's identity use the key",
            ),
            Self::RoleRemoved => {
                (Severity::Refusal, "the registry's identity has no role that lets it use the key")
            }
            Self::KeyDisabled => (Severity::Refusal, "the key is disabled"),
            Self::KeyDeleted => (Severity::Refusal, "the key is deleted, and can be recovered"),
            Self::KeyPurged => {
                (Severity::Refusal, "the key is purged: it is gone for good, and so is all content")
            }
            Self::VaultFirewall => {
                (Severity::Refusal, "the firewall of the vault is closed to the registry")
            }
            Self::VaultDeleted => (Severity::Refusal, "there is no vault of this name"),
            Self::IdentityRemoved => (
                Severity::Refusal,
                "the registry's identity is gone, or its credential is not accepted",
            ),
            Self::IdentityInactive => (
                Severity::Refusal,
                "the identity was removed from the registry more than 90 days ago; assign it again",
            ),
            Self::VaultUnreachable => (Severity::Outage, "the vault does not answer"),
            Self::VaultThrottled => (Severity::Outage, "the vault has too many requests"),
            Self::IssuerDown => (Severity::Outage, "the issuer of tokens does not answer"),
            Self::AuditUnavailable => (
                Severity::Outage,
                "the use of the key cannot be written to the audit log, so the key is not used",
            ),
        }
    }

    /// The effect on content.
    pub const fn severity(self) -> Severity {
        self.row().0
    }

    /// Whether the vault refused, and did not merely fail to answer.
    pub const fn is_refusal(self) -> bool {
        matches!(self.severity(), Severity::Refusal)
    }

    /// The message of the cause, without a full stop.
    pub const fn words(self) -> &'static str {
        self.row().1
    }

    /// The first sentence of Azure's refusal for this cause.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::IdentityInactive => INACTIVE_SENTENCE,
            _ => REFUSAL_SENTENCE,
        }
    }

    /// The name for programs, as it is serialized.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyExpired => "keyExpired",
            Self::RotationBlocked => "rotationBlocked",
            Self::PolicyRemoved => "policyRemoved",
            Self::RoleRemoved => "roleRemoved",
            Self::KeyDisabled => "keyDisabled",
            Self::KeyDeleted => "keyDeleted",
            Self::KeyPurged => "keyPurged",
            Self::VaultFirewall => "vaultFirewall",
            Self::VaultDeleted => "vaultDeleted",
            Self::IdentityRemoved => "identityRemoved",
            Self::IdentityInactive => "identityInactive",
            Self::VaultUnreachable => "vaultUnreachable",
            Self::VaultThrottled => "vaultThrottled",
            Self::IssuerDown => "issuerDown",
            Self::AuditUnavailable => "auditUnavailable",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl State {
    /// The name for programs, as it is serialized.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Checking => "checking",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The state, and since when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    /// Whether content can be served.
    pub state: State,
    /// The cause.
    pub cause: Option<Cause>,
    /// The message of the cause.
    pub words: Option<String>,
    /// Since when, in emulator time.
    pub since: OffsetDateTime,
}

/// Why content is not served now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The state of the registry: never [`State::Active`].
    pub state: State,
    /// The cause; `None` while the vault has not answered.
    pub cause: Option<Cause>,
    /// The message of the cause.
    pub words: Arc<str>,
    /// The key version that was asked for.
    pub key: KeyId,
    /// When to ask again, if the vault said so.
    pub retry_after: Option<Duration>,
    /// The identifier of the key, at the address that the registry uses.
    identifier: Arc<str>,
}

impl Refusal {
    /// For the state `unavailable`.
    pub(super) fn unavailable(
        cause: Cause,
        key: KeyId,
        identifier: &str,
        retry_after: Option<Duration>,
    ) -> Self {
        Self {
            state: State::Unavailable,
            cause: Some(cause),
            words: cause.words().into(),
            key,
            retry_after,
            identifier: identifier.into(),
        }
    }

    /// The same refusal with another message.
    pub(super) fn in_words(self, words: &str) -> Self {
        Self { words: words.into(), ..self }
    }

    /// For the state `checking`.
    pub(super) fn checking(key: KeyId, identifier: &str) -> Self {
        Self {
            state: State::Checking,
            cause: None,
            words: "the vault was asked and has not answered yet".into(),
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
        write!(f, "Key {}: {}", self.key, self.words)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Cause; 15] = [
        Cause::KeyExpired,
        Cause::RotationBlocked,
        Cause::PolicyRemoved,
        Cause::RoleRemoved,
        Cause::KeyDisabled,
        Cause::KeyDeleted,
        Cause::KeyPurged,
        Cause::VaultFirewall,
        Cause::VaultDeleted,
        Cause::IdentityRemoved,
        Cause::IdentityInactive,
        Cause::VaultUnreachable,
        Cause::VaultThrottled,
        Cause::IssuerDown,
        Cause::AuditUnavailable,
    ];

    #[test]
    fn causes_are_serialized_under_their_names() {
        for cause in ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
        }
        for state in [State::Active, State::Checking, State::Unavailable] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }

    #[test]
    fn every_cause_has_a_message_and_its_severity_decides_what_it_permits() {
        for cause in ALL {
            let (state, status) = match cause.severity() {
                Severity::Note => (State::Active, None),
                Severity::Refusal => (State::Unavailable, Some(true)),
                Severity::Outage => (State::Unavailable, Some(false)),
            };

            assert_eq!(state.lets(Some(cause)).content, status.is_none(), "{cause}");
            assert_eq!(status.unwrap_or_default(), cause.is_refusal(), "{cause}");
            assert!(!cause.words().is_empty());
        }
        assert!(!State::Active.lets(Some(Cause::KeyExpired)).new_data_keys);
        assert!(State::Active.lets(Some(Cause::RotationBlocked)).new_data_keys);
        assert!(State::Active.lets(None).new_data_keys);
    }

    #[test]
    fn a_refusal_names_the_sentence_the_key_and_the_cause() {
        let key: KeyId = "https://local.vault.localhost/keys/registry-key".parse().unwrap();

        let refusal =
            Refusal::unavailable(Cause::KeyDisabled, key, "https://v/keys/registry-key", None);

        assert_eq!(
            refusal.message(),
            "Access to Key Encryption Key is forbidden. View troubleshooting steps at https://aka.ms/acr/cmk. \
             Key registry-key in vault local: the key is disabled"
        );
        assert!(refusal.is_lasting());
    }
}
