//! Tests of causes, states and refusals. The machine has its own.

use super::{Cause, Refusal, Severity, State};
use crate::keys::KeyId;

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

        assert_eq!(state.permits(Some(cause)).content, status.is_none(), "{cause}");
        assert_eq!(status.unwrap_or_default(), cause.is_refusal(), "{cause}");
        assert!(!cause.message().is_empty());
    }
    assert!(!State::Active.permits(Some(Cause::KeyExpired)).new_data_keys);
    assert!(State::Active.permits(Some(Cause::RotationBlocked)).new_data_keys);
    assert!(State::Active.permits(None).new_data_keys);
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
