//! Refuses the values of properties that the table does not accept.

use serde_json::Value;

use super::property::Treatment;
use super::table::{ADDED, PROPERTIES};
use crate::arm::body::field;
use crate::arm::error::Refusal;

/// Refuses the first property without the only accepted value. `body` describes a registry.
pub(in crate::arm::registries) fn check(body: &Value) -> Result<(), Refusal> {
    for property in PROPERTIES.iter().chain(ADDED) {
        let Treatment::Only { value: only, feature } = property.treatment else { continue };
        let value = property.path.split('.').fold(body, |value, name| field(value, name));
        if !is(value, only) {
            return Err(Refusal::Property {
                path: property.path,
                only,
                feature,
                instead: property.description,
            });
        }
    }
    Ok(())
}

/// Whether a value is absent or accepted. A list must be empty.
fn is(value: &Value, only: &str) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => flag.to_string() == only,
        Value::String(text) => text.eq_ignore_ascii_case(only),
        Value::Array(items) => items.is_empty() && only == "[]",
        Value::Number(_) | Value::Object(_) => false,
    }
}
