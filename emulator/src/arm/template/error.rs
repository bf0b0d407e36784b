//! Why a template, its parameters or one of its expressions is refused, in Azure's wording where it is known.
//!
//! The messages name no line or column, because positions are not kept. They never contain values of secure parameters.

use thiserror::Error;

/// The maximum length of an expression, as in Azure.
pub(super) const MAX_LENGTH: usize = 24_576;

/// Why an expression has no value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpressionError {
    /// Another token is expected here.
    #[error(
        "Unable to parse language expression '{expression}': expected token '{expected}' and actual '{actual}'."
    )]
    Syntax {
        /// The expression, without its brackets.
        expression: String,
        /// The expected token.
        expected: &'static str,
        /// The actual token.
        actual: &'static str,
    },
    /// The expression contains an unknown token.
    #[error("Unable to parse language expression '{expression}': unexpected '{word}'.")]
    Word {
        /// The expression, without its brackets.
        expression: String,
        /// The token.
        word: String,
    },
    /// The expression is too long.
    #[error(
        "The language expression length limit exceeded. Limit: '{MAX_LENGTH}' and actual: '{length}'."
    )]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Calls, or values that depend on each other, are nested too deeply.
    #[error("The language expressions lie too deep in each other.")]
    TooDeep,
    /// The evaluated template is too large.
    #[error("The template is too large once its language expressions are evaluated.")]
    TooLarge,
    /// There is no function of this name.
    #[error(
        "The template function '{0}' is not valid. Please see https://aka.ms/arm-functions for usage details."
    )]
    UnknownFunction(String),
    /// Azure has this function; this emulator does not support it.
    #[error("The template function '{0}' is not supported by this emulator.")]
    Unsupported(String),
    /// The function is not allowed here.
    #[error(
        "The template function '{0}' is not expected at this location. Please see https://aka.ms/arm-functions for usage details."
    )]
    NotAllowedHere(String),
    /// The function does not take these arguments.
    #[error("Unable to evaluate template language function '{function}': {problem}")]
    Arguments {
        /// The function's name as written.
        function: String,
        /// The problem, as a sentence.
        problem: String,
    },
    /// There is no parameter of this name.
    #[error(
        "The template parameter '{0}' is not found. Please see https://aka.ms/arm-create-parameter-file for usage details."
    )]
    UnknownParameter(String),
    /// There is no variable of this name.
    #[error(
        "The template variable '{0}' is not found. Please see https://aka.ms/arm-syntax-variables for usage details."
    )]
    UnknownVariable(String),
    /// A parameter or variable depends on itself.
    #[error("The value of '{0}' refers to itself in a circle.")]
    Cycle(String),
    /// An object has no such property.
    #[error(
        "The language expression property '{name}' doesn't exist, available properties are '{available}'. Please see https://aka.ms/arm-functions for usage details."
    )]
    UnknownProperty {
        /// The requested property.
        name: String,
        /// The properties that exist.
        available: String,
    },
    /// A list has no such index.
    #[error(
        "The language expression property array index '{index}' is out of bounds. The list has {length} values."
    )]
    OutOfBounds {
        /// The requested index.
        index: i64,
        /// The length of the list.
        length: usize,
    },
    /// A property or index was requested of a value that is neither an object nor a list.
    #[error(
        "The language expression property '{key}' can't be evaluated, because its value is of type '{kind}'."
    )]
    NoMembers {
        /// The requested property or index.
        key: String,
        /// The type of the value.
        kind: &'static str,
    },
    /// The key of an object is not a string.
    #[error(
        "The language expression for the name of a property must be a string, and is of type '{0}'."
    )]
    Key(&'static str),
    /// A reference by name to a resource that is not in the template.
    #[error(
        "The template reference '{0}' is not valid: could not find template resource or resource copy with this name. Please see https://aka.ms/arm-function-reference for usage details."
    )]
    UnknownReference(String),
    /// A reference by id, without an API version, to a resource that is not in the template.
    #[error(
        "The API version is required in the reference to '{0}', which is not defined in the template. Please see https://aka.ms/arm-function-reference for usage details."
    )]
    NoApiVersion(String),
}

