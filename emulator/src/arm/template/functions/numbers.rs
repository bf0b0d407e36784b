//! Functions of integers.

use serde_json::Value;

use super::values::{FunctionResult, wrong_arguments};

pub(super) fn call(name: &str, values: &[Value]) -> Option<FunctionResult> {
    let given = match name {
        "add" => two(values, i64::checked_add),
        "sub" => two(values, i64::checked_sub),
        "mul" => two(values, i64::checked_mul),
        "div" => two(values, i64::checked_div),
        "mod" => two(values, i64::checked_rem),
        "min" => many(values, |numbers| numbers.iter().min().copied()),
        "max" => many(values, |numbers| numbers.iter().max().copied()),
        "int" => match values {
            [value] => whole(value)
                .map(Value::from)
                .ok_or_else(|| wrong_arguments("a number, or a number as a string", values)),
            _ => Err(wrong_arguments("one value", values)),
        },
        _ => return None,
    };
    Some(given)
}

fn two(values: &[Value], compute: impl Fn(i64, i64) -> Option<i64>) -> FunctionResult {
    let numbers: Option<Vec<i64>> = values.iter().map(Value::as_i64).collect();
    let Some([left, right]) = numbers.as_deref() else {
        return Err(wrong_arguments("two whole numbers", values));
    };
    let number = compute(*left, *right).map(Value::from);
    number.ok_or_else(|| format!("{left} and {right} have no result."))
}

/// Of several numbers, or of one list of numbers.
fn many(values: &[Value], choose: impl Fn(&[i64]) -> Option<i64>) -> FunctionResult {
    let listed = match values {
        [Value::Array(list)] => list,
        _ => values,
    };
    let numbers: Option<Vec<i64>> = listed.iter().map(Value::as_i64).collect();
    let chosen = numbers.and_then(|numbers| choose(&numbers));
    chosen.map(Value::from).ok_or_else(|| wrong_arguments("whole numbers", values))
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_i64(),
        _ => None,
    }
}
