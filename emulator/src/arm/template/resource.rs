//! A resource of a planned template: its names, which are known at once, and its body, which may need lookups.

use serde_json::{Map, Value};

use super::error::{ExpressionError, TemplateError};
use super::evaluation_error::{EvalError, PlanError};
use super::evaluator::Evaluator;
use super::functions::kind_of;
use super::ids::id_under;
use super::scope::DeploymentScope;
use super::source::Phase;

/// The members of a resource that only the deployment uses; its provider does not get them.
const NOT_IN_BODY: &[&str] = &[
    "condition",
    "type",
    "apiversion",
    "name",
    "comments",
    "dependson",
    "copy",
    "scope",
    "resources",
    "metadata",
    "asserts",
];

/// A resource of a template.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Resource {
    /// Its id, which is also the path of its request.
    pub id: String,
    /// Its type with the namespace.
    pub kind: String,
    /// Its name; a child's name begins with the names of its parents.
    pub name: String,
    /// The API version of its provider.
    pub api_version: String,
    /// Whether its condition holds.
    pub is_included: bool,
    /// The indexes in the plan of the resources it depends on.
    pub after: Vec<usize>,
    pub(super) written: Map<String, Value>,
}

impl Resource {
    /// A resource of this type that depends on these indexes.
    #[cfg(test)]
    pub(in crate::arm) fn for_kind(kind: &str, after: &[usize]) -> Self {
        Self {
            id: String::new(),
            kind: kind.to_owned(),
            name: String::new(),
            api_version: String::new(),
            is_included: true,
            after: after.to_vec(),
            written: Map::new(),
        }
    }

    /// Its location, if it is a plain string.
    pub fn location(&self) -> Option<&str> {
        self.written.get("location").and_then(Value::as_str)
    }
}

/// The body of a resource's request to its provider.
pub(super) fn body_of(resource: &Resource, evaluator: &Evaluator<'_>) -> Result<Value, PlanError> {
    let mut body = Map::new();
    for (member, written) in &resource.written {
        if NOT_IN_BODY.contains(&member.to_lowercase().as_str()) {
            continue;
        }
        let phase = if member == "properties" { Phase::Deployment } else { Phase::Planning };
        let value = evaluator.value(written, phase).map_err(|error| match error {
            EvalError::NeedsLookup(lookup) => PlanError::NeedsLookup(lookup),
            EvalError::Invalid(error) => {
                PlanError::Invalid(TemplateError::InResource { id: resource.id.clone(), error })
            }
        })?;
        if !value.is_null() {
            body.insert(member.clone(), value);
        }
    }
    Ok(Value::Object(body))
}

/// The error for an invalid expression in the name of a resource.
pub(super) fn name_error(name: &str, error: EvalError) -> TemplateError {
    let error = match error {
        EvalError::Invalid(error) => error,
        // Functions that look something up are refused here.
        EvalError::NeedsLookup(_) => ExpressionError::NotAllowedHere("reference".to_owned()),
    };
    TemplateError::InName { name: name.to_owned(), error }
}

/// A resource with its names and its id, from the template. `parent` is the resource that it is written in.
pub(super) fn resource(
    evaluator: &Evaluator<'_>,
    scope: &DeploymentScope,
    written: Map<String, Value>,
    parent: Option<&Resource>,
) -> Result<Resource, TemplateError> {
    let as_written = written.get("name").and_then(Value::as_str).unwrap_or_default();
    let value = |member: &str| {
        let written = written.get(member).unwrap_or(&Value::Null);
        evaluator.value(written, Phase::Planning).map_err(|error| name_error(as_written, error))
    };
    let text = |member: &str| match value(member)? {
        Value::String(text) if !text.is_empty() => Ok(text),
        other => Err(TemplateError::Content(format!(
            "The '{member}' of the template resource '{as_written}' must be a string, and is of type '{}'",
            kind_of(&other)
        ))),
    };
    let (mut kind, mut name, api_version) = (text("type")?, text("name")?, text("apiVersion")?);
    if let Some(parent) = parent {
        kind = format!("{}/{kind}", parent.kind);
        name = format!("{}/{name}", parent.name);
    }
    let is_included = match value("condition")? {
        Value::Null => true,
        Value::Bool(holds) => holds,
        other => {
            return Err(TemplateError::Content(format!(
                "The 'condition' of the template resource '{name}' must be of type 'Boolean', and is of type '{}'",
                kind_of(&other)
            )));
        }
    };
    let group =
        format!("/subscriptions/{}/resourceGroups/{}", scope.subscription_id, scope.group_name);
    let resource_scope = match value("scope")? {
        Value::Null => group,
        Value::String(scope) if scope.starts_with('/') => scope,
        Value::String(scope) => format!("{group}/providers/{scope}"),
        _ => {
            return Err(TemplateError::Content(format!(
                "The 'scope' of the template resource '{name}' must be of type 'String'"
            )));
        }
    };
    let names: Vec<&str> = name.split('/').collect();
    let Some(id) = id_under(&resource_scope, &kind, &names) else {
        return Err(TemplateError::Segments { name, kind });
    };
    Ok(Resource { id, kind, name, api_version, is_included, after: Vec::new(), written })
}
