//! Why an evaluation ends without a value: it needs a lookup first, or the template is invalid.

use super::error::{ExpressionError, TemplateError};
use super::lookup::Lookup;

/// Why an expression has no value yet, or never has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EvalError {
    /// A lookup is needed first.
    NeedsLookup(Lookup),
    /// The expression is invalid.
    Invalid(ExpressionError),
}

impl From<ExpressionError> for EvalError {
    fn from(error: ExpressionError) -> Self {
        Self::Invalid(error)
    }
}

/// Why a body or the outputs of a plan are not available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// A lookup is needed. After it, the caller can try again.
    NeedsLookup(Lookup),
    /// The template is invalid.
    Invalid(TemplateError),
}
