//! Helpers for the values that functions take and make: types, sizes, and the errors for wrong arguments.

use serde_json::Value;

/// The maximum length, in bytes, of a string made by a function.
const MAX_TEXT: usize = 4 << 20;

/// A function's result, or the problem with its arguments, as a sentence.
pub(super) type FunctionResult = Result<Value, String>;

/// Azure's name for the type of a value.
pub(in super::super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "Null",
        Value::Bool(_) => "Boolean",
        Value::Number(number) if number.is_f64() => "Float",
        Value::Number(_) => "Integer",
        Value::String(_) => "String",
        Value::Array(_) => "Array",
        Value::Object(_) => "Object",
    }
}

/// Roughly the memory a value takes; `None` if it is nested deeper than `depth`.
pub(in super::super) fn size_of(value: &Value, depth: usize) -> Option<usize> {
    let inner = || depth.checked_sub(1);
    let size = match value {
        Value::String(text) => text.len(),
        Value::Array(values) => {
            let inner = inner()?;
            values.iter().map(|value| size_of(value, inner)).sum::<Option<_>>()?
        }
        Value::Object(members) => {
            let inner = inner()?;
            let sizes = members.iter().map(|(key, value)| Some(key.len() + size_of(value, inner)?));
            sizes.sum::<Option<usize>>()?
        }
        _ => 0,
    };
    Some(16 + size)
}

/// Checks the length of a string before it is made.
pub(super) fn bounded(length: usize) -> Result<(), String> {
    if length > MAX_TEXT { Err("its result is too long.".to_owned()) } else { Ok(()) }
}

/// The error for arguments that a function does not take.
pub(super) fn wrong_arguments(what: &str, values: &[Value]) -> String {
    let given: Vec<&str> = values.iter().map(kind_of).collect();
    let given =
        if given.is_empty() { "none".to_owned() } else { format!("'{}'", given.join(", ")) };
    format!("it takes {what}, and its arguments are {given}.")
}

/// A value as a string, as `string` and `concat` write it.
pub(super) fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A count of characters or values, from a number.
pub(super) fn count(value: &Value) -> Option<usize> {
    value.as_i64().and_then(|number| usize::try_from(number).ok())
}
