//! Functions that encode and decode strings: JSON, base 64, URI components.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use super::values::{FunctionResult, bounded, wrong_arguments};
use crate::arm::template::text;

/// The characters that are not escaped in a URI component.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(super) fn call(name: &str, values: &[Value]) -> Option<FunctionResult> {
    let make: fn(&str) -> FunctionResult = match name {
        "json" => {
            |text| text::read(text).map_err(|error| format!("its text is not valid JSON: {error}."))
        }
        "base64" => |text| {
            bounded(text.len().saturating_mul(2))?;
            Ok(Value::String(STANDARD.encode(text)))
        },
        "base64tostring" => |text| decoded(text).map(Value::String),
        "base64tojson" => |text| {
            let text = decoded(text)?;
            text::read(&text).map_err(|error| format!("its text is not valid JSON: {error}."))
        },
        "uricomponent" => |text| {
            bounded(text.len().saturating_mul(3))?;
            Ok(Value::String(utf8_percent_encode(text, COMPONENT).to_string()))
        },
        "uricomponenttostring" => |text| {
            let decoded = percent_decode_str(text).decode_utf8();
            let decoded = decoded.map_err(|_| "its text is not UTF-8.".to_owned())?;
            Ok(Value::String(decoded.into_owned()))
        },
        _ => return None,
    };
    Some(match values {
        [Value::String(text)] => make(text),
        _ => Err(wrong_arguments("one string", values)),
    })
}

fn decoded(text: &str) -> Result<String, String> {
    let bytes = STANDARD.decode(text).map_err(|_| "its text is not base 64.".to_owned())?;
    String::from_utf8(bytes).map_err(|_| "its text is not UTF-8.".to_owned())
}
