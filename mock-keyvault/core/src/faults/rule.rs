//! A rule: which requests it affects, its effect, how long it lasts, and its valid values. `rule_json.rs` parses and writes rules.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::FaultError;
use super::plan::Effect;

/// The longest latency of a rule.
const MAX_LATENCY: Duration = Duration::from_mins(10);

/// A rule.
#[derive(Clone, Debug)]
pub struct FaultRule {
    /// The class of requests that it applies to.
    pub on: String,
    /// Its kind of fault.
    pub kind: FaultKind,
    /// How many requests it affects; `None` means all.
    pub times: Option<u64>,
    /// How long it lasts; `None` means until it is removed.
    pub lasts: Option<Duration>,
    /// The time in which [`Self::lasts`] counts.
    pub by: TimeKind,
    /// The probability that it affects a request, from 0 to 1; `None` means always.
    pub probability: Option<f64>,
    /// The seed of the random choice.
    pub seed: Option<u64>,
    /// The name by which it can be removed; without one, it gets one.
    pub name: Option<String>,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The request waits this long in real time.
    Latency(Duration),
    /// The server answers with a status of a refusal or a failure.
    Status {
        /// The status, from 400 to 599.
        status: u16,
        /// How many seconds the client should wait.
        retry_after: Option<u64>,
    },
    /// The server closes the connection without an answer.
    Reset,
    /// The server closes the connection in the middle of the answer.
    Cut,
    /// The server behaves as if it were absent.
    Outage,
}

/// The time in which a rule's duration counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TimeKind {
    /// Emulator time, which can be moved.
    #[default]
    Clock,
    /// Real time.
    Real,
}

impl FaultKind {
    /// The name of the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Status { .. } => "status",
            Self::Reset => "reset",
            Self::Cut => "cut",
            Self::Outage => "outage",
        }
    }

    /// The effect on a request, besides a latency.
    pub(super) fn effect(self) -> Option<Effect> {
        match self {
            Self::Latency(_) => None,
            Self::Status { status, retry_after } => Some(Effect::Status { status, retry_after }),
            Self::Reset => Some(Effect::Reset),
            Self::Cut => Some(Effect::Cut),
            Self::Outage => Some(Effect::Outage),
        }
    }
}

impl FaultRule {
    /// A rule that affects all requests of a class until it is removed.
    pub fn new(on: impl Into<String>, kind: FaultKind) -> Self {
        Self {
            on: on.into(),
            kind,
            times: None,
            lasts: None,
            by: TimeKind::Clock,
            probability: None,
            seed: None,
            name: None,
        }
    }

    /// Affects only this many requests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Lasts this long.
    #[must_use]
    pub fn lasting(mut self, lasts: Duration, by: TimeKind) -> Self {
        (self.lasts, self.by) = (Some(lasts), by);
        self
    }

    /// Affects a request with this probability, from 0 to 1. The same seed affects the same requests again.
    #[must_use]
    pub fn by_chance(mut self, probability: f64, seed: u64) -> Self {
        (self.probability, self.seed) = (Some(probability), Some(seed));
        self
    }

    /// Can be removed and replaced by this name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Refuses values that are not valid.
    pub(super) fn refuse_nonsense(&self) -> Result<(), FaultError> {
        let value = |field, takes| Err(FaultError::Value { field, takes });
        match self.kind {
            FaultKind::Latency(latency) if latency > MAX_LATENCY => {
                return value("latencyMs", "at most ten minutes");
            }
            FaultKind::Status { status, .. } if !(400..=599).contains(&status) => {
                return value("status", "a number from 400 to 599");
            }
            _ => (),
        }
        if self.times == Some(0) {
            return value("times", "a number from 1");
        }
        if self.probability.is_some_and(|chance| !(chance > 0.0 && chance <= 1.0)) {
            return value("probability", "a number above 0 and at most 1");
        }
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fits = |name: &str| (1..=64).contains(&name.len()) && name.bytes().all(is_name_byte);
        if self.name.as_deref().is_some_and(|name| !fits(name)) {
            return value("name", "1 to 64 letters, digits and hyphens");
        }
        Ok(())
    }
}
