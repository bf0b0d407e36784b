//! The parameters of a template: their declarations and given values, and whether the two fit.
//!
//! Given values are used as they are: an expression in one is plain text. Default values are evaluated and may name
//! other parameters. No answer and no message contains the value of a secure parameter.

use serde_json::{Map, Value, json};

use super::error::TemplateError;
use super::evaluation_error::EvalError;
use super::evaluator::Evaluator;
use super::functions::kind_of;
use super::scope::DeploymentScope;
use super::source::{Phase, Source};

/// The types that a parameter or an output can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    String,
    SecureString,
    Int,
    Bool,
    Object,
    SecureObject,
    Array,
}

impl Type {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_lowercase().as_str() {
            "string" => Self::String,
            "securestring" => Self::SecureString,
            "int" => Self::Int,
            "bool" => Self::Bool,
            "object" => Self::Object,
            "secureobject" => Self::SecureObject,
            "array" => Self::Array,
            _ => return None,
        })
    }

    /// The spelling in Azure's answers.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::SecureString => "SecureString",
            Self::Int => "Int",
            Self::Bool => "Bool",
            Self::Object => "Object",
            Self::SecureObject => "SecureObject",
            Self::Array => "Array",
        }
    }

    pub(super) fn is_secure(self) -> bool {
        matches!(self, Self::SecureString | Self::SecureObject)
    }

    /// The name of the expected type in Azure's messages.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::String | Self::SecureString => "String, Uri",
            Self::Int => "Integer",
            Self::Bool => "Boolean",
            Self::Object | Self::SecureObject => "Object",
            Self::Array => "Array",
        }
    }

    pub(super) fn accepts(self, value: &Value) -> bool {
        match self {
            Self::String | Self::SecureString => value.is_string(),
            Self::Int => value.is_i64(),
            Self::Bool => value.is_boolean(),
            Self::Object | Self::SecureObject => value.is_object(),
            Self::Array => value.is_array(),
        }
    }
}

/// A parameter with its value. It must not be printed: the value may be secret.
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) value: Value,
}

impl Parameter {
    /// The form in answers: a secure parameter is shown without its value.
    pub(super) fn shown(&self) -> Value {
        if self.kind.is_secure() {
            json!({ "type": self.kind.as_str() })
        } else {
            json!({ "type": self.kind.as_str(), "value": self.value })
        }
    }
}

/// The parameters with their values, sorted by name.
pub(super) fn resolve(
    declared: &Map<String, Value>,
    given: &Map<String, Value>,
    scope: &DeploymentScope,
) -> Result<Vec<Parameter>, TemplateError> {
    let given = given_values(declared, given)?;
    let mut evaluator = Evaluator::new(scope);
    for (name, declaration) in declared {
        let value = given.iter().find(|(other, _)| same(other, name)).map(|(_, value)| *value);
        match (value, declaration.get("defaultValue")) {
            (Some(value), _) => evaluator.add_parameter(name, Source::Value(value)),
            (None, Some(default)) => {
                evaluator.add_parameter(name, Source::Expression(default, Phase::ParameterDefault));
            }
            (None, None) if declaration.get("nullable") == Some(&Value::Bool(true)) => {
                evaluator.add_parameter(name, Source::Value(&Value::Null));
            }
            (None, None) => return Err(TemplateError::MissingValue(name.clone())),
        }
    }
    let checked = declared.iter().map(|(name, declaration)| {
        let kind = kind_in(declaration, &format!("properties.template.parameters.{name}"))?;
        let value = evaluator.parameter_value(name).map_err(|error| match error {
            EvalError::Invalid(error) => TemplateError::from(error),
            // Default values need no lookups: functions that look something up are refused there.
            EvalError::NeedsLookup(_) => TemplateError::MissingValue(name.clone()),
        })?;
        let parameter = Parameter { name: name.clone(), kind, value };
        check(&parameter, declaration)?;
        Ok(parameter)
    });
    checked.collect()
}

