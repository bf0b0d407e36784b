//! A rule: which requests it affects, its effect, and how long it lasts. This module parses rules from JSON and checks them.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::plan::Effect;
use crate::duration::IsoDuration;

/// The longest latency of a rule.
const MAX_LATENCY: Duration = Duration::from_mins(10);

/// A rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Wire")]
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

/// A rule as it is in JSON.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    #[serde(default)]
    on: String,
    #[serde(default)]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    lasts: Option<IsoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<TimeKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
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

    /// Parses a rule from JSON.
    pub fn read(rule: serde_json::Value) -> Result<Self, FaultError> {
        let wire: Wire = serde_json::from_value(rule)
            .map_err(|error| FaultError::Malformed(error.to_string()))?;
        wire.try_into()
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

impl TryFrom<Wire> for FaultRule {
    type Error = FaultError;

    fn try_from(wire: Wire) -> Result<Self, FaultError> {
        if wire.on.is_empty() || wire.kind.is_empty() {
            return Err(FaultError::Incomplete);
        }
        let needs = |field| FaultError::Missing { kind: wire.kind.clone(), field };
        let kind = match wire.kind.as_str() {
            "latency" => FaultKind::Latency(Duration::from_millis(
                wire.latency_ms.ok_or_else(|| needs("latencyMs"))?,
            )),
            "status" => FaultKind::Status {
                status: wire.status.ok_or_else(|| needs("status"))?,
                retry_after: wire.retry_after,
            },
            "reset" => FaultKind::Reset,
            "cut" => FaultKind::Cut,
            "outage" => FaultKind::Outage,
            _ => return Err(FaultError::Kind(wire.kind)),
        };
        let is_status = matches!(kind, FaultKind::Status { .. });
        let fields = [
            ("latencyMs", wire.latency_ms.is_some() && !matches!(kind, FaultKind::Latency(_))),
            ("status", wire.status.is_some() && !is_status),
            ("retryAfter", wire.retry_after.is_some() && !is_status),
            ("by", wire.by.is_some() && wire.lasts.is_none()),
            ("seed", wire.seed.is_some() && wire.probability.is_none()),
        ];
        if let Some((field, _)) = fields.into_iter().find(|(_, is_superfluous)| *is_superfluous) {
            return Err(match field {
                "by" => FaultError::Value { field, takes: "effect only together with for" },
                "seed" => {
                    FaultError::Value { field, takes: "effect only together with probability" }
                }
                _ => FaultError::Superfluous { kind: wire.kind, field },
            });
        }
        let seconds = |span: IsoDuration| u64::try_from(span.shortest_seconds()).unwrap_or(0);
        let rule = Self {
            on: wire.on,
            kind,
            times: wire.times,
            lasts: wire.lasts.map(|lasts| Duration::from_secs(seconds(lasts))),
            by: wire.by.unwrap_or_default(),
            probability: wire.probability,
            seed: wire.seed,
            name: wire.name,
        };
        rule.refuse_nonsense()?;
        Ok(rule)
    }
}

impl Serialize for FaultRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = Wire {
            on: self.on.clone(),
            kind: self.kind.as_str().to_owned(),
            times: self.times,
            lasts: self.lasts.map(|lasts| {
                IsoDuration::seconds(u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX))
            }),
            by: self.lasts.map(|_| self.by),
            probability: self.probability,
            seed: self.seed,
            name: self.name.clone(),
            ..Wire::default()
        };
        match self.kind {
            FaultKind::Latency(latency) => {
                wire.latency_ms = Some(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
            }
            FaultKind::Status { status, retry_after } => {
                (wire.status, wire.retry_after) = (Some(status), retry_after);
            }
            FaultKind::Reset | FaultKind::Cut | FaultKind::Outage => (),
        }
        wire.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_is_written_to_the_json_it_was_parsed_from() {
        for rule in [
            json!({"on": "keys", "kind": "outage"}),
            json!({"on": "keys/unwrapKey", "kind": "status", "status": 429, "retryAfter": 2, "times": 3}),
            json!({"on": "*", "kind": "latency", "latencyMs": 250, "for": "PT90S", "by": "real"}),
            json!({"on": "issuer", "kind": "cut", "probability": 0.5, "seed": 7, "name": "mine"}),
        ] {
            let read: FaultRule = serde_json::from_value(rule.clone()).unwrap();

            assert_eq!(serde_json::to_value(&read).unwrap(), rule);
        }
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused_in_a_sentence() {
        for (rule, message) in [
            (
                json!({"on": "keys", "kind": "slow"}),
                "known are latency, status, reset, cut and outage",
            ),
            (json!({"on": "keys", "kind": "latency"}), "the kind latency needs latencyMs"),
            (json!({"on": "keys", "kind": "status"}), "the kind status needs status"),
            (
                json!({"on": "keys", "kind": "reset", "status": 500}),
                "the kind reset takes no status",
            ),
            (
                json!({"on": "keys", "kind": "status", "status": 200}),
                "status takes a number from 400 to 599",
            ),
            (json!({"on": "keys", "kind": "cut", "times": 0}), "times takes"),
            (json!({"on": "keys", "kind": "cut", "probability": 1.5}), "probability takes"),
            (json!({"on": "keys", "kind": "cut", "seed": 1}), "seed takes"),
            (json!({"on": "keys", "kind": "cut", "by": "real"}), "by takes"),
            (json!({"on": "keys", "kind": "cut", "for": "5 minutes"}), "is not a duration"),
            (json!({"on": "keys", "kind": "cut", "name": "a b"}), "name takes"),
            (json!({"on": "keys", "kind": "cut", "count": 1}), "unknown field `count`"),
            (json!({"kind": "cut"}), "a rule needs on"),
            (json!({"on": "keys"}), "and kind: latency, status"),
        ] {
            let refused =
                serde_json::from_value::<FaultRule>(rule.clone()).unwrap_err().to_string();

            assert!(refused.contains(message), "{rule}: {refused}");
        }
    }
}
