//! The input of the evaluator: named values, resources, and when each is evaluated.

use serde_json::Value;

/// When an expression is evaluated. Not every function is allowed in every phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The default value of a parameter.
    ParameterDefault,
    /// Everything that is known before the deployment starts.
    Planning,
    /// The properties of a resource, and outputs.
    Deployment,
}

/// A named value of a template.
pub(super) enum Source<'a> {
    /// The value itself; nothing in it is evaluated.
    Value(&'a Value),
    /// An expression to evaluate in this phase.
    Expression(&'a Value, Phase),
}

/// A resource of the template, as references find it.
pub(super) struct DeclaredResource<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) api_version: &'a str,
}
