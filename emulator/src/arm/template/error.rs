//! Why a template, its parameters or one of its expressions is refused, in Azure's words where they are known.
//!
//! The words name no line and column, since positions are not kept. Values of secure parameters are in none of them.

use thiserror::Error;

use super::expression::MAX_LENGTH;

/// Why an expression has no value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpressionError {
    /// Something else should be there.
    #[error(
        "Unable to parse language expression '{expression}': expected token '{expected}' and actual '{actual}'."
    )]
    Syntax {
        /// The expression, without its brackets.
        expression: String,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        actual: &'static str,
    },
    /// It has a word that is none.
    #[error("Unable to parse language expression '{expression}': '{word}' is not expected in it.")]
    Word {
        /// The expression, without its brackets.
        expression: String,
        /// The word.
        word: String,
    },
    /// It is longer than may be.
    #[error(
        "The language expression length limit exceeded. Limit: '{MAX_LENGTH}' and actual: '{length}'."
    )]
    TooLong {
        /// How long it is.
        length: usize,
    },
    /// Calls, or what is evaluated for each other, lie too deep.
    #[error("The language expressions lie too deep in each other.")]
    TooDeep,
    /// All that is evaluated is too much.
    #[error("The template is too large once its language expressions are evaluated.")]
    TooMuch,
    /// There is no function of this name.
    #[error(
        "The template function '{0}' is not valid. Please see https://aka.ms/arm-functions for usage details."
    )]
    NoFunction(String),
    /// Azure has this function, and it is not served here.
    #[error("The template function '{0}' is not supported by this emulator.")]
    NotServed(String),
    /// The function may not stand here.
    #[error(
        "The template function '{0}' is not expected at this location. Please see https://aka.ms/arm-functions for usage details."
    )]
    NotHere(String),
    /// The function does not take these arguments.
    #[error("Unable to evaluate template language function '{function}': {problem}")]
    Arguments {
        /// As it was written.
        function: String,
        /// What is wrong.
        problem: String,
    },
    /// There is no parameter of this name.
    #[error(
        "The template parameter '{0}' is not found. Please see https://aka.ms/arm-create-parameter-file for usage details."
    )]
    NoParameter(String),
    /// There is no variable of this name.
    #[error(
        "The template variable '{0}' is not found. Please see https://aka.ms/arm-syntax-variables for usage details."
    )]
    NoVariable(String),
    /// The value of a parameter or variable needs itself.
    #[error("The value of '{0}' refers to itself in a circle.")]
    Circle(String),
    /// An object has no such property.
    #[error(
        "The language expression property '{name}' doesn't exist, available properties are '{available}'. Please see https://aka.ms/arm-functions for usage details."
    )]
    NoProperty {
        /// What was asked for.
        name: String,
        /// What there is.
        available: String,
    },
    /// A list has no such place.
    #[error(
        "The language expression property array index '{index}' is out of bounds. The list has {length} values."
    )]
    OutOfBounds {
        /// What was asked for.
        index: i64,
        /// How many there are.
        length: usize,
    },
    /// A value that is no object or list was asked for a part of it.
    #[error(
        "The language expression property '{key}' can't be evaluated, because what it is asked of is of type '{kind}'."
    )]
    NoParts {
        /// What was asked for.
        key: String,
        /// What the value is.
        kind: &'static str,
    },
    /// The key of an object is no text.
    #[error(
        "The language expression for the name of a property has to be a text, and is of type '{0}'."
    )]
    Key(&'static str),
    /// A reference by name to what the template does not have.
    #[error(
        "The template reference '{0}' is not valid: could not find template resource or resource copy with this name. Please see https://aka.ms/arm-function-reference for usage details."
    )]
    NoReference(String),
    /// A reference by id to what the template does not have, without a version.
    #[error(
        "The API version is required in the reference to '{0}', which is not defined in the template. Please see https://aka.ms/arm-function-reference for usage details."
    )]
    NoApiVersion(String),
}

