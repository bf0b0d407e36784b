//! Functions that compare and decide. `if` is in the evaluator.

use std::cmp::Ordering;

use serde_json::Value;

use super::values::{FunctionResult, wrong_arguments};

pub(super) fn call(name: &str, values: &[Value]) -> Option<FunctionResult> {
    let given = match (name, values) {
        ("true", []) => Ok(Value::Bool(true)),
        ("false", []) => Ok(Value::Bool(false)),
        ("null", []) => Ok(Value::Null),
        ("true" | "false" | "null", _) => Err(wrong_arguments("no arguments", values)),
        ("and", _) => all(values).map(|all| Value::Bool(all.iter().all(|is| *is))),
        ("or", _) => all(values).map(|all| Value::Bool(all.iter().any(|is| *is))),
        ("not", [Value::Bool(is)]) => Ok(Value::Bool(!is)),
        ("not", _) => Err(wrong_arguments("one value of type 'Boolean'", values)),
        ("equals", [left, right]) => Ok(Value::Bool(is_equal(left, right))),
        ("equals", _) => Err(wrong_arguments("two values", values)),
        ("less", _) => order(values, Ordering::is_lt),
        ("lessorequals", _) => order(values, Ordering::is_le),
        ("greater", _) => order(values, Ordering::is_gt),
        ("greaterorequals", _) => order(values, Ordering::is_ge),
        ("bool", [value]) => {
            boolean(value).ok_or_else(|| wrong_arguments("'true', 'false', 1 or 0", values))
        }
        ("bool", _) => Err(wrong_arguments("one value", values)),
        _ => return None,
    };
    Some(given)
}

fn all(values: &[Value]) -> Result<Vec<bool>, String> {
    let all: Option<Vec<bool>> = values.iter().map(Value::as_bool).collect();
    let wrong = || wrong_arguments("at least two values of type 'Boolean'", values);
    all.filter(|all| all.len() >= 2).ok_or_else(wrong)
}

/// `1` and `1.0` are equal; `'1'` is different.
fn is_equal(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left.total_cmp(&right).is_eq(),
        _ => left == right,
    }
}

fn order(values: &[Value], holds: impl Fn(Ordering) -> bool) -> FunctionResult {
    let ordering = match values {
        [Value::String(left), Value::String(right)] => left.cmp(right),
        [Value::Number(left), Value::Number(right)] => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.as_f64().unwrap_or_default().total_cmp(&right.as_f64().unwrap_or_default()),
        },
        _ => return Err(wrong_arguments("two numbers, or two strings", values)),
    };
    Ok(Value::Bool(holds(ordering)))
}

fn boolean(value: &Value) -> Option<Value> {
    let is = match value {
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_i64()? != 0,
        Value::String(text) if text.eq_ignore_ascii_case("true") => true,
        Value::String(text) if text.eq_ignore_ascii_case("false") => false,
        _ => return None,
    };
    Some(Value::Bool(is))
}
