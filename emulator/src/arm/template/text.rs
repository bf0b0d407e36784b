//! Parses the lax text of a deployment: JSON as Azure's own parser accepts it.
//!
//! `az` copies the text of a template file unchanged into its request, under a key without quotes. So the text may have
//! comments, line breaks inside strings, strings in single quotes and trailing commas. The same parser reads plain
//! JSON. It returns a plain value, nested at most [`MAX_DEPTH`] deep.

use jsonc_parser::{ParseOptions, parse_to_serde_value};
use serde_json::Value;
use thiserror::Error;

/// The maximum nesting depth of objects and lists.
pub const MAX_DEPTH: usize = 100;

/// The maximum number of values in a text. Parsing a few values per byte would take hundreds of times the text's size.
const MAX_VALUES: usize = 250_000;

/// Why a text cannot be parsed.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextError {
    /// It is not JSON, not even in Azure's lax form.
    #[error("{0}")]
    Syntax(String),
    /// It is nested too deeply.
    #[error("objects and lists are nested more than {MAX_DEPTH} levels deep")]
    Depth,
    /// It has too many values.
    #[error("it has more than {MAX_VALUES} values")]
    Values,
    /// It is empty.
    #[error("it is empty")]
    Empty,
}

/// Parses a lax text.
pub fn read(text: &str) -> Result<Value, TextError> {
    let (depth, values) = extent(text);
    if depth > MAX_DEPTH {
        return Err(TextError::Depth);
    }
    if values > MAX_VALUES {
        return Err(TextError::Values);
    }
    let options = ParseOptions {
        allow_comments: true,
        allow_loose_object_property_names: true,
        allow_trailing_commas: true,
        allow_missing_commas: false,
        allow_single_quoted_strings: true,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let read: Option<Value> = parse_to_serde_value(text.trim_start_matches('\u{feff}'), &options)
        .map_err(|error| TextError::Syntax(error.to_string()))?;
    read.ok_or(TextError::Empty)
}

/// The nesting depth and the maximum number of values, ignoring strings and comments. The counts of invalid JSON may be
/// wrong; the parser refuses it later.
fn extent(text: &str) -> (usize, usize) {
    let (mut depth, mut deepest, mut values) = (0_usize, 0, 1_usize);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                values += 1;
            }
            b',' => values += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' | b'\'' => {
                while let Some(inner) = bytes.next() {
                    match inner {
                        b'\\' => drop(bytes.next()),
                        _ if inner == byte => break,
                        _ => {}
                    }
                }
            }
            b'/' if bytes.peek() == Some(&b'/') => {
                let _ = bytes.find(|byte| matches!(byte, b'\n' | b'\r'));
            }
            b'/' if bytes.peek() == Some(&b'*') => {
                bytes.next();
                while let Some(inner) = bytes.next() {
                    if inner == b'*' && bytes.peek() == Some(&b'/') {
                        bytes.next();
                        break;
                    }
                }
            }
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    (deepest, values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_body_that_az_makes_of_a_template_file_is_read() {
        let text = "{\"properties\": {\"parameters\": {\"a\": {\"value\": 1}}, \"mode\": \"Incremental\", template:{\n\
                    // what is it? {[\n\
                    \"$schema\": \"https://x/y#\", /* {{{ \" */\n\
                    \"resources\": [\n{ 'name': \"[concat(\n   'a',\n   'b')]\", },\n],\n}}}";

        let read = read(text).unwrap();

        assert_eq!(
            read,
            json!({"properties": {
                "parameters": {"a": {"value": 1}},
                "mode": "Incremental",
                "template": {
                    "$schema": "https://x/y#",
                    "resources": [{"name": "[concat(\n   'a',\n   'b')]"}],
                },
            }})
        );
    }

    #[test]
    fn texts_may_have_any_character_by_its_number() {
        let text = r#"{"a": "\u00e9 \ud83d\ude00 \/ \" \\ \b\f\n\r\t", 'b': 'it\'s'}"#;

        assert_eq!(read(text), Ok(json!({"a": "é 😀 / \" \\ \u{8}\u{c}\n\r\t", "b": "it's"})));
    }

    #[test]
    fn invalid_json_is_refused_with_its_line() {
        for (text, place) in [
            ("{\n  \"a\": }", "line 2"),
            ("{\"a\": 1 \"b\": 2}", "line 1"),
            ("{\"a\": \"x", "line 1"),
            ("{} {}", "line 1"),
            ("{/* }", "line 1"),
            ("[1", "line 1"),
        ] {
            let Err(TextError::Syntax(message)) = read(text) else { panic!("{text}") };
            assert!(message.contains(place), "{text}: {message}");
        }
        assert_eq!(read(" // nothing"), Err(TextError::Empty));
    }

    #[test]
    fn deep_nesting_is_refused_before_parsing_and_strings_do_not_count() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));

        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(TextError::Depth));
        assert_eq!(read(&"{a:".repeat(100_000)), Err(TextError::Depth));
        assert!(read(&format!("[\"{}\", '\\'{}']", "[".repeat(500), "[".repeat(500))).is_ok());
        assert!(read(&format!("// {}\n/* {} */ 1", "[".repeat(500), "[".repeat(500))).is_ok());
    }

    #[test]
    fn too_many_values_are_refused_before_parsing_and_strings_do_not_count() {
        // The list counts as a value, and so does each value in it after the first.
        let list = |values: usize| format!("[{}1]", "1,".repeat(values - 1));

        assert!(read(&list(MAX_VALUES - 1)).is_ok());
        assert_eq!(read(&list(MAX_VALUES)), Err(TextError::Values));
        assert_eq!(read(&format!("[{}[]]", "[],".repeat(MAX_VALUES))), Err(TextError::Values));
        assert!(read(&format!("['{}']", ",".repeat(MAX_VALUES))).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([\\{\\}\\[\\]\"'/\\*,:\\\\\na1 .]|\\PC){0,80}") {
            let _ = read(&text);
        }

        #[test]
        fn plain_json_is_read_unchanged(texts in prop::collection::vec("\\PC{0,20}", 0..8), number: i64) {
            let value = json!({"texts": texts, "deep": {"number": number, "none": null, "yes": [true, 1.5]}});

            prop_assert_eq!(read(&value.to_string()), Ok(value));
        }
    }
}