/// Why a template is not deployed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateError {
    /// Part of the request cannot be deserialized.
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
        /// The problem.
        error: ExpressionError,
    },
    /// An expression of a resource before its id is known.
    #[error(
        "Deployment template validation failed: 'The template resource '{name}' is not valid: {error}'."
    )]
    InName {
        /// Its name as written.
        name: String,
        /// The problem.
        error: ExpressionError,
    },
    /// An output.
    #[error(
        "Deployment template validation failed: 'The template output '{name}' is not valid: {problem} Please see https://aka.ms/arm-syntax-outputs for usage details.'."
    )]
    Output {
        /// Its name.
        name: String,
        /// The problem, as a sentence.
        problem: String,
    },
    /// A parameter has no value.
    #[error(
        "Deployment template validation failed: 'The value for the template parameter '{0}' is not provided. Please see https://aka.ms/arm-create-parameter-file for usage details.'."
    )]
    MissingValue(String),
    /// Values are given for unknown parameters.
    #[error(
        "Deployment template validation failed: 'The template parameters '{given}' in the parameters file are not valid; they are not present in the original template and can therefore not be provided at deployment time. The only supported parameters for this template are '{known}'. Please see https://aka.ms/arm-pass-parameter-values for usage details.'."
    )]
    UnknownParameters {
        /// The unknown parameters.
        given: String,
        /// The declared parameters.
        known: String,
    },
    /// A value does not have the type of its parameter.
    #[error(
        "Deployment template validation failed: 'Template parameter JToken type is not valid. Expected '{expected}'. Actual '{actual}'. Please see https://aka.ms/arm-create-parameter-file for usage details.'."
    )]
    ParameterType {
        /// The expected type.
        expected: &'static str,
        /// The actual type.
        actual: &'static str,
    },
    /// A value violates a constraint of its parameter.
    #[error(
        "Deployment template validation failed: 'The provided value {value}for the template parameter '{name}' is not valid. {problem}'."
    )]
    ParameterValue {
        /// The value in quotes and a space, or nothing if it is secret.
        value: String,
        /// The parameter.
        name: String,
        /// The problem, as a sentence.
        problem: String,
    },
    /// A resource has more or fewer names than its type has segments.
    #[error(
        "Deployment template validation failed: 'The template resource '{name}' for type '{kind}' has incorrect segment lengths. A nested resource type must have identical number of segments as its resource name. A root resource type must have segment length one greater than its resource name. Please see https://aka.ms/arm-syntax-resources for usage details.'."
    )]
    Segments {
        /// The name of the resource.
        name: String,
        /// Its type.
        kind: String,
    },
    /// The schema is unknown.
    #[error(
        "Deployment template validation failed: 'The template schema '{0}' is not supported. Please see https://aka.ms/arm-syntax for usage details.'."
    )]
    Schema(String),
    /// The template defines a resource twice.
    #[error(
        "Deployment template validation failed: 'The resource '{0}' is defined multiple times in a template. Please see https://aka.ms/arm-syntax-resources for usage details.'."
    )]
    DuplicateResource(String),
    /// `dependsOn` names a resource that is not in the template.
    #[error(
        "Deployment template validation failed: 'The resource '{0}' is not defined in the template. Please see https://aka.ms/arm-syntax for usage details.'."
    )]
    UnknownDependency(String),
    /// Resources depend on each other in a cycle.
    #[error(
        "Deployment template validation failed: 'Circular dependency detected on resource: '{0}'. Please see https://aka.ms/arm-syntax-resources for usage details.'."
    )]
    CircularDependency(String),
    /// Azure supports this; this emulator does not.
    #[error("{0} is not supported by this emulator.")]
    Unsupported(String),
    /// The template exceeds a limit.
    #[error(
        "Deployment template validation failed: 'The number of template {what} limit exceeded. Limit: '{limit}' and actual: '{actual}'.'."
    )]
    TooMany {
        /// The limited items.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// The actual number.
        actual: usize,
    },
}

impl TemplateError {
    /// Azure's code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Content(_) => "InvalidRequestContent",
            // Our own code: Azure supports this.
            Self::Unsupported(_) => "NotSupported",
            _ => "InvalidTemplate",
        }
    }
}
