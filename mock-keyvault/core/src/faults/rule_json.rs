//! Rules in JSON: parsing, with a sentence for each mistake, and writing.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::FaultError;
use super::rule::{FaultKind, FaultRule, TimeKind};
use crate::duration::IsoDuration;

/// A rule as it is in JSON.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RuleJson {
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

impl FaultRule {
    /// Parses a rule from JSON.
    pub fn read(rule: serde_json::Value) -> Result<Self, FaultError> {
        let json: RuleJson = serde_json::from_value(rule)
            .map_err(|error| FaultError::Malformed(error.to_string()))?;
        json.try_into()
    }
}

impl<'de> Deserialize<'de> for FaultRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RuleJson::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

impl TryFrom<RuleJson> for FaultRule {
    type Error = FaultError;

    fn try_from(json: RuleJson) -> Result<Self, FaultError> {
        if json.on.is_empty() || json.kind.is_empty() {
            return Err(FaultError::Incomplete);
        }
        let needs = |field| FaultError::Missing { kind: json.kind.clone(), field };
        let kind = match json.kind.as_str() {
            "latency" => FaultKind::Latency(Duration::from_millis(
                json.latency_ms.ok_or_else(|| needs("latencyMs"))?,
            )),
            "status" => FaultKind::Status {
                status: json.status.ok_or_else(|| needs("status"))?,
                retry_after: json.retry_after,
            },
            "reset" => FaultKind::Reset,
            "cut" => FaultKind::Cut,
            "outage" => FaultKind::Outage,
            _ => return Err(FaultError::Kind(json.kind)),
        };
        let is_status = matches!(kind, FaultKind::Status { .. });
        let fields = [
            ("latencyMs", json.latency_ms.is_some() && !matches!(kind, FaultKind::Latency(_))),
            ("status", json.status.is_some() && !is_status),
            ("retryAfter", json.retry_after.is_some() && !is_status),
            ("by", json.by.is_some() && json.lasts.is_none()),
            ("seed", json.seed.is_some() && json.probability.is_none()),
        ];
        if let Some((field, _)) = fields.into_iter().find(|(_, is_superfluous)| *is_superfluous) {
            return Err(match field {
                "by" => FaultError::Value { field, takes: "effect only together with for" },
                "seed" => {
                    FaultError::Value { field, takes: "effect only together with probability" }
                }
                _ => FaultError::Superfluous { kind: json.kind, field },
            });
        }
        let seconds = |span: IsoDuration| u64::try_from(span.shortest_seconds()).unwrap_or(0);
        let rule = Self {
            on: json.on,
            kind,
            times: json.times,
            lasts: json.lasts.map(|lasts| Duration::from_secs(seconds(lasts))),
            by: json.by.unwrap_or_default(),
            probability: json.probability,
            seed: json.seed,
            name: json.name,
        };
        rule.refuse_nonsense()?;
        Ok(rule)
    }
}

impl Serialize for FaultRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = RuleJson {
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
            ..RuleJson::default()
        };
        match self.kind {
            FaultKind::Latency(latency) => {
                json.latency_ms = Some(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
            }
            FaultKind::Status { status, retry_after } => {
                (json.status, json.retry_after) = (Some(status), retry_after);
            }
            FaultKind::Reset | FaultKind::Cut | FaultKind::Outage => (),
        }
        json.serialize(serializer)
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
