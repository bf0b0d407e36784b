//! Bodies of the control plane: JSON, in which the names of fields may be in any letter case, as .NET reads them.
//!
//! Called by the dispatch for every request that may have one. A body that is not there is `null`, and so is what is not
//! in one.

use std::collections::BTreeMap;

use axum::body::Body;
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use super::error::ArmError;
use crate::registry::Tags;

/// The largest body that is read: Azure takes templates of 4 MiB.
const MAX_BODY: usize = 4 << 20;

/// What stands in the place of what is not there.
const NOTHING: &Value = &Value::Null;

/// A body that is JSON, or nothing.
pub(super) async fn read(body: Body) -> Result<Value, ArmError> {
    let collected = Limited::new(body, MAX_BODY).collect().await;
    let bytes = collected.map_err(|error| ArmError::Content(error.to_string()))?.to_bytes();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| ArmError::Content(error.to_string()))
}

/// The field of this name, whatever its case; `null` if it is not there. The last of several counts.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    let fields = value.as_object().into_iter().flatten();
    let mut named = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name));
    named.next_back().map_or(NOTHING, |(_, value)| value)
}

/// The text in a field; none if it is not there.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Result<Option<&'a str>, ArmError> {
    match field(value, name) {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(ArmError::Content(format!("'{name}' is no text"))),
    }
}

/// The tags of a resource; none at all if there are none.
pub(super) fn tags(value: &Value) -> Result<Tags, ArmError> {
    let fields = match field(value, "tags") {
        Value::Null => return Ok(Tags::default()),
        Value::Object(fields) => fields,
        _ => return Err(ArmError::Content("'tags' is no object".to_owned())),
    };
    let mut tags = BTreeMap::new();
    for (name, value) in fields {
        let value = value.as_str();
        let value =
            value.ok_or_else(|| ArmError::Content(format!("the tag '{name}' is no text")))?;
        tags.insert(name.clone(), value.to_owned());
    }
    Ok(tags.try_into()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_body_is_json_or_nothing_and_has_a_limit() {
        let nothing = read(Body::from(" \n")).await.unwrap();
        let json = read(Body::from("{\"a\":1}")).await.unwrap();
        let wrong = read(Body::from("{")).await;
        let large = read(Body::from(vec![b' '; MAX_BODY + 1])).await;

        assert_eq!((nothing, json), (Value::Null, json!({"a": 1})));
        assert!(matches!(wrong, Err(ArmError::Content(_))), "{wrong:?}");
        assert!(matches!(large, Err(ArmError::Content(_))), "{large:?}");
    }

    #[test]
    fn fields_are_found_in_any_case_and_what_is_not_there_is_null() {
        let value = json!({"Location": "eastus", "TAGS": {"Team": "x"}, "sku": 1});

        assert_eq!(text(&value, "location").unwrap(), Some("eastus"));
        assert_eq!(text(&value, "name").unwrap(), None);
        assert!(text(&value, "sku").is_err());
        assert_eq!(tags(&value).unwrap().as_map()["Team"], "x");
        assert!(tags(&json!({"tags": {"Team": 1}})).is_err());
        assert!(tags(&json!({"tags": "x"})).is_err());
        assert!(field(&json!([1]), "tags").is_null());
    }
}
