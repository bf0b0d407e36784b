//! Templates: what the text of one comes to, before anything is asked of anybody.
//!
//! Called by the deployments. [`read`] takes the lax text that clients send, [`Plan::of`] makes of a template and its
//! parameters the resources in their order; then each has a body, and the whole has outputs. All of it is pure and
//! synchronous: no request is made here. What an expression needs to know of a resource is told as a [`Need`], looked up by
//! the caller, and the evaluation is begun again.
//!
//! Whatever is read, it ends, in bounded memory, with a value or a refusal. Loops, nested and linked templates, functions
//! of the template's own and symbolic names are refused with their name.

mod document;
mod error;
mod evaluator;
mod expression;
mod facts;
mod functions;
mod ids;
mod order;
mod parameters;
mod plan;
mod text;

pub use self::error::{ExpressionError, TemplateError};
pub use self::expression::{Expression, Text};
pub use self::facts::{Facts, Known, Need};
pub use self::plan::{Plan, Resource, Unready};
pub use self::text::{MAX_DEPTH, TextError, read};

#[cfg(test)]
mod tests;
