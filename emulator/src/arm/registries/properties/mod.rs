//! How this registry treats each property of Azure's API: it acts on it, refuses it, or accepts it without effect.
//!
//! [`table`] is the only list. [`check`] refuses by it when a description of a registry is read: a registry that
//! silently lacks a requested feature is worse than an error. `docs/differences.md` is rendered from it; a test
//! compares both.

mod table;

use serde_json::Value;

pub(super) use self::table::{ADDED, PROPERTIES};
use super::refusal::Refusal;
use crate::arm::body::field;

/// A property, by its path in a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Property {
    path: &'static str,
    treatment: Treatment,
    /// Its effect, what it reports, or the alternative, as plain sentences.
    words: &'static str,
}

/// How a property is treated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Treatment {
    /// It has the same effect as in Azure.
    ActedOn,
    /// Only one value is accepted; [`check`] refuses any other.
    Only {
        value: &'static str,
        /// The feature that another value would request.
        feature: &'static str,
    },
    /// Other values are refused elsewhere, because the error depends on the registry or the property belongs to another
    /// part.
    RefusedElsewhere,
    /// It is accepted and changes nothing.
    Inert,
}

impl Property {
    const fn acted_on(path: &'static str, words: &'static str) -> Self {
        Self { path, treatment: Treatment::ActedOn, words }
    }

    const fn inert(path: &'static str, words: &'static str) -> Self {
        Self { path, treatment: Treatment::Inert, words }
    }

    const fn only(
        path: &'static str,
        value: &'static str,
        feature: &'static str,
        words: &'static str,
    ) -> Self {
        Self { path, treatment: Treatment::Only { value, feature }, words }
    }
}

/// Refuses the first property without the only accepted value. `body` describes a registry.
pub(super) fn check(body: &Value) -> Result<(), Refusal> {
    for property in PROPERTIES.iter().chain(ADDED) {
        let Treatment::Only { value: only, feature } = property.treatment else { continue };
        let value = property.path.split('.').fold(body, |value, name| field(value, name));
        if !is(value, only) {
            return Err(Refusal::Property {
                path: property.path,
                only,
                feature,
                instead: property.words,
            });
        }
    }
    Ok(())
}

/// Whether a value is absent or accepted. A list must be empty.
fn is(value: &Value, only: &str) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => flag.to_string() == only,
        Value::String(text) => text.eq_ignore_ascii_case(only),
        Value::Array(items) => items.is_empty() && only == "[]",
        Value::Number(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests;
