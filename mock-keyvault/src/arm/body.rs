//! Bodies of the resource providers: JSON whose names may be in any letter case, as .NET reads them.
//!
//! Names are folded before a body is read into its shape; the names of tags are the caller's own and stay.

use axum::body::Body;
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ArmError;

/// The largest body that is read: a vault with 1024 access policies is far below it.
const MAX_BODY: usize = 4 << 20;

/// A body of this shape, whose fields are named in lower case.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, ArmError> {
    let collected = Limited::new(body, MAX_BODY)
        .collect()
        .await
        .map_err(|error| ArmError::Content(error.to_string()))?;
    let value: Value = serde_json::from_slice(&collected.to_bytes())
        .map_err(|error| ArmError::Content(error.to_string()))?;
    serde_json::from_value(folded(value)).map_err(|error| ArmError::Content(error.to_string()))
}

/// Names in lower case; of two that differ in case alone, the last counts. The depth is bounded by the JSON reader.
fn folded(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut new = Map::new();
            for (name, value) in fields {
                let name = name.to_ascii_lowercase();
                let value = if name == "tags" { value } else { folded(value) };
                new.insert(name, value);
            }
            Value::Object(new)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(folded).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_folded_and_tags_are_not() {
        let value = json!({"Properties": {"vaultUri": ["A", {"B": 1}]}, "tags": {"Team": "X"}});

        let expected = json!({"properties": {"vaulturi": ["A", {"b": 1}]}, "tags": {"Team": "X"}});
        assert_eq!(folded(value), expected);
    }
}
