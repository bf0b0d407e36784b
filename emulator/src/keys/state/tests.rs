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
fn every_cause_has_a_message_and_the_documented_effect() {
    use Severity::{Note, Outage, Refusal as Refused};
    let effects = ALL.map(|cause| {
        assert!(!cause.message().is_empty(), "{cause}");
        cause.severity()
    });

    assert_eq!(effects[..2], [Note; 2]);
    assert_eq!(effects[2..11], [Refused; 9]);
    assert_eq!(effects[11..], [Outage; 4]);
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
