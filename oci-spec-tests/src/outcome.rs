//! The results of a case: the clause held, the registry does not offer the feature, or the case failed.
//!
//! Every case returns one of these; `report` and the tests read them. A failure is one sentence that shows the exchange.

use std::fmt;

/// The result of a case without a failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The registry behaved as the clause says.
    Held,
    /// The registry does not offer the feature of the clause, which the specification permits; the text says how it answered.
    NotSupported(String),
}

/// The registry broke a clause, or a step of the case failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    message: String,
}

impl Failure {
    /// Creates a failure with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(format!("the connection failed: {error}"))
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        Self::new(format!("the exchange failed: {error:?}"))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(format!("the JSON does not have the specified form: {error}"))
    }
}

/// Fails the case with a message if the condition does not hold.
macro_rules! ensure {
    ($condition:expr, $($sentence:tt)+) => {
        if !$condition {
            return Err($crate::Failure::new(format!($($sentence)+)));
        }
    };
}
pub(crate) use ensure;

/// Ends the case: the registry does not offer the feature, and need not.
macro_rules! not_supported {
    ($($sentence:tt)+) => {
        return Ok($crate::Outcome::NotSupported(format!($($sentence)+)))
    };
}
pub(crate) use not_supported;
