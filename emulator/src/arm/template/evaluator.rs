//! Evaluates expressions.
//!
//! Parameters and variables are evaluated once, when first used. Depth and size of the results are limited; otherwise a
//! template of a few lines could grow without end. Functions that only compute are in [`functions`](super::functions),
//! and those that need a resource in [`lookup_functions`](super::lookup_functions); this file has the functions that
//! use the template or its deployment.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::access::access;
use super::error::ExpressionError;
use super::evaluation_error::EvalError;
use super::expression::{Expression, Text};
use super::functions::{self, kind_of};
use super::lookup::LookupResults;
use super::scope::DeploymentScope;
use super::source::{DeclaredResource, Phase, Source};

/// The maximum depth of nested evaluations: values in values, calls in calls, variables of variables.
const MAX_DEPTH: usize = 160;

/// The maximum depth of a value. The recipient parses the evaluated value again and accepts only this depth.
const MAX_VALUE_DEPTH: usize = super::text::MAX_DEPTH;

/// The maximum size of everything evaluated: bytes of text, and a few more for each value.
const MAX_SIZE: usize = 16 << 20;

/// Evaluates the expressions of one template.
pub(super) struct Evaluator<'a> {
    scope: &'a DeploymentScope,
    pub(super) lookups: Option<&'a LookupResults>,
    pub(super) resources: Vec<DeclaredResource<'a>>,
    parameters: HashMap<String, Source<'a>>,
    variables: HashMap<String, Source<'a>>,
    evaluated: RefCell<HashMap<(Kind, String), Value>>,
    in_progress: RefCell<Vec<(Kind, String)>>,
    pub(super) phase: Cell<Phase>,
    depth: Cell<usize>,
    size: Cell<usize>,
    /// The number of GUIDs made so far, so that each is different.
    guids: Cell<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Parameter,
    Variable,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(scope: &'a DeploymentScope) -> Self {
        Self {
            scope,
            lookups: None,
            resources: Vec::new(),
            parameters: HashMap::new(),
            variables: HashMap::new(),
            evaluated: RefCell::default(),
            in_progress: RefCell::default(),
            phase: Cell::new(Phase::Planning),
            depth: Cell::new(0),
            size: Cell::new(0),
            guids: Cell::new(0),
        }
    }

    pub(super) fn add_parameter(&mut self, name: &str, source: Source<'a>) {
        self.parameters.insert(name.to_lowercase(), source);
    }

    pub(super) fn add_variables(&mut self, variables: &'a Map<String, Value>) {
        let sources = variables
            .iter()
            .map(|(name, value)| (name.to_lowercase(), Source::Expression(value, Phase::Planning)));
        self.variables.extend(sources);
    }

    /// Adds the resources and the lookups made so far.
    pub(super) fn set_resources(
        &mut self,
        resources: Vec<DeclaredResource<'a>>,
        lookups: &'a LookupResults,
    ) {
        self.resources = resources;
        self.lookups = Some(lookups);
    }

    /// The value of a part of the template in this phase.
    pub(super) fn value(&self, written: &Value, phase: Phase) -> Result<Value, EvalError> {
        let before = self.phase.replace(phase);
        let value = self.evaluate_value(written);
        self.phase.set(before);
        let value = value?;
        // The parts were counted already; the whole may still be nested too deeply.
        functions::size_of(&value, MAX_VALUE_DEPTH).ok_or(ExpressionError::TooDeep)?;
        Ok(value)
    }

    /// The size of everything evaluated.
    pub(super) fn size(&self) -> usize {
        self.size.get()
    }

    /// The value of a parameter.
    pub(super) fn parameter_value(&self, name: &str) -> Result<Value, EvalError> {
        self.named_value(Kind::Parameter, name)
    }

    fn evaluate_value(&self, written: &Value) -> Result<Value, EvalError> {
        let _level = self.enter()?;
        match written {
            Value::String(text) => match Text::parse(text)? {
                Text::Literal(text) => self.sized(Value::String(text)),
                Text::Expression(expression) => self.evaluate_expression(&expression),
            },
            Value::Array(values) => {
                let values = values.iter().map(|value| self.evaluate_value(value));
                Ok(Value::Array(values.collect::<Result<_, _>>()?))
            }
            Value::Object(members) => {
                let mut object = Map::new();
                for (key, value) in members {
                    let key = match Text::parse(key)? {
                        Text::Literal(text) => text,
                        Text::Expression(expression) => {
                            match self.evaluate_expression(&expression)? {
                                Value::String(text) => text,
                                other => return Err(ExpressionError::Key(kind_of(&other)).into()),
                            }
                        }
                    };
                    object.insert(key, self.evaluate_value(value)?);
                }
                Ok(Value::Object(object))
            }
            other => self.sized(other.clone()),
        }
    }

    pub(super) fn evaluate_expression(&self, expression: &Expression) -> Result<Value, EvalError> {
        let _level = self.enter()?;
        match expression {
            Expression::Text(text) => Ok(Value::String(text.clone())),
            Expression::Integer(number) => Ok(Value::from(*number)),
            Expression::Call { name, arguments } => {
                let value = self.call(name, arguments)?;
                self.sized(value)
            }
            Expression::Access { of, steps } => {
                let mut value = self.evaluate_expression(of)?;
                for step in steps {
                    let key = self.evaluate_expression(step)?;
                    value = access(value, &key)?;
                }
                Ok(value)
            }
        }
    }

    fn call(&self, name: &str, arguments: &[Expression]) -> Result<Value, EvalError> {
        let lower = name.to_lowercase();
        let wrong = |problem: &str| {
            EvalError::Invalid(ExpressionError::Arguments {
                function: name.to_owned(),
                problem: problem.to_owned(),
            })
        };
        // The only function that does not evaluate all its arguments.
        if lower == "if" {
            let [condition, yes, no] = arguments else {
                return Err(wrong("it takes a condition and two values."));
            };
            return match self.evaluate_expression(condition)? {
                Value::Bool(true) => self.evaluate_expression(yes),
                Value::Bool(false) => self.evaluate_expression(no),
                _ => Err(wrong("its first argument must be of type 'Boolean'.")),
            };
        }
        let values: Vec<Value> = arguments
            .iter()
            .map(|argument| self.evaluate_expression(argument))
            .collect::<Result<_, _>>()?;
        let scope = self.scope;
        let without_arguments = |value: &Value| {
            if values.is_empty() { Ok(value.clone()) } else { Err(wrong("it takes no arguments.")) }
        };
        match lower.as_str() {
            "parameters" | "variables" => {
                let [Value::String(named)] = values.as_slice() else {
                    return Err(wrong("it takes one name."));
                };
                if lower == "variables" && self.phase.get() == Phase::ParameterDefault {
                    return Err(ExpressionError::NotAllowedHere(name.to_owned()).into());
                }
                let kind = if lower == "parameters" { Kind::Parameter } else { Kind::Variable };
                self.named_value(kind, named)
            }
            "subscription" => without_arguments(&scope.subscription),
            "tenant" => without_arguments(&scope.tenant),
            "resourcegroup" => without_arguments(&scope.group),
            "deployment" => without_arguments(&scope.deployment),
            "environment" => without_arguments(&scope.environment),
            "utcnow" | "newguid" if self.phase.get() != Phase::ParameterDefault => {
                Err(ExpressionError::NotAllowedHere(name.to_owned()).into())
            }
            "newguid" => {
                let nth = self.guids.get();
                self.guids.set(nth + 1);
                without_arguments(&Value::String(functions::guid(&[&scope.seed, &nth.to_string()])))
            }
            "utcnow" => functions::utc_now(scope.now, &values).map_err(|problem| wrong(&problem)),
            "reference" => self.reference(name, &values),
            _ if lower.starts_with("list") && lower.len() > 4 => self.list(name, &values),
            _ => match functions::call(&lower, &values, scope) {
                Some(result) => result.map_err(|problem| wrong(&problem)),
                None if functions::is_unsupported(&lower) => {
                    Err(ExpressionError::Unsupported(name.to_owned()).into())
                }
                None => Err(ExpressionError::UnknownFunction(name.to_owned()).into()),
            },
        }
    }

    fn named_value(&self, kind: Kind, name: &str) -> Result<Value, EvalError> {
        let key = (kind, name.to_lowercase());
        if let Some(value) = self.evaluated.borrow().get(&key) {
            return Ok(value.clone());
        }
        let sources = match kind {
            Kind::Parameter => &self.parameters,
            Kind::Variable => &self.variables,
        };
        let (written, phase) = match (sources.get(&key.1), kind) {
            (Some(Source::Value(value)), _) => return Ok((*value).clone()),
            (Some(Source::Expression(written, phase)), _) => (*written, *phase),
            (None, Kind::Parameter) => {
                return Err(ExpressionError::UnknownParameter(name.to_owned()).into());
            }
            (None, Kind::Variable) => {
                return Err(ExpressionError::UnknownVariable(name.to_owned()).into());
            }
        };
        if self.in_progress.borrow().contains(&key) {
            return Err(ExpressionError::Cycle(name.to_owned()).into());
        }
        self.in_progress.borrow_mut().push(key.clone());
        let value = self.value(written, phase);
        self.in_progress.borrow_mut().pop();
        let value = value?;
        self.evaluated.borrow_mut().insert(key, value.clone());
        Ok(value)
    }

    /// Goes one level deeper, until the returned guard is dropped.
    fn enter(&self) -> Result<Level<'_>, ExpressionError> {
        if self.depth.get() >= MAX_DEPTH {
            return Err(ExpressionError::TooDeep);
        }
        self.depth.set(self.depth.get() + 1);
        Ok(Level(&self.depth))
    }

    /// Counts a value; an error if the total is too large or the value is nested too deeply.
    fn sized(&self, value: Value) -> Result<Value, EvalError> {
        let size = functions::size_of(&value, MAX_VALUE_DEPTH).ok_or(ExpressionError::TooDeep)?;
        let size = self.size.get().saturating_add(size);
        self.size.set(size);
        if size > MAX_SIZE { Err(ExpressionError::TooLarge.into()) } else { Ok(value) }
    }
}

struct Level<'a>(&'a Cell<usize>);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
