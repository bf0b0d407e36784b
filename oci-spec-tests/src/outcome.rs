//! How a case ends: the clause held, the registry does not offer it, or it failed.
//!
//! Every case returns these; `report` and the tests read them. A failure is one sentence that shows the exchange.

use std::fmt;

/// How a case ended when nothing was wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The registry did what the clause says.
    Held,
    /// The registry does not offer what the clause is about, in a way that the specification permits; the text says how it answered.
    NotSupported(String),
}

/// The registry broke a clause, or a step that the case needs did not work.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    message: String,
}

impl Failure {
    /// A failure that says `message`.
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
        Self::new(format!("the JSON is not as specified: {error}"))
    }
}

/// Fails the case with a sentence if the condition does not hold.
macro_rules! ensure {
    ($condition:expr, $($sentence:tt)+) => {
        if !$condition {
            return Err($crate::Failure::new(format!($($sentence)+)));
        }
    };
}
pub(crate) use ensure;

/// The case ends here: the registry does not offer this, and may.
macro_rules! not_supported {
    ($($sentence:tt)+) => {
        return Ok($crate::Outcome::NotSupported(format!($($sentence)+)))
    };
}
pub(crate) use not_supported;
