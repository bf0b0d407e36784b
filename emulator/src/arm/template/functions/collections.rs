//! Functions of lists and objects, and of strings as lists of characters.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::values::{FunctionResult, bounded, count, written, wrong_arguments};

/// The maximum length of a list made by `range`, as in Azure.
const MAX_RANGE: i64 = 10_000;

pub(super) fn call(name: &str, values: &[Value]) -> Option<FunctionResult> {
    let given = match name {
        "concat" => concat(values),
        "createarray" => Ok(Value::Array(values.to_vec())),
        "createobject" => create_object(values),
        "array" => match values {
            [Value::Array(list)] => Ok(Value::Array(list.clone())),
            [value] => Ok(Value::Array(vec![value.clone()])),
            _ => Err(wrong_arguments("one value", values)),
        },
        "contains" => contains(values),
        "empty" => match values {
            [Value::Null] => Ok(Value::Bool(true)),
            [value] => length(value)
                .map(|length| Value::Bool(length == 0))
                .ok_or_else(|| wrong_arguments("a string, list or object", values)),
            _ => Err(wrong_arguments("one value", values)),
        },
        "length" => match values {
            [value] => length(value)
                .map(Value::from)
                .ok_or_else(|| wrong_arguments("a string, list or object", values)),
            _ => Err(wrong_arguments("one value", values)),
        },
        "first" => end(values, false),
        "last" => end(values, true),
        "take" => cut(values, |length, number| 0..number.min(length)),
        "skip" => cut(values, |length, number| number.min(length)..length),
        "indexof" => index_of(values, false),
        "lastindexof" => index_of(values, true),
        "union" => union(values),
        "intersection" => intersection(values),
        "range" => range(values),
        "items" => match values {
            [Value::Object(members)] => Ok(members
                .iter()
                .map(|(key, value)| {
                    Value::Object(Map::from_iter([
                        ("key".to_owned(), Value::from(key.as_str())),
                        ("value".to_owned(), value.clone()),
                    ]))
                })
                .collect()),
            _ => Err(wrong_arguments("an object", values)),
        },
        "objectkeys" => match values {
            [Value::Object(members)] => {
                Ok(members.keys().map(String::as_str).map(Value::from).collect())
            }
            _ => Err(wrong_arguments("an object", values)),
        },
        "flatten" => match values {
            [Value::Array(lists)] => Ok(lists
                .iter()
                .flat_map(|list| list.as_array().cloned().unwrap_or_else(|| vec![list.clone()]))
                .collect()),
            _ => Err(wrong_arguments("a list of lists", values)),
        },
        "tryget" => try_get(values),
        "coalesce" => match values {
            [] => Err(wrong_arguments("at least one value", values)),
            _ => Ok(values.iter().find(|value| !value.is_null()).cloned().unwrap_or_default()),
        },
        _ => return None,
    };
    Some(given)
}

/// Joins strings and numbers, or lists.
fn concat(values: &[Value]) -> FunctionResult {
    let lists: Option<Vec<&Vec<Value>>> = values.iter().map(Value::as_array).collect();
    match lists {
        _ if values.is_empty() => Err(wrong_arguments("at least one value", values)),
        Some(lists) => Ok(lists.into_iter().flatten().cloned().collect()),
        None if values.iter().any(|value| value.is_array() || value.is_object()) => {
            Err(wrong_arguments("strings, or lists", values))
        }
        None => {
            let parts: Vec<String> = values.iter().map(written).collect();
            bounded(parts.iter().map(String::len).sum())?;
            Ok(Value::String(parts.concat()))
        }
    }
}

fn create_object(values: &[Value]) -> FunctionResult {
    let wrong = || wrong_arguments("names and values in turn", values);
    let (pairs, rest) = values.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    let members = pairs
        .iter()
        .map(|[name, value]| Ok((name.as_str().ok_or_else(wrong)?.to_owned(), value.clone())));
    Ok(Value::Object(members.collect::<Result<_, String>>()?))
}

/// Letter case matters in strings and lists, but not in the keys of objects.
fn contains(values: &[Value]) -> FunctionResult {
    let found = match values {
        [Value::Array(list), value] => list.contains(value),
        [Value::Object(members), Value::String(key)] => {
            members.keys().any(|name| name.to_lowercase() == key.to_lowercase())
        }
        [Value::String(text), part @ (Value::String(_) | Value::Number(_))] => {
            text.contains(&written(part))
        }
        _ => {
            return Err(wrong_arguments(
                "a string, list or object, and a value to look for",
                values,
            ));
        }
    };
    Ok(Value::Bool(found))
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(values) => Some(values.len()),
        Value::Object(members) => Some(members.len()),
        _ => None,
    }
}

