//! What this registry makes of each property of Azure's API: it acts on it, refuses it, or takes it without effect.
//!
//! [`table`] is the one list. [`check`] refuses by it where a description of a registry is read: a registry that silently
//! lacks what it was asked to have is worse than none. `docs/differences.md` is rendered from it; a test compares both.

mod table;

use serde_json::Value;

pub(super) use self::table::{ADDED, PROPERTIES};
use super::refusal::Refusal;
use crate::arm::body::field;

/// A property, by its place in a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Property {
    path: &'static str,
    treatment: Treatment,
    /// What it does, what is reported, or what there is instead: plain sentences.
    words: &'static str,
}

/// What is made of a property.
#[derive(Clone, Copy, Debug)]
pub(super) enum Treatment {
    /// It does what it does in Azure.
    ActedOn,
    /// Only one value is accepted, and another is refused: [`check`] does that.
    Only {
        value: &'static str,
        /// What another value would ask for.
        feature: &'static str,
    },
    /// Other values are refused elsewhere: what the refusal says depends on the registry, or the property is another part's.
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

/// Refuses the first property that has another value than the one that is accepted. `body` describes a registry.
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

/// Whether a value is absent, or is the accepted one. A list has to be empty.
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
