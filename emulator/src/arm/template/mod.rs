//! Reads templates and evaluates them before anything is deployed.
//!
//! Called by the deployments. [`read`] parses the lax text that clients send. [`Plan::of`] turns a template and its
//! parameters into resources in their order; then each resource gets a body, and the template its outputs. All of it is
//! pure and synchronous: this module makes no requests. If an expression needs a resource's properties, the evaluation
//! ends with a [`Need`]; the caller looks it up and evaluates again.
//!
//! Every evaluation ends, in bounded memory, with a value or an error. Loops, nested and linked templates, user-defined
//! functions and symbolic names are refused by name.

mod document;
mod error;
mod evaluator;
mod expression;
mod facts;
mod functions;
mod ids;
mod names;
mod order;
mod parameters;
mod part;
mod plan;
mod references;
mod resource;
mod source;
mod text;

pub use self::error::{ExpressionError, TemplateError};
pub use self::expression::{Expression, Text};
pub use self::facts::{Facts, Known, Need};
pub use self::plan::Plan;
pub use self::resource::{Resource, Unready};
pub use self::text::{MAX_DEPTH, TextError, read};

#[cfg(test)]
mod tests;
