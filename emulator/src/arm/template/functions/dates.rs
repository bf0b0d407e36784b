//! `utcNow`, in the .NET formats that consist of digits.

use serde_json::Value;
use time::OffsetDateTime;

use super::values::{FunctionResult, wrong_arguments};

/// The time of the deployment, as `yyyyMMddTHHmmssZ` if no format is given.
pub(in super::super) fn utc_now(now: OffsetDateTime, values: &[Value]) -> FunctionResult {
    match values {
        [] => formatted(now, "yyyyMMddTHHmmssZ"),
        [Value::String(form)] => match form.as_str() {
            "d" => formatted(now, "MM/dd/yyyy"),
            "u" => formatted(now, "yyyy-MM-dd HH:mm:ssZ"),
            "s" => formatted(now, "yyyy-MM-ddTHH:mm:ss"),
            "o" | "O" => formatted(now, "yyyy-MM-ddTHH:mm:ss.fffffffZ"),
            form => formatted(now, form),
        },
        _ => Err(wrong_arguments("a format, or nothing", values)),
    }
}

fn formatted(now: OffsetDateTime, form: &str) -> FunctionResult {
    if form.len() > 100 {
        return Err("its format is too long.".to_owned());
    }
    let (mut text, mut rest) = (String::new(), form);
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| c != first).unwrap_or(rest.len());
        let (run, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let digits = match run {
            "yyyy" => format!("{:04}", now.year()),
            "MM" => format!("{:02}", u8::from(now.month())),
            "dd" => format!("{:02}", now.day()),
            "HH" => format!("{:02}", now.hour()),
            "mm" => format!("{:02}", now.minute()),
            "ss" => format!("{:02}", now.second()),
            "fff" => format!("{:03}", now.millisecond()),
            "fffffff" => format!("{:07}", now.nanosecond() / 100),
            _ if "TZ-:./_ ".contains(first) => run.to_owned(),
            _ => return Err(format!("'{run}' in its format is not supported by this emulator.")),
        };
        text.push_str(&digits);
        rest = after;
    }
    Ok(Value::String(text))
}
