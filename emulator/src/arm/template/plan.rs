//! A planned template: its resources in order, each with a body, and its outputs.
//!
//! Deployments make a plan before they send any request. The plan checks everything that can be known then: parameters,
//! names, conditions, dependencies. Bodies and outputs may need properties of resources and then return a [`Lookup`](super::Lookup).

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value, json};

use super::document::{Document, MAX_DEPENDENCIES, Written};
use super::error::{ExpressionError, TemplateError};
use super::evaluation_error::{EvalError, PlanError};
use super::evaluator::Evaluator;
use super::functions::kind_of;
use super::ids::normalized;
use super::lookup::LookupResults;
use super::order::{cycle_error, order};
use super::parameters::{self, Parameter};
use super::references::references;
use super::resource::{Resource, body_of, name_error, resource};
use super::resource_index::ResourceIndex;
use super::scope::DeploymentScope;
use super::source::{DeclaredResource, Phase, Source};

/// The maximum size, in bytes, of everything evaluated for one template, over all resources and repeated evaluations.
const MAX_EVALUATED: usize = 256 << 20;

/// A template that can be deployed.
pub struct Plan {
    scope: DeploymentScope,
    variables: Map<String, Value>,
    outputs: Map<String, Value>,
    parameters: Vec<Parameter>,
    resources: Vec<Resource>,
    /// The size of everything evaluated so far.
    evaluated: AtomicUsize,
}

impl std::fmt::Debug for Plan {
    /// Leaves out parameters, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("resources", &self.resources).finish_non_exhaustive()
    }
}

impl Plan {
    /// Plans a template with these parameter values. `given` is `{"name": {"value": …}}`.
    pub fn new(
        template: &Value,
        given: &Map<String, Value>,
        scope: DeploymentScope,
    ) -> Result<Self, TemplateError> {
        let document = Document::parse(template)?;
        let parameters = parameters::resolve(&document.parameters, given, &scope)?;
        let mut plan = Self {
            scope,
            variables: document.variables,
            outputs: document.outputs,
            parameters,
            resources: Vec::new(),
            evaluated: AtomicUsize::new(0),
        };
        let mut found = plan.resources_with_ids(document.resources)?;
        let waits = plan.dependencies(&found)?;
        let order =
            order(&waits).map_err(|at| cycle_error(found.get(at).map_or("", |one| &one.id)))?;
        let places: HashMap<usize, usize> =
            order.iter().enumerate().map(|(place, at)| (*at, place)).collect();
        for (resource, others) in found.iter_mut().zip(&waits) {
            resource.after = others.iter().filter_map(|at| places.get(at).copied()).collect();
            resource.after.sort_unstable();
        }
        plan.resources = order.iter().filter_map(|at| found.get(*at).cloned()).collect();
        Ok(plan)
    }

    /// The resources in deployment order.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// Where and when it is deployed.
    pub fn scope(&self) -> &DeploymentScope {
        &self.scope
    }

    /// The parameters with their types and values; secure ones have no value.
    pub fn parameters(&self) -> Value {
        let shown = self.parameters.iter().map(|one| (one.name.clone(), one.shown()));
        Value::Object(shown.collect())
    }

    /// The body of a resource's request to its provider.
    pub fn body(&self, resource: &Resource, lookups: &LookupResults) -> Result<Value, PlanError> {
        let evaluator = self.deployment_evaluator(lookups);
        let body = body_of(resource, &evaluator);
        self.add_size(&evaluator).map_err(|error| {
            PlanError::Invalid(TemplateError::InResource { id: resource.id.clone(), error })
        })?;
        body
    }

    /// The outputs, as shown in answers.
    pub fn outputs(&self, lookups: &LookupResults) -> Result<Value, PlanError> {
        let evaluator = self.deployment_evaluator(lookups);
        let outputs = self.evaluate_outputs(&evaluator);
        self.add_size(&evaluator).map_err(|error| PlanError::Invalid(error.into()))?;
        outputs
    }

