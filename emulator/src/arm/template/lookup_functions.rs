//! The functions that need the state of a resource: `reference` and the `list…` functions.
//!
//! Called by the evaluator. They are allowed only in the phase of the deployment itself, when resources exist.

use serde_json::{Map, Value};

use super::error::ExpressionError;
use super::evaluation_error::EvalError;
use super::evaluator::Evaluator;
use super::ids;
use super::lookup::Lookup;
use super::source::Phase;

impl Evaluator<'_> {
    /// `reference(nameOrId, [version], ['Full'])`.
    pub(super) fn reference(&self, name: &str, values: &[Value]) -> Result<Value, EvalError> {
        if self.phase.get() != Phase::Deployment {
            return Err(ExpressionError::NotAllowedHere(name.to_owned()).into());
        }
        let texts = texts(name, values)?;
        let (named, version, form) = match texts.as_slice() {
            [named] => (*named, None, None),
            [named, version] => (*named, Some(*version), None),
            [named, version, form] => (*named, Some(*version), Some(*form)),
            _ => {
                return Err(wrong_arguments(
                    name,
                    "it takes a name or an id, a version and 'Full'.",
                ));
            }
        };
        let is_full = form.is_some_and(|form| form.eq_ignore_ascii_case("full"));
        if form.is_some() && !is_full {
            return Err(wrong_arguments(name, "its third argument can only be 'Full'."));
        }
        let (id, api_version) = self.resolve_reference(named, version)?;
        let lookup = Lookup::Resource { id: id.clone(), api_version: api_version.clone() };
        let document = self.look_up(lookup)?;
        if !is_full {
            return Ok(document
                .get("properties")
                .cloned()
                .unwrap_or_else(|| Value::Object(Map::new())));
        }
        let mut full = document.as_object().cloned().unwrap_or_default();
        full.insert("apiVersion".to_owned(), api_version.into());
        full.insert("resourceId".to_owned(), id.clone().into());
        if let Some(group) = ids::group_of(&id) {
            full.insert("resourceGroupName".to_owned(), group.into());
        }
        if let Some(subscription) = ids::subscription_of(&id) {
            full.insert("subscriptionId".to_owned(), subscription.into());
        }
        Ok(Value::Object(full))
    }

    /// `listCredentials(nameOrId, version, [body])`, and others like it.
    pub(super) fn list(&self, name: &str, values: &[Value]) -> Result<Value, EvalError> {
        if self.phase.get() != Phase::Deployment {
            return Err(ExpressionError::NotAllowedHere(name.to_owned()).into());
        }
        let (named, version, body) = match values {
            [Value::String(named), Value::String(version)] => (named, version, None),
            [Value::String(named), Value::String(version), body] => (named, version, Some(body)),
            _ => {
                return Err(wrong_arguments(
                    name,
                    "it takes a name or an id, a version and a body.",
                ));
            }
        };
        let (id, api_version) = self.resolve_reference(named, Some(version))?;
        let body = body.filter(|body| !body.is_null()).map(Value::to_string);
        self.look_up(Lookup::List { id, function: name.to_owned(), api_version, body })
    }

    /// The id and API version of a referenced resource, by its name in the template or its id.
    fn resolve_reference(
        &self,
        named: &str,
        version: Option<&str>,
    ) -> Result<(String, String), EvalError> {
        let is_id = named.starts_with('/');
        let declared = self
            .resources
            .iter()
            .find(|declared| ids::same(if is_id { declared.id } else { declared.name }, named));
        match (declared, version) {
            (Some(declared), version) => {
                let version = version.unwrap_or(declared.api_version);
                Ok((declared.id.to_owned(), version.to_owned()))
            }
            (None, Some(version)) if is_id => Ok((named.to_owned(), version.to_owned())),
            (None, None) if is_id => Err(ExpressionError::NoApiVersion(named.to_owned()).into()),
            (None, _) => Err(ExpressionError::UnknownReference(named.to_owned()).into()),
        }
    }

    fn look_up(&self, lookup: Lookup) -> Result<Value, EvalError> {
        match self.lookups.and_then(|lookups| lookups.get(&lookup)) {
            Some(value) => Ok(value.clone()),
            None => Err(EvalError::NeedsLookup(lookup)),
        }
    }
}

fn wrong_arguments(function: &str, problem: &str) -> EvalError {
    let (function, problem) = (function.to_owned(), problem.to_owned());
    ExpressionError::Arguments { function, problem }.into()
}

fn texts<'v>(function: &str, values: &'v [Value]) -> Result<Vec<&'v str>, EvalError> {
    let texts = values.iter().map(|value| {
        value
            .as_str()
            .ok_or_else(|| wrong_arguments(function, "its arguments must be of type 'String'."))
    });
    texts.collect()
}