/// The type that a declaration names.
pub(super) fn kind_in(declaration: &Value, path: &str) -> Result<Type, TemplateError> {
    let Some(text) = declaration.get("type").and_then(Value::as_str) else {
        return Err(TemplateError::Content(format!(
            "Required property 'type' not found in JSON. Path '{path}'"
        )));
    };
    Type::parse(text).ok_or_else(|| {
        TemplateError::Content(format!(
            "Error converting value \"{text}\" to type 'TemplateParameterType'. Path '{path}.type'"
        ))
    })
}

/// The given values. Each must be declared; null counts as not given.
fn given_values<'a>(
    declared: &Map<String, Value>,
    given: &'a Map<String, Value>,
) -> Result<Vec<(&'a str, &'a Value)>, TemplateError> {
    let unknown: Vec<&str> = given
        .keys()
        .map(String::as_str)
        .filter(|name| !declared.keys().any(|other| same(other, name)))
        .collect();
    if !unknown.is_empty() {
        return Err(TemplateError::UnknownParameters {
            given: unknown.join(", "),
            known: declared.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        });
    }
    let mut values = Vec::new();
    for (name, holder) in given {
        let members = holder.as_object().ok_or_else(|| {
            TemplateError::Content(format!(
                "Error converting value to type 'DeploymentParameterDefinition'. Path 'properties.parameters.{name}'"
            ))
        })?;
        match (members.get("value"), members.get("reference")) {
            (_, Some(reference)) if !reference.is_null() => {
                return Err(TemplateError::Unsupported(format!(
                    "The reference of the parameter '{name}' to a secret of a key vault"
                )));
            }
            (Some(value), _) if !value.is_null() => values.push((name.as_str(), value)),
            _ => {}
        }
    }
    Ok(values)
}

fn check(parameter: &Parameter, declaration: &Value) -> Result<(), TemplateError> {
    let Parameter { name, kind, value } = parameter;
    if value.is_null() && declaration.get("nullable") == Some(&Value::Bool(true)) {
        return Ok(());
    }
    if !kind.accepts(value) {
        return Err(TemplateError::ParameterType {
            expected: kind.expected(),
            actual: kind_of(value),
        });
    }
    let wrong = |problem: String| {
        let shown = match value {
            Value::String(text) if !kind.is_secure() => format!("'{text}' "),
            Value::Number(number) => format!("'{number}' "),
            _ => String::new(),
        };
        Err(TemplateError::ParameterValue { value: shown, name: name.clone(), problem })
    };
    if let Some(allowed) = declaration.get("allowedValues").and_then(Value::as_array) {
        let is_allowed = |value: &Value| allowed.iter().any(|other| is_same_value(other, value));
        let are_parts = value.as_array().is_some_and(|values| values.iter().all(is_allowed));
        if !is_allowed(value) && !are_parts {
            let listed: Vec<String> = allowed.iter().map(plain).collect();
            return wrong(format!(
                "The parameter value is not part of the allowed value(s): '{}'.",
                listed.join(",")
            ));
        }
    }
    let length = match value {
        Value::String(text) => i64::try_from(text.encode_utf16().count()).ok(),
        Value::Array(values) => i64::try_from(values.len()).ok(),
        _ => None,
    };
    let bounds = [
        ("minLength", "maxLength", length, "Length of the value"),
        ("minValue", "maxValue", value.as_i64(), "The value"),
    ];
    for (least, most, number, what) in bounds {
        let Some(number) = number else { continue };
        let bound = |name| declaration.get(name).and_then(Value::as_i64);
        if let Some(least) = bound(least).filter(|least| number < *least) {
            return wrong(format!("{what} should be greater than or equal to '{least}'."));
        }
        if let Some(most) = bound(most).filter(|most| number > *most) {
            return wrong(format!("{what} should be less than or equal to '{most}'."));
        }
    }
    Ok(())
}

/// Letter case is ignored in strings, as it is in names.
fn is_same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => same(left, right),
        _ => left == right,
    }
}

fn same(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