/// The first or last element of a list, or character of a string. An empty list gives null, an empty string itself.
fn end(values: &[Value], is_last: bool) -> FunctionResult {
    match values {
        [Value::Array(list)] => {
            let end = if is_last { list.last() } else { list.first() };
            Ok(end.cloned().unwrap_or_default())
        }
        [Value::String(text)] => {
            let end = if is_last { text.chars().next_back() } else { text.chars().next() };
            Ok(Value::String(end.map(String::from).unwrap_or_default()))
        }
        _ => Err(wrong_arguments("a string or a list", values)),
    }
}

/// Part of a list or string, by its length and a number. A negative number counts as zero.
fn cut(values: &[Value], part: impl Fn(usize, usize) -> std::ops::Range<usize>) -> FunctionResult {
    match values {
        [Value::Array(list), number] if number.is_i64() => {
            let part = part(list.len(), count(number).unwrap_or_default());
            Ok(Value::Array(list.get(part).unwrap_or_default().to_vec()))
        }
        [Value::String(text), number] if number.is_i64() => {
            let part = part(text.chars().count(), count(number).unwrap_or_default());
            Ok(Value::String(text.chars().skip(part.start).take(part.len()).collect()))
        }
        _ => Err(wrong_arguments("a string or list, and a number", values)),
    }
}

/// The index of a string or value, or -1. In strings letter case is ignored.
fn index_of(values: &[Value], is_last: bool) -> FunctionResult {
    let found = match values {
        [Value::String(text), Value::String(part)] => {
            let (text, part) = (text.to_lowercase(), part.to_lowercase());
            let at = if is_last { text.rfind(&part) } else { text.find(&part) };
            at.and_then(|at| text.get(..at)).map(|before| before.chars().count())
        }
        [Value::Array(list), value] if is_last => list.iter().rposition(|other| other == value),
        [Value::Array(list), value] => list.iter().position(|other| other == value),
        _ => return Err(wrong_arguments("two strings, or a list and a value", values)),
    };
    Ok(found.map_or(Value::from(-1), Value::from))
}

/// The elements of all lists, once each; or the merged objects, where later properties win and nested objects are
/// merged.
fn union(values: &[Value]) -> FunctionResult {
    match values {
        [Value::Array(_), ..] if values.iter().all(Value::is_array) => {
            let mut seen = HashSet::new();
            let listed = values.iter().filter_map(Value::as_array).flatten();
            Ok(listed.filter(|value| seen.insert(*value)).cloned().collect())
        }
        [Value::Object(first), rest @ ..] if values.iter().all(Value::is_object) => {
            let mut all = first.clone();
            rest.iter().filter_map(Value::as_object).for_each(|members| merge(&mut all, members));
            Ok(Value::Object(all))
        }
        _ => Err(wrong_arguments("lists, or objects", values)),
    }
}

fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

/// The elements in all lists, or the properties that all objects have with the same value.
fn intersection(values: &[Value]) -> FunctionResult {
    match values {
        [Value::Array(first), rest @ ..] if values.iter().all(Value::is_array) => {
            let lists = rest.iter().filter_map(Value::as_array);
            let rest: Vec<HashSet<&Value>> = lists.map(|list| list.iter().collect()).collect();
            let mut seen = HashSet::new();
            let once = first.iter().filter(|value| seen.insert(*value));
            let common = once.filter(|value| rest.iter().all(|list| list.contains(value)));
            Ok(common.cloned().collect())
        }
        [Value::Object(first), rest @ ..] if values.iter().all(Value::is_object) => {
            let is_common = |(key, value): &(&String, &Value)| {
                rest.iter().all(|members| members.get(key.as_str()) == Some(*value))
            };
            let common = first.iter().filter(is_common);
            Ok(Value::Object(common.map(|(key, value)| (key.clone(), value.clone())).collect()))
        }
        _ => Err(wrong_arguments("lists, or objects", values)),
    }
}

fn range(values: &[Value]) -> FunctionResult {
    let numbers: Option<Vec<i64>> = values.iter().map(Value::as_i64).collect();
    match numbers.as_deref() {
        Some([start, length]) if (0..=MAX_RANGE).contains(length) => {
            let end = start.checked_add(*length).ok_or("its numbers are too large.")?;
            Ok((*start..end).map(Value::from).collect())
        }
        _ => Err(wrong_arguments("a start, and a length up to 10000", values)),
    }
}

/// Follows properties and indexes into a value; null if one does not exist.
fn try_get(values: &[Value]) -> FunctionResult {
    let [value, keys @ ..] = values else {
        return Err(wrong_arguments("a value and keys", values));
    };
    let mut value = value;
    for key in keys {
        let part = match (value, key) {
            (Value::Object(members), Value::String(key)) => members
                .iter()
                .find(|(name, _)| name.to_lowercase() == key.to_lowercase())
                .map(|(_, value)| value),
            (Value::Array(list), key) => count(key).and_then(|at| list.get(at)),
            _ => None,
        };
        match part {
            Some(part) => value = part,
            None => return Ok(Value::Null),
        }
    }
    Ok(value.clone())
}
