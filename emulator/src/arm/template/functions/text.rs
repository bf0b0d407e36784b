//! Functions of strings. Lengths and indexes count characters.

use serde_json::Value;

use super::values::{FunctionResult, bounded, count, written, wrong_arguments};

/// Roughly the memory that a part of a string takes.
const PART: usize = 64;

pub(super) fn call(name: &str, values: &[Value]) -> Option<FunctionResult> {
    let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
    let texts = texts.unwrap_or_default();
    let given = match (name, values) {
        ("tolower", _) => one(&texts, values, str::to_lowercase),
        ("toupper", _) => one(&texts, values, str::to_uppercase),
        ("trim", _) => one(&texts, values, |text| text.trim().to_owned()),
        ("format", _) => format(values),
        ("replace", _) => replace(&texts, values),
        ("split", _) => split(values),
        ("join", _) => join(values),
        ("substring", _) => substring(values),
        ("padleft", _) => pad_left(values),
        ("startswith", _) => two(&texts, values, |text, start| {
            text.to_lowercase().starts_with(&start.to_lowercase())
        }),
        ("endswith", _) => {
            two(&texts, values, |text, end| text.to_lowercase().ends_with(&end.to_lowercase()))
        }
        ("string", [value]) => Ok(Value::String(written(value))),
        ("string", _) => Err(wrong_arguments("one value", values)),
        _ => return None,
    };
    Some(given)
}

fn one(texts: &[&str], values: &[Value], make: impl Fn(&str) -> String) -> FunctionResult {
    match texts {
        [text] => Ok(Value::String(make(text))),
        _ => Err(wrong_arguments("one string", values)),
    }
}

fn two(texts: &[&str], values: &[Value], ask: impl Fn(&str, &str) -> bool) -> FunctionResult {
    match texts {
        [text, part] => Ok(Value::Bool(ask(text, part))),
        _ => Err(wrong_arguments("two strings", values)),
    }
}

/// `format('{0} of {1}', …)`. Of Azure's placeholders, only plain numbers are supported.
fn format(values: &[Value]) -> FunctionResult {
    let [Value::String(form), arguments @ ..] = values else {
        return Err(wrong_arguments("a string and values", values));
    };
    let (mut made, mut rest) = (String::new(), form.as_str());
    while let Some(at) = rest.find(['{', '}']) {
        made.push_str(rest.get(..at).unwrap_or_default());
        let found = rest.get(at..).unwrap_or_default();
        if let Some(after) = found.strip_prefix("{{") {
            made.push('{');
            rest = after;
        } else if let Some(after) = found.strip_prefix("}}") {
            made.push('}');
            rest = after;
        } else {
            let place = found.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (place, after) = place.ok_or("the braces of its text do not match.")?;
            let number: usize = place.parse().map_err(|_| {
                format!("'{{{place}}}' in its text is not supported by this emulator.")
            })?;
            let value = arguments
                .get(number)
                .ok_or_else(|| format!("its text asks for value {number}, which is not given."))?;
            let value = written(value);
            bounded(made.len() + value.len() + after.len())?;
            made.push_str(&value);
            rest = after;
        }
    }
    made.push_str(rest);
    Ok(Value::String(made))
}

fn replace(texts: &[&str], values: &[Value]) -> FunctionResult {
    let [text, old, new] = texts else { return Err(wrong_arguments("three strings", values)) };
    if old.is_empty() {
        return Err("its text to replace is empty.".to_owned());
    }
    let grows = new.len().saturating_sub(old.len());
    bounded(text.len().saturating_add(text.matches(old).count().saturating_mul(grows)))?;
    Ok(Value::String(text.replace(old, new)))
}

/// `split(text, delimiter)`, or a list of delimiters.
fn split(values: &[Value]) -> FunctionResult {
    let wrong = || wrong_arguments("a string, and a string or a list of strings", values);
    let [Value::String(text), delimiters] = values else { return Err(wrong()) };
    let delimiters: Vec<&str> = match delimiters {
        Value::String(delimiter) => vec![delimiter],
        Value::Array(delimiters) => {
            delimiters.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    let mut parts = vec![text.as_str()];
    for delimiter in delimiters.into_iter().filter(|delimiter| !delimiter.is_empty()) {
        parts = parts.into_iter().flat_map(|part| part.split(delimiter)).collect();
        bounded(parts.len().saturating_mul(PART))?;
    }
    Ok(parts.into_iter().map(Value::from).collect())
}

fn join(values: &[Value]) -> FunctionResult {
    let [Value::Array(parts), Value::String(delimiter)] = values else {
        return Err(wrong_arguments("a list and a string", values));
    };
    let parts: Vec<String> = parts.iter().map(written).collect();
    let length: usize = parts.iter().map(String::len).sum();
    bounded(length.saturating_add(delimiter.len().saturating_mul(parts.len())))?;
    Ok(Value::String(parts.join(delimiter)))
}

fn substring(values: &[Value]) -> FunctionResult {
    let (text, start, length) = match values {
        [Value::String(text), start] => (text, count(start), Some(None)),
        [Value::String(text), start, length] => (text, count(start), count(length).map(Some)),
        _ => return Err(wrong_arguments("a string, a start and a length", values)),
    };
    let outside = "start and length must lie within its text.";
    let (start, length) = start.zip(length).ok_or(outside)?;
    let available = text.chars().count().checked_sub(start).ok_or(outside)?;
    let length = length.unwrap_or(available);
    if length > available {
        return Err(outside.to_owned());
    }
    Ok(Value::String(text.chars().skip(start).take(length).collect()))
}

fn pad_left(values: &[Value]) -> FunctionResult {
    let wrong =
        || wrong_arguments("a string or a number, a length up to 16 and one character", values);
    let (value, length, filler) = match values {
        [value @ (Value::String(_) | Value::Number(_)), length] => (value, length, ' '),
        [value @ (Value::String(_) | Value::Number(_)), length, Value::String(filler)] => {
            let mut characters = filler.chars();
            let filler = characters.next().filter(|_| characters.next().is_none());
            (value, length, filler.ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    };
    let length = count(length).filter(|length| *length <= 16).ok_or_else(wrong)?;
    let text = written(value);
    let missing = length.saturating_sub(text.chars().count());
    Ok(Value::String(std::iter::repeat_n(filler, missing).chain(text.chars()).collect()))
}
