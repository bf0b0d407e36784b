//! Access to the parts of a value: `value.name` and `value[0]`.

use serde_json::Value;

use super::error::ExpressionError;
use super::functions::kind_of;

/// A part of a value: a property, whose letter case is ignored, or an element of a list.
pub(super) fn access(value: Value, key: &Value) -> Result<Value, ExpressionError> {
    match (value, key) {
        (Value::Object(mut members), Value::String(name)) => {
            if let Some(found) = members.remove(name) {
                return Ok(found);
            }
            let found =
                members.keys().find(|key| key.to_lowercase() == name.to_lowercase()).cloned();
            match found.and_then(|key| members.remove(&key)) {
                Some(found) => Ok(found),
                None => Err(ExpressionError::UnknownProperty {
                    name: name.clone(),
                    available: members.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
                }),
            }
        }
        (Value::Array(mut values), key) if key.is_i64() => {
            let (index, length) = (key.as_i64().unwrap_or_default(), values.len());
            match usize::try_from(index).ok().filter(|at| *at < length) {
                Some(at) => Ok(values.swap_remove(at)),
                None => Err(ExpressionError::OutOfBounds { index, length }),
            }
        }
        (value, key) => Err(ExpressionError::NoMembers {
            key: key.as_str().map_or_else(|| key.to_string(), str::to_owned),
            kind: kind_of(&value),
        }),
    }
}
