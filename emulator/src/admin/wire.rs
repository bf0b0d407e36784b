//! Names and reasons as they are in the bodies.

use serde::Serialize;

/// The JSON name of an enumeration's value.
pub(super) fn wire_name(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
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