    fn evaluate_outputs(&self, evaluator: &Evaluator<'_>) -> Result<Value, PlanError> {
        let mut outputs = Map::new();
        for (name, declaration) in &self.outputs {
            let wrong = |problem: String| {
                PlanError::Invalid(TemplateError::Output { name: name.clone(), problem })
            };
            let value_of = |written: &Value, phase| {
                evaluator.value(written, phase).map_err(|error| match error {
                    EvalError::NeedsLookup(lookup) => PlanError::NeedsLookup(lookup),
                    EvalError::Invalid(error) => wrong(error.to_string()),
                })
            };
            let path = format!("properties.template.outputs.{name}");
            let kind = parameters::kind_in(declaration, &path).map_err(PlanError::Invalid)?;
            if let Some(condition) = declaration.get("condition")
                && value_of(condition, Phase::Planning)? == Value::Bool(false)
            {
                continue;
            }
            let value =
                value_of(declaration.get("value").unwrap_or(&Value::Null), Phase::Deployment)?;
            if !kind.accepts(&value) {
                return Err(wrong(format!(
                    "its value is of type '{}', and '{}' is expected.",
                    kind_of(&value),
                    kind.expected()
                )));
            }
            let shown = if kind.is_secure() {
                json!({ "type": kind.as_str() })
            } else {
                json!({ "type": kind.as_str(), "value": value })
            };
            outputs.insert(name.clone(), shown);
        }
        Ok(Value::Object(outputs))
    }

    /// Adds to the evaluated size. Fails if the total for this template is too large.
    fn add_size(&self, evaluator: &Evaluator<'_>) -> Result<(), ExpressionError> {
        let before = self.evaluated.fetch_add(evaluator.size(), Ordering::Relaxed);
        if before > MAX_EVALUATED { Err(ExpressionError::TooLarge) } else { Ok(()) }
    }

    fn planning_evaluator(&self) -> Evaluator<'_> {
        let mut evaluator = Evaluator::new(&self.scope);
        for parameter in &self.parameters {
            evaluator.add_parameter(&parameter.name, Source::Value(&parameter.value));
        }
        evaluator.add_variables(&self.variables);
        evaluator
    }

    fn deployment_evaluator<'a>(&'a self, lookups: &'a LookupResults) -> Evaluator<'a> {
        let mut evaluator = self.planning_evaluator();
        let declared = self.resources.iter().map(|resource| DeclaredResource {
            id: &resource.id,
            name: &resource.name,
            api_version: &resource.api_version,
        });
        evaluator.set_resources(declared.collect(), lookups);
        evaluator
    }

    /// The resources with their names and ids, in the template's order.
    fn resources_with_ids(&self, written: Vec<Written>) -> Result<Vec<Resource>, TemplateError> {
        let evaluator = self.planning_evaluator();
        let mut found: Vec<Resource> = Vec::new();
        let mut ids = BTreeSet::new();
        for Written { members, parent } in written {
            let parent = parent.and_then(|at| found.get(at));
            let resource = resource(&evaluator, &self.scope, members, parent)?;
            if !ids.insert(normalized(&resource.id)) {
                return Err(TemplateError::DuplicateResource(format!(
                    "{}/{}",
                    resource.kind, resource.name
                )));
            }
            found.push(resource);
        }
        Ok(found)
    }

    /// The dependencies of each resource: its `dependsOn`, and the references in its properties.
    fn dependencies(&self, found: &[Resource]) -> Result<Vec<Vec<usize>>, TemplateError> {
        let evaluator = self.planning_evaluator();
        let names = ResourceIndex::new(found);
        let (mut all, mut count) = (Vec::new(), 0);
        for resource in found {
            let mut waits = BTreeSet::new();
            let written = resource.written.get("dependsOn").cloned().unwrap_or_default();
            let value = evaluator
                .value(&written, Phase::Planning)
                .map_err(|error| name_error(&resource.name, error))?;
            for named in value.as_array().into_iter().flatten() {
                let named = named.as_str().ok_or_else(|| {
                    TemplateError::Content(
                        "The items of 'dependsOn' must be of type 'String'".to_owned(),
                    )
                })?;
                let found = names.find(named);
                let found =
                    found.ok_or_else(|| TemplateError::UnknownDependency(named.to_owned()))?;
                waits.extend(found);
            }
            let mut referred = BTreeSet::new();
            let properties = resource.written.get("properties").unwrap_or(&Value::Null);
            references(&evaluator, properties, &mut referred);
            // As in Azure, a reference by id adds no dependency; `dependsOn` must name it.
            let by_name = referred.iter().filter(|named| !named.starts_with('/'));
            waits.extend(by_name.filter_map(|named| names.find(named)).flatten());
            let is_included = |at: &usize| found.get(*at).is_some_and(|other| other.is_included);
            let waits: Vec<usize> = waits.into_iter().filter(is_included).collect();
            count += waits.len();
            all.push(waits);
        }
        if count > MAX_DEPENDENCIES {
            let (limit, actual) = (MAX_DEPENDENCIES, count);
            return Err(TemplateError::TooMany { what: "dependencies", limit, actual });
        }
        Ok(all)
    }
}
