//! The states, and a state with its cause and time.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::cause::Cause;

/// Whether content can be served.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// The vault granted the last request, or there was no need to ask it.
    Active,
    /// The vault was asked, and nothing is known until it answers.
    Checking,
    /// The vault refused, or does not answer and the lease has ended.
    Unavailable,
}

/// The state, and since when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    /// Whether content can be served.
    pub state: State,
    /// The cause.
    pub cause: Option<Cause>,
    /// The message of the cause.
    pub message: Option<String>,
    /// Since when, in emulator time.
    pub since: OffsetDateTime,
}

impl State {
    /// The name for programs, as it is serialized.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Checking => "checking",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
