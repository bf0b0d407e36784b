//! The input of the evaluator, by place and name, and why it stops without a value.

use serde_json::Value;

use super::error::ExpressionError;
use super::facts::Need;

/// Why an evaluation stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// A lookup is needed first.
    Needs(Need),
    /// The expression is invalid.
    Error(ExpressionError),
}

impl From<ExpressionError> for Halt {
    fn from(error: ExpressionError) -> Self {
        Self::Error(error)
    }
}

/// The place of an expression: not every function is allowed everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The default value of a parameter.
    Default,
    /// Everything that is known before the deployment starts.
    Static,
    /// The properties of a resource, and outputs.
    Running,
}

/// A named value that is not evaluated yet.
pub(super) enum Source<'a> {
    /// The value itself; nothing in it is evaluated.
    Given(&'a Value),
    /// An expression to evaluate at this place.
    Written(&'a Value, Place),
}

/// A resource of the template, as references find it.
pub(super) struct Declared<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) api_version: &'a str,
}
