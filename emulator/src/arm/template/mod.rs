//! Reads templates and evaluates them before anything is deployed.
//!
//! Called by the deployments. [`read`] parses the lax text that clients send. [`Plan::new`] turns a template and its
//! parameters into resources in their order; then each resource gets a body, and the template its outputs. All of it is
//! pure and synchronous: this module makes no requests. If an expression needs a resource's properties, the evaluation
//! ends with a [`Lookup`]; the caller looks it up and evaluates again.
//!
//! Every evaluation ends, in bounded memory, with a value or an error. Loops, nested and linked templates, user-defined
//! functions and symbolic names are refused by name.

mod access;
mod document;
mod error;
mod evaluation_error;
mod evaluator;
mod expression;
mod functions;
mod ids;
mod lookup;
mod lookup_functions;
mod order;
mod parameters;
mod plan;
mod references;
mod resource;
mod resource_index;
mod scope;
mod source;
mod text;

pub use self::error::TemplateError;
pub use self::evaluation_error::PlanError;
pub use self::lookup::{Lookup, LookupResults};
pub use self::plan::Plan;
pub use self::resource::Resource;
pub use self::scope::DeploymentScope;
pub use self::text::{TextError, read};

#[cfg(test)]
mod tests;
#[cfg(feature = "internals")]
pub use self::expression::Text;
