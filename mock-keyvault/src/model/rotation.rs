//! The terms of rotation policies, and their limits.
//!
//! A policy replaces the earlier one completely. The service adds a notice of thirty days to every policy without a notice, and
//! so does this vault.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::error::VaultError;
use azure_emulator_core::duration::IsoDuration;

const SECONDS_PER_DAY: i64 = 86_400;
/// The shortest time of a trigger after the creation or before the expiry.
const SHORTEST_TRIGGER_DAYS: i64 = 7;
/// The shortest lifetime of a version.
const SHORTEST_LIFE_DAYS: i64 = 28;

/// When the expiry of a key is announced unless its policy says otherwise.
pub(crate) const DEFAULT_NOTICE: IsoDuration = IsoDuration::days(30);

/// When a new version is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Trigger {
    /// This long after the creation of the newest version.
    AfterCreate(IsoDuration),
    /// This long before the newest version expires.
    BeforeExpiry(IsoDuration),
}

/// The requested terms of a policy; checked by [`PolicyTerms::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyTerms {
    pub(crate) rotate: Option<Trigger>,
    /// How long before its expiry the vault announces a version.
    pub(crate) notify_before_expiry: IsoDuration,
    /// The lifetime of a version that a rotation creates.
    pub(crate) expiry: Option<IsoDuration>,
}

/// The policy of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RotationPolicy {
    pub(crate) terms: PolicyTerms,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

impl PolicyTerms {
    /// Checks the terms as the service does. Azure's messages of refusals are not known.
    pub(crate) fn new(
        rotate: Option<Trigger>,
        notify_before_expiry: Option<IsoDuration>,
        expiry: Option<IsoDuration>,
    ) -> Result<Self, VaultError> {
        let bad = |message: &str| Err(VaultError::BadParameter(message.to_owned()));
        let is_shorter =
            |span: IsoDuration, days: i64| span.shortest_seconds() < days * SECONDS_PER_DAY;
        if expiry.is_some_and(|expiry| is_shorter(expiry, SHORTEST_LIFE_DAYS)) {
            return bad("Invalid value of 'expiryTime': it must be at least 28 days.");
        }
        let trigger = match rotate {
            None => None,
            Some(Trigger::AfterCreate(span) | Trigger::BeforeExpiry(span)) => Some(span),
        };
        for span in trigger.iter().chain(&notify_before_expiry) {
            if is_shorter(*span, SHORTEST_TRIGGER_DAYS) {
                return bad("Invalid trigger of a lifetime action: it must be at least 7 days.");
            }
        }
        match (trigger, expiry) {
            (Some(span), Some(expiry)) => {
                let left = expiry.shortest_seconds().saturating_sub(span.shortest_seconds());
                if left < SHORTEST_TRIGGER_DAYS * SECONDS_PER_DAY {
                    return bad(
                        "Invalid trigger of the action 'Rotate': it must lie at least 7 days within 'expiryTime'.",
                    );
                }
            }
            (Some(_), None) if matches!(rotate, Some(Trigger::BeforeExpiry(_))) => {
                return bad(
                    "The trigger 'timeBeforeExpiry' of the action 'Rotate' needs 'expiryTime'.",
                );
            }
            _ => (),
        }
        let notify_before_expiry = notify_before_expiry.unwrap_or(DEFAULT_NOTICE);
        Ok(Self { rotate, notify_before_expiry, expiry })
    }

    /// The terms of a key without a policy.
    pub(crate) fn unset() -> Self {
        Self { rotate: None, notify_before_expiry: DEFAULT_NOTICE, expiry: None }
    }
}

impl RotationPolicy {
    /// When a version that is created at `created` expires.
    pub(crate) fn end_of(&self, created: i64) -> Option<i64> {
        let created = OffsetDateTime::from_unix_timestamp(created).ok()?;
        Some(self.terms.expiry?.after(created)?.unix_timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rotate: Option<Trigger>, notify: Option<&str>, expiry: Option<&str>, fits: bool) {
        let span = |text: Option<&str>| text.map(|text| text.parse::<IsoDuration>().unwrap());

        let terms = PolicyTerms::new(rotate, span(notify), span(expiry));

        assert_eq!(terms.is_ok(), fits, "{rotate:?} {notify:?} {expiry:?}: {terms:?}");
    }

    #[test]
    fn a_policy_must_be_within_the_limits_of_the_service() {
        let after = |text: &str| Some(Trigger::AfterCreate(text.parse().unwrap()));
        let before = |text: &str| Some(Trigger::BeforeExpiry(text.parse().unwrap()));

        // Terms that the service accepts in recorded traffic.
        check(after("P15D"), Some("P7D"), Some("P30D"), true);
        check(after("P2M"), None, None, true);
        check(before("P30D"), None, Some("P90D"), true);
        check(None, Some("P30D"), Some("P90D"), true);
        check(None, Some("P30D"), None, true);
        // The limits.
        check(after("P7D"), None, None, true);
        check(after("PT167H"), None, None, false);
        check(before("P6D"), None, Some("P90D"), false);
        check(None, Some("P6D"), Some("P90D"), false);
        check(None, None, Some("P28D"), true);
        check(None, None, Some("P1M"), true);
        check(None, None, Some("P27D"), false);
        check(before("P30D"), None, None, false);
        check(before("P23D"), None, Some("P30D"), true);
        check(before("P24D"), None, Some("P30D"), false);
        check(after("P24D"), None, Some("P30D"), false);
    }
}
