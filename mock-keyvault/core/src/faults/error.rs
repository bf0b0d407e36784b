//! The reasons that a rule is not accepted.

/// The reason that a rule is not accepted. Each is a sentence for people.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum FaultError {
    /// The text is not the JSON of a rule.
    #[error("{0}")]
    Malformed(String),
    /// A field is missing that every rule needs.
    #[error(
        "a rule needs on, the class of requests, and kind: latency, status, reset, cut or outage"
    )]
    Incomplete,
    /// There is no such class.
    #[error(
        "there is no class of requests '{requested}': known are *, {known}, and the part of each before its slash"
    )]
    Class {
        /// The class that the rule names.
        requested: String,
        /// The known classes.
        known: String,
    },
    /// A field is missing that the kind needs.
    #[error("the kind {kind} needs {field}")]
    Missing {
        /// The kind.
        kind: String,
        /// The field.
        field: &'static str,
    },
    /// A field is present that the kind does not use.
    #[error("the kind {kind} takes no {field}")]
    Superfluous {
        /// The kind.
        kind: String,
        /// The field.
        field: &'static str,
    },
    /// There is no such kind.
    #[error("there is no kind of fault '{0}': known are latency, status, reset, cut and outage")]
    Kind(String),
    /// A value is not valid.
    #[error("{field} takes {takes}")]
    Value {
        /// The field.
        field: &'static str,
        /// The values that are valid.
        takes: &'static str,
    },
    /// The limit of rules is reached.
    #[error("there are {0} rules already, which is the limit; remove some first")]
    TooMany(usize),
}
