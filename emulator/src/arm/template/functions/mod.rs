//! The functions that only compute. What they take and give are JSON values.
//!
//! Called by the evaluator, with arguments that have their values. A problem is a sentence, to which the evaluator adds the
//! name of the function. Names come in lower case. What a function gives is bounded before it is made.

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

/// The longest text that a function makes.
const MAX_TEXT: usize = 4 << 20;

/// What a function gives, or what is wrong with its arguments, as a sentence.
type Given = Result<Value, String>;

/// The value of a function, or none if there is no such function.
pub(super) fn call(name: &str, values: &[Value], facts: &Facts) -> Option<Given> {
    text::call(name, values)
        .or_else(|| collections::call(name, values))
        .or_else(|| logic::call(name, values))
        .or_else(|| numbers::call(name, values))
        .or_else(|| encoding::call(name, values))
        .or_else(|| hash::call(name, values))
        .or_else(|| resources::call(name, values, facts))
}

/// Whether Azure has a function of this name that is not here.
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

/// The type of a value as Azure calls it.
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

/// About how much memory a value takes; none if objects and lists lie deeper in each other than this.
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

/// A text, if it is not too long. Asked with its length before it is made.
fn bounded(length: usize) -> Result<(), String> {
    if length > MAX_TEXT { Err("what it gives is too long.".to_owned()) } else { Ok(()) }
}

/// That the arguments are not such as it takes.
fn takes(what: &str, values: &[Value]) -> String {
    let given: Vec<&str> = values.iter().map(kind_of).collect();
    let given =
        if given.is_empty() { "none".to_owned() } else { format!("'{}'", given.join(", ")) };
    format!("it takes {what}, and its arguments are {given}.")
}

/// A value as text, as `string` and `concat` write it.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A place within a text or list, from a number of characters or values.
fn count(value: &Value) -> Option<usize> {
    value.as_i64().and_then(|number| usize::try_from(number).ok())
}

#[cfg(test)]
mod tests;
