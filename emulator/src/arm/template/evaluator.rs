//! Evaluates expressions.
//!
//! Parameters and variables are evaluated once, when first used. Depth and size of the results are limited; otherwise a
//! template of a few lines could grow without end. Functions that only compute are in [`functions`](super::functions);
//! this file has the functions that use the template, its deployment or resources.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::error::ExpressionError;
use super::expression::{Expression, Text};
use super::facts::{Facts, Known, Need};
use super::functions::{self, kind_of};
use super::ids;
use super::part::part;
use super::source::{Declared, Halt, Place, Source};

/// The maximum depth of nested evaluations: values in values, calls in calls, variables of variables.
const MAX_DEPTH: usize = 160;

/// The maximum depth of a value. The recipient parses the evaluated value again and accepts only this depth.
const MAX_VALUE_DEPTH: usize = super::text::MAX_DEPTH;

/// The maximum size of everything evaluated: bytes of text, and a few more for each value.
const MAX_SIZE: usize = 16 << 20;

/// Evaluates the expressions of one template.
pub(super) struct Evaluator<'a> {
    facts: &'a Facts,
    known: Option<&'a Known>,
    resources: Vec<Declared<'a>>,
    parameters: HashMap<String, Source<'a>>,
    variables: HashMap<String, Source<'a>>,
    done: RefCell<HashMap<(Kind, String), Value>>,
    open: RefCell<Vec<(Kind, String)>>,
    place: Cell<Place>,
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
    pub(super) fn new(facts: &'a Facts) -> Self {
        Self {
            facts,
            known: None,
            resources: Vec::new(),
            parameters: HashMap::new(),
            variables: HashMap::new(),
            done: RefCell::default(),
            open: RefCell::default(),
            place: Cell::new(Place::Static),
            depth: Cell::new(0),
            size: Cell::new(0),
            guids: Cell::new(0),
        }
    }

    pub(super) fn parameter(&mut self, name: &str, source: Source<'a>) {
        self.parameters.insert(name.to_lowercase(), source);
    }

    pub(super) fn variables(&mut self, variables: &'a Map<String, Value>) {
        let sources = variables
            .iter()
            .map(|(name, value)| (name.to_lowercase(), Source::Written(value, Place::Static)));
        self.variables.extend(sources);
    }

    /// Adds the resources and the lookups made so far.
    pub(super) fn running(&mut self, resources: Vec<Declared<'a>>, known: &'a Known) {
        self.resources = resources;
        self.known = Some(known);
    }

    /// The value of a part of the template at this place.
    pub(super) fn value(&self, written: &Value, place: Place) -> Result<Value, Halt> {
        let before = self.place.replace(place);
        let value = self.of_value(written);
        self.place.set(before);
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
    pub(super) fn parameter_value(&self, name: &str) -> Result<Value, Halt> {
        self.named(Kind::Parameter, name)
    }

    fn of_value(&self, written: &Value) -> Result<Value, Halt> {
        let _level = self.enter()?;
        match written {
            Value::String(text) => match Text::of(text)? {
                Text::Literal(text) => self.sized(Value::String(text)),
                Text::Expression(expression) => self.of_expression(&expression),
            },
            Value::Array(values) => {
                let values = values.iter().map(|value| self.of_value(value));
                Ok(Value::Array(values.collect::<Result<_, _>>()?))
            }
            Value::Object(members) => {
                let mut object = Map::new();
                for (key, value) in members {
                    let key = match Text::of(key)? {
                        Text::Literal(text) => text,
                        Text::Expression(expression) => match self.of_expression(&expression)? {
                            Value::String(text) => text,
                            other => return Err(ExpressionError::Key(kind_of(&other)).into()),
                        },
                    };
                    object.insert(key, self.of_value(value)?);
                }
                Ok(Value::Object(object))
            }
            other => self.sized(other.clone()),
        }
    }

    pub(super) fn of_expression(&self, expression: &Expression) -> Result<Value, Halt> {
        let _level = self.enter()?;
        match expression {
            Expression::Text(text) => Ok(Value::String(text.clone())),
            Expression::Integer(number) => Ok(Value::from(*number)),
            Expression::Call { name, arguments } => {
                let value = self.call(name, arguments)?;
                self.sized(value)
            }
            Expression::Access { of, steps } => {
                let mut value = self.of_expression(of)?;
                for step in steps {
                    let key = self.of_expression(step)?;
                    value = part(value, &key)?;
                }
                Ok(value)
            }
        }
    }

    fn call(&self, name: &str, arguments: &[Expression]) -> Result<Value, Halt> {
        let lower = name.to_lowercase();
        let wrong = |problem: &str| {
            Halt::Error(ExpressionError::Arguments {
                function: name.to_owned(),
                problem: problem.to_owned(),
            })
        };
        // The only function that does not evaluate all its arguments.
        if lower == "if" {
            let [condition, yes, no] = arguments else {
                return Err(wrong("it takes a condition and two values."));
            };
            return match self.of_expression(condition)? {
                Value::Bool(true) => self.of_expression(yes),
                Value::Bool(false) => self.of_expression(no),
                _ => Err(wrong("its first argument must be of type 'Boolean'.")),
            };
        }
        let values: Vec<Value> = arguments
            .iter()
            .map(|argument| self.of_expression(argument))
            .collect::<Result<_, _>>()?;
        let facts = self.facts;
        let alone = |value: &Value| {
            if values.is_empty() { Ok(value.clone()) } else { Err(wrong("it takes no arguments.")) }
        };
        match lower.as_str() {
            "parameters" | "variables" => {
                let [Value::String(named)] = values.as_slice() else {
                    return Err(wrong("it takes one name."));
                };
                if lower == "variables" && self.place.get() == Place::Default {
                    return Err(ExpressionError::NotHere(name.to_owned()).into());
                }
                let kind = if lower == "parameters" { Kind::Parameter } else { Kind::Variable };
                self.named(kind, named)
            }
            "subscription" => alone(&facts.subscription),
            "tenant" => alone(&facts.tenant),
            "resourcegroup" => alone(&facts.group),
            "deployment" => alone(&facts.deployment),
            "environment" => alone(&facts.environment),
            "utcnow" | "newguid" if self.place.get() != Place::Default => {
                Err(ExpressionError::NotHere(name.to_owned()).into())
            }
            "newguid" => {
                let nth = self.guids.get();
                self.guids.set(nth + 1);
                alone(&Value::String(functions::guid(&[&facts.seed, &nth.to_string()])))
            }
            "utcnow" => functions::utc_now(facts.now, &values).map_err(|problem| wrong(&problem)),
            "reference" => self.reference(name, &values),
            _ if lower.starts_with("list") && lower.len() > 4 => self.list(name, &values),
            _ => match functions::call(&lower, &values, facts) {
                Some(result) => result.map_err(|problem| wrong(&problem)),
                None if functions::is_azures(&lower) => {
                    Err(ExpressionError::NotServed(name.to_owned()).into())
                }
                None => Err(ExpressionError::NoFunction(name.to_owned()).into()),
            },
        }
    }

    fn named(&self, kind: Kind, name: &str) -> Result<Value, Halt> {
        let key = (kind, name.to_lowercase());
        if let Some(value) = self.done.borrow().get(&key) {
            return Ok(value.clone());
        }
        let sources = match kind {
            Kind::Parameter => &self.parameters,
            Kind::Variable => &self.variables,
        };
        let (written, place) = match (sources.get(&key.1), kind) {
            (Some(Source::Given(value)), _) => return Ok((*value).clone()),
            (Some(Source::Written(written, place)), _) => (*written, *place),
            (None, Kind::Parameter) => {
                return Err(ExpressionError::NoParameter(name.to_owned()).into());
            }
            (None, Kind::Variable) => {
                return Err(ExpressionError::NoVariable(name.to_owned()).into());
            }
        };
        if self.open.borrow().contains(&key) {
            return Err(ExpressionError::Circle(name.to_owned()).into());
        }
        self.open.borrow_mut().push(key.clone());
        let value = self.value(written, place);
        self.open.borrow_mut().pop();
        let value = value?;
        self.done.borrow_mut().insert(key, value.clone());
        Ok(value)
    }

    /// `reference(nameOrId, [version], ['Full'])`.
    fn reference(&self, name: &str, values: &[Value]) -> Result<Value, Halt> {
        if self.place.get() != Place::Running {
            return Err(ExpressionError::NotHere(name.to_owned()).into());
        }
        let texts = texts(name, values)?;
        let (named, version, form) = match texts.as_slice() {
            [named] => (*named, None, None),
            [named, version] => (*named, Some(*version), None),
            [named, version, form] => (*named, Some(*version), Some(*form)),
            _ => return Err(takes(name, "it takes a name or an id, a version and 'Full'.")),
        };
        let is_full = form.is_some_and(|form| form.eq_ignore_ascii_case("full"));
        if form.is_some() && !is_full {
            return Err(takes(name, "its third argument can only be 'Full'."));
        }
        let (id, api_version) = self.referred(named, version)?;
        let need = Need::Resource { id: id.clone(), api_version: api_version.clone() };
        let document = self.look_up(need)?;
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
    fn list(&self, name: &str, values: &[Value]) -> Result<Value, Halt> {
        if self.place.get() != Place::Running {
            return Err(ExpressionError::NotHere(name.to_owned()).into());
        }
        let (named, version, body) = match values {
            [Value::String(named), Value::String(version)] => (named, version, None),
            [Value::String(named), Value::String(version), body] => (named, version, Some(body)),
            _ => return Err(takes(name, "it takes a name or an id, a version and a body.")),
        };
        let (id, api_version) = self.referred(named, Some(version))?;
        let body = body.filter(|body| !body.is_null()).map(Value::to_string);
        self.look_up(Need::List { id, function: name.to_owned(), api_version, body })
    }

    /// The id and API version of a referenced resource, by its name in the template or its id.
    fn referred(&self, named: &str, version: Option<&str>) -> Result<(String, String), Halt> {
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
            (None, _) => Err(ExpressionError::NoReference(named.to_owned()).into()),
        }
    }

    fn look_up(&self, need: Need) -> Result<Value, Halt> {
        match self.known.and_then(|known| known.get(&need)) {
            Some(value) => Ok(value.clone()),
            None => Err(Halt::Needs(need)),
        }
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
    fn sized(&self, value: Value) -> Result<Value, Halt> {
        let size = functions::size_of(&value, MAX_VALUE_DEPTH).ok_or(ExpressionError::TooDeep)?;
        let size = self.size.get().saturating_add(size);
        self.size.set(size);
        if size > MAX_SIZE { Err(ExpressionError::TooMuch.into()) } else { Ok(value) }
    }
}

struct Level<'a>(&'a Cell<usize>);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn takes(function: &str, problem: &str) -> Halt {
    let (function, problem) = (function.to_owned(), problem.to_owned());
    ExpressionError::Arguments { function, problem }.into()
}

fn texts<'v>(function: &str, values: &'v [Value]) -> Result<Vec<&'v str>, Halt> {
    let texts = values.iter().map(|value| {
        value.as_str().ok_or_else(|| takes(function, "its arguments must be of type 'String'."))
    });
    texts.collect()
}