/// Why a template is not deployed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateError {
    /// Something of the request cannot be what it is.
    #[error("The request content was invalid and could not be deserialized: '{0}'.")]
    Content(String),
    /// An expression outside the resources and outputs.
    #[error("Deployment template validation failed: '{0}'.")]
    Expression(#[from] ExpressionError),
    /// An expression of a resource.
    #[error("Unable to process template language expressions for resource '{id}'. '{error}'")]
    InResource {
        /// The id of the resource.
        id: String,
        /// What is wrong.
        error: ExpressionError,
    },
    /// An expression of a resource before its id is known.
    #[error(
        "Deployment template validation failed: 'The template resource '{name}' is not valid: {error}'."
    )]
    InName {
        /// Its name as it was written.
        name: String,
        /// What is wrong.
        error: ExpressionError,
    },
    /// An output.
    #[error(
        "Deployment template validation failed: 'The template output '{name}' is not valid: {problem} Please see https://aka.ms/arm-syntax-outputs for usage details.'."
    )]
    Output {
        /// Its name.
        name: String,
        /// What is wrong, as a sentence.
        problem: String,
    },
    /// A parameter has no value.
    #[error(
        "Deployment template validation failed: 'The value for the template parameter '{0}' is not provided. Please see https://aka.ms/arm-create-parameter-file for usage details.'."
    )]
    NoValue(String),
    /// Values are given for parameters that there are not.
    #[error(
        "Deployment template validation failed: 'The template parameters '{given}' in the parameters file are not valid; they are not present in the original template and can therefore not be provided at deployment time. The only supported parameters for this template are '{known}'. Please see https://aka.ms/arm-pass-parameter-values for usage details.'."
    )]
    UnknownParameters {
        /// Those that there are not.
        given: String,
        /// Those that there are.
        known: String,
    },
    /// A value is not of the type of its parameter.
    #[error(
        "Deployment template validation failed: 'Template parameter JToken type is not valid. Expected '{expected}'. Actual '{actual}'. Please see https://aka.ms/arm-create-parameter-file for usage details.'."
    )]
    ParameterType {
        /// What it should be.
        expected: &'static str,
        /// What it is.
        actual: &'static str,
    },
    /// A value is not what its parameter allows.
    #[error(
        "Deployment template validation failed: 'The provided value {value}for the template parameter '{name}' is not valid. {problem}'."
    )]
    ParameterValue {
        /// The value in quotes and a space, or nothing if it is secret.
        value: String,
        /// The parameter.
        name: String,
        /// What is wrong, as a sentence.
        problem: String,
    },
    /// The names of a resource are more or fewer than those of its type.
    #[error(
        "Deployment template validation failed: 'The template resource '{name}' for type '{kind}' has incorrect segment lengths. A nested resource type must have identical number of segments as its resource name. A root resource type must have segment length one greater than its resource name. Please see https://aka.ms/arm-syntax-resources for usage details.'."
    )]
    Segments {
        /// The name of the resource.
        name: String,
        /// Its type.
        kind: String,
    },
    /// The schema is none that is known.
    #[error(
        "Deployment template validation failed: 'The template schema '{0}' is not supported. Please see https://aka.ms/arm-syntax for usage details.'."
    )]
    Schema(String),
    /// The same resource twice.
    #[error(
        "Deployment template validation failed: 'The resource '{0}' is defined multiple times in a template. Please see https://aka.ms/arm-syntax-resources for usage details.'."
    )]
    Twice(String),
    /// `dependsOn` names what the template does not have.
    #[error(
        "Deployment template validation failed: 'The resource '{0}' is not defined in the template. Please see https://aka.ms/arm-syntax for usage details.'."
    )]
    NoDependency(String),
    /// Resources wait for each other.
    #[error(
        "Deployment template validation failed: 'Circular dependency detected on resource: '{0}'. Please see https://aka.ms/arm-syntax-resources for usage details.'."
    )]
    CircularDependency(String),
    /// Azure has this, and it is not served here.
    #[error("{0} is not supported by this emulator.")]
    NotServed(String),
    /// There is more of something than may be.
    #[error(
        "Deployment template validation failed: 'The number of template {what} limit exceeded. Limit: '{limit}' and actual: '{actual}'.'."
    )]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many may be.
        limit: usize,
        /// How many there are.
        actual: usize,
    },
}

impl TemplateError {
    /// Azure's code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Content(_) => "InvalidRequestContent",
            // Of our own: Azure serves it.
            Self::NotServed(_) => "NotSupported",
            _ => "InvalidTemplate",
        }
    }
}
