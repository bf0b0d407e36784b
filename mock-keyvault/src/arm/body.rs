//! Reads bodies of the resource providers: JSON whose names may be in any letter case, as .NET reads them.
//!
//! Names become lower case before a body is deserialized; names of tags belong to the caller and stay unchanged.

use axum::body::Body;
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ArmError;

/// The largest body that is read: a vault with 1024 access policies is far below it.
const MAX_BODY: usize = 4 << 20;

/// Reads a body of this shape, whose fields are named in lower case.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, ArmError> {
    let collected = Limited::new(body, MAX_BODY)
        .collect()
        .await
        .map_err(|error| ArmError::Content(error.to_string()))?;
    let value: Value = serde_json::from_slice(&collected.to_bytes())
        .map_err(|error| ArmError::Content(error.to_string()))?;
    serde_json::from_value(folded(value)).map_err(|error| ArmError::Content(error.to_string()))
}

/// Turns names into lower case; of two that differ only in case, the last counts. The JSON reader limits the depth.
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
    fn names_become_lower_case_except_those_of_tags() {
        let value = json!({"Properties": {"vaultUri": ["A", {"B": 1}]}, "tags": {"Team": "X"}});

        let expected = json!({"properties": {"vaulturi": ["A", {"b": 1}]}, "tags": {"Team": "X"}});
        assert_eq!(folded(value), expected);
    }
}
