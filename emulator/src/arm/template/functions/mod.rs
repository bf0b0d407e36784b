//! Functions that only compute, from JSON values to JSON values.
//!
//! Called by the evaluator, with evaluated arguments. An error is a sentence; the evaluator adds the function's name.
//! Function names come in lower case. The size of a result is checked before it is made.

mod collections;
mod encoding;
mod hash;
mod logic;
mod numbers;
mod resources;
mod text;
mod when;

use serde_json::Value;

pub(super) use self::hash::guid;
pub(super) use self::when::utc_now;
use super::facts::Facts;

/// The maximum length, in bytes, of a string made by a function.
const MAX_TEXT: usize = 4 << 20;

/// A function's result, or the problem with its arguments, as a sentence.
type Given = Result<Value, String>;

/// Calls a function; `None` if there is no such function.
pub(super) fn call(name: &str, values: &[Value], facts: &Facts) -> Option<Given> {
    text::call(name, values)
        .or_else(|| collections::call(name, values))
        .or_else(|| logic::call(name, values))
        .or_else(|| numbers::call(name, values))
        .or_else(|| encoding::call(name, values))
        .or_else(|| hash::call(name, values))
        .or_else(|| resources::call(name, values, facts))
}

/// Whether Azure has this function and this emulator does not support it.
pub(super) fn is_azures(name: &str) -> bool {
    matches!(
        name,
        "cidrhost"
            | "cidrsubnet"
            | "copyindex"
            | "datauri"
            | "datauritostring"
            | "datetimeadd"
            | "datetimefromepoch"
            | "datetimetoepoch"
            | "deployer"
            | "filter"
            | "groupby"
            | "lambda"
            | "lambdavariables"
            | "managementgroup"
            | "managementgroupresourceid"
            | "map"
            | "mapvalues"
            | "parsecidr"
            | "pickzones"
            | "providers"
            | "reduce"
            | "references"
            | "shallowmerge"
            | "sort"
            | "toobject"
            | "uri"
    )
}

/// Azure's name for the type of a value.
pub(super) fn kind_of(value: &Value) -> &'static str {
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
pub(super) fn size_of(value: &Value, depth: usize) -> Option<usize> {
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
fn bounded(length: usize) -> Result<(), String> {
    if length > MAX_TEXT { Err("its result is too long.".to_owned()) } else { Ok(()) }
}

/// The error for arguments that a function does not take.
fn takes(what: &str, values: &[Value]) -> String {
    let given: Vec<&str> = values.iter().map(kind_of).collect();
    let given =
        if given.is_empty() { "none".to_owned() } else { format!("'{}'", given.join(", ")) };
    format!("it takes {what}, and its arguments are {given}.")
}

/// A value as a string, as `string` and `concat` write it.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A count of characters or values, from a number.
fn count(value: &Value) -> Option<usize> {
    value.as_i64().and_then(|number| usize::try_from(number).ok())
}

#[cfg(test)]
mod tests;
