//! Names and reasons as they are in the bodies.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::diagnosis::RotationCause;
use crate::keys::{Cause, State};

/// Reads a state or a cause, or `None` if this version does not know its name. A newer emulator may have more of them, and the
/// rest of its report must stay readable.
pub(super) fn known<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    Ok(value.and_then(|value| T::deserialize(value).ok()))
}

/// Reads a state. An unknown state is read as [`State::Checking`], which says the least.
pub(super) fn known_state<'de, D: Deserializer<'de>>(deserializer: D) -> Result<State, D::Error> {
    Ok(known(deserializer)?.unwrap_or(State::Checking))
}

/// Reads the cause of a blocked rotation. An unknown cause is read as [`Cause::RotationBlocked`].
pub(super) fn known_rotation_cause<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<RotationCause, D::Error> {
    Ok(known(deserializer)?.unwrap_or(RotationCause::State(Cause::RotationBlocked)))
}

/// The JSON name of an enumeration's value.
pub(super) fn wire_name(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// The reason without the prefix of axum, which describes this program's types.
pub(super) fn reason(message: &str) -> &str {
    [
        "Failed to deserialize the JSON body into the target type: ",
        "Failed to parse the request body as JSON: ",
    ]
    .into_iter()
    .find_map(|prefix| message.strip_prefix(prefix))
    .unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::admin::{DiagnosisReport, ErrorReport, HealthReport};
    use crate::diagnosis::RotationCause;
    use crate::keys::{Cause, State};

    #[test]
    fn a_report_of_a_newer_emulator_with_unknown_states_and_causes_can_be_read() {
        let registry = |state: &str, cause: &str| json!({ "name": "local", "state": state, "cause": cause, "since": "2026-01-01T12:00:00Z" });
        let health: HealthReport = serde_json::from_value(json!({
            "status": "ok", "instance": "i", "damaged": 0,
            "registries": [registry("unavailable", "newCause"), registry("newState", "keyDisabled")],
        }))
        .unwrap();
        let error: ErrorReport = serde_json::from_value(json!({
            "code": "KeyRefused", "message": "m", "state": "unavailable", "cause": "newCause",
        }))
        .unwrap();
        let diagnosis: DiagnosisReport = serde_json::from_value(json!({
            "vaultIsOurs": true, "hasRoom": true, "dataDir": "/d",
            "registries": [{
                "name": "local", "state": "active", "cause": null, "words": null, "key": null, "revoked": [], // prose: the name in JSON
                "rotation": { "cause": "newCause", "words": "w", "version": null, "missing": [] }, // prose: the name in JSON
            }],
        }))
        .unwrap();

        let read: Vec<_> = health.registries.iter().map(|one| (one.state, one.cause)).collect();
        assert_eq!(read, [(State::Unavailable, None), (State::Checking, Some(Cause::KeyDisabled))]);
        assert_eq!((error.state, error.cause), (Some(State::Unavailable), None));
        let rotation = diagnosis.registries[0].rotation.as_ref().unwrap();
        assert_eq!(rotation.cause, RotationCause::State(Cause::RotationBlocked));
    }

    #[test]
    fn the_cause_of_a_blocked_rotation_is_serialized_under_its_name() {
        for cause in [
            RotationCause::KeyType,
            RotationCause::PermissionMissing,
            RotationCause::State(Cause::KeyDisabled),
        ] {
            let text = serde_json::to_value(cause).unwrap();

            assert_eq!(text, cause.name());
            assert_eq!(serde_json::from_value::<RotationCause>(text).unwrap(), cause);
        }
    }
}
