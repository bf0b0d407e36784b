//! A planned template: its resources in order, each with a body, and its outputs.
//!
//! Deployments make a plan before they send any request. The plan checks everything that can be known then: parameters,
//! names, conditions, dependencies. Bodies and outputs may need properties of resources and then return a [`Need`](super::Need).

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value, json};

use super::document::{Document, MAX_DEPENDENCIES, Written};
use super::error::{ExpressionError, TemplateError};
use super::evaluator::Evaluator;
use super::facts::{Facts, Known};
use super::functions::kind_of;
use super::ids::folded;
use super::names::Names;
use super::order::{circle, order};
use super::parameters::{self, Parameter};
use super::references::references;
use super::resource::{Resource, Unready, body_of, in_name, resource};
use super::source::{Declared, Halt, Place, Source};

/// The maximum size, in bytes, of everything evaluated for one template, over all resources and repeated evaluations.
const MAX_EVALUATED: usize = 256 << 20;

/// A template that can be deployed.
pub struct Plan {
    facts: Facts,
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
    pub fn of(
        template: &Value,
        given: &Map<String, Value>,
        facts: Facts,
    ) -> Result<Self, TemplateError> {
        let document = Document::of(template)?;
        let parameters = parameters::resolve(&document.parameters, given, &facts)?;
        let mut plan = Self {
            facts,
            variables: document.variables,
            outputs: document.outputs,
            parameters,
            resources: Vec::new(),
            evaluated: AtomicUsize::new(0),
        };
        let mut found = plan.named(document.resources)?;
        let waits = plan.dependencies(&found)?;
        let order = order(&waits).map_err(|at| circle(found.get(at).map_or("", |one| &one.id)))?;
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
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The parameters with their types and values; secure ones have no value.
    pub fn parameters(&self) -> Value {
        let shown = self.parameters.iter().map(|one| (one.name.clone(), one.shown()));
        Value::Object(shown.collect())
    }

    /// The body of a resource's request to its provider.
    pub fn body(&self, resource: &Resource, known: &Known) -> Result<Value, Unready> {
        let evaluator = self.running(known);
        let body = body_of(resource, &evaluator);
        self.count(&evaluator).map_err(|error| {
            Unready::Error(TemplateError::InResource { id: resource.id.clone(), error })
        })?;
        body
    }

    /// The outputs, as shown in answers.
    pub fn outputs(&self, known: &Known) -> Result<Value, Unready> {
        let evaluator = self.running(known);
        let outputs = self.outputs_of(&evaluator);
        self.count(&evaluator).map_err(|error| Unready::Error(error.into()))?;
        outputs
    }

    fn outputs_of(&self, evaluator: &Evaluator<'_>) -> Result<Value, Unready> {
        let mut outputs = Map::new();
        for (name, declaration) in &self.outputs {
            let wrong = |problem: String| {
                Unready::Error(TemplateError::Output { name: name.clone(), problem })
            };
            let value_of = |written: &Value, place| {
                evaluator.value(written, place).map_err(|halt| match halt {
                    Halt::Needs(need) => Unready::Needs(need),
                    Halt::Error(error) => wrong(error.to_string()),
                })
            };
            let path = format!("properties.template.outputs.{name}");
            let kind = parameters::kind_in(declaration, &path).map_err(Unready::Error)?;
            if let Some(condition) = declaration.get("condition")
                && value_of(condition, Place::Static)? == Value::Bool(false)
            {
                continue;
            }
            let value = value_of(declaration.get("value").unwrap_or(&Value::Null), Place::Running)?;
            if !kind.takes(&value) {
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
    fn count(&self, evaluator: &Evaluator<'_>) -> Result<(), ExpressionError> {
        let before = self.evaluated.fetch_add(evaluator.size(), Ordering::Relaxed);
        if before > MAX_EVALUATED { Err(ExpressionError::TooMuch) } else { Ok(()) }
    }

    fn evaluator(&self) -> Evaluator<'_> {
        let mut evaluator = Evaluator::new(&self.facts);
        for parameter in &self.parameters {
            evaluator.parameter(&parameter.name, Source::Given(&parameter.value));
        }
        evaluator.variables(&self.variables);
        evaluator
    }

    fn running<'a>(&'a self, known: &'a Known) -> Evaluator<'a> {
        let mut evaluator = self.evaluator();
        let declared = self.resources.iter().map(|resource| Declared {
            id: &resource.id,
            name: &resource.name,
            api_version: &resource.api_version,
        });
        evaluator.running(declared.collect(), known);
        evaluator
    }

    /// The resources with their names and ids, in the template's order.
    fn named(&self, written: Vec<Written>) -> Result<Vec<Resource>, TemplateError> {
        let evaluator = self.evaluator();
        let mut found: Vec<Resource> = Vec::new();
        let mut ids = BTreeSet::new();
        for Written { members, parent } in written {
            let parent = parent.and_then(|at| found.get(at));
            let resource = resource(&evaluator, &self.facts, members, parent)?;
            if !ids.insert(folded(&resource.id)) {
                return Err(TemplateError::Twice(format!("{}/{}", resource.kind, resource.name)));
            }
            found.push(resource);
        }
        Ok(found)
    }

    /// The dependencies of each resource: its `dependsOn`, and the references in its properties.
    fn dependencies(&self, found: &[Resource]) -> Result<Vec<Vec<usize>>, TemplateError> {
        let evaluator = self.evaluator();
        let names = Names::of(found);
        let (mut all, mut count) = (Vec::new(), 0);
        for resource in found {
            let mut waits = BTreeSet::new();
            let written = resource.written.get("dependsOn").cloned().unwrap_or_default();
            let value = evaluator
                .value(&written, Place::Static)
                .map_err(|halt| in_name(&resource.name, halt))?;
            for named in value.as_array().into_iter().flatten() {
                let named = named.as_str().ok_or_else(|| {
                    TemplateError::Content(
                        "The items of 'dependsOn' must be of type 'String'".to_owned(),
                    )
                })?;
                let meant = names.meant(named);
                let meant = meant.ok_or_else(|| TemplateError::NoDependency(named.to_owned()))?;
                waits.extend(meant);
            }
            let mut referred = BTreeSet::new();
            let properties = resource.written.get("properties").unwrap_or(&Value::Null);
            references(&evaluator, properties, &mut referred);
            // As in Azure, a reference by id adds no dependency; `dependsOn` must name it.
            let by_name = referred.iter().filter(|named| !named.starts_with('/'));
            waits.extend(by_name.filter_map(|named| names.meant(named)).flatten());
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
