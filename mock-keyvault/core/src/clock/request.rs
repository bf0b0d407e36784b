//! The request to move, freeze or resume a clock: one body for the vault's admin API and for the registry's.
//!
//! A request is parsed, then planned against the current time. The owner of the clock carries the plan out, and does the
//! work that becomes due meanwhile. Time only moves forward. If it moved back, leases, tokens and versions would have been
//! made in the future, and a lease that had ended would be valid again.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::duration::IsoDuration;

/// The body of a request. At least one field is set, and all that are set are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockRequest {
    /// Lets frozen time run again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub resume: bool,
    /// Moves time forward by this duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advance: Option<IsoDuration>,
    /// Moves time forward to this moment.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub set: Option<OffsetDateTime>,
    /// Stops time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub freeze: bool,
}

/// The latest moment that a clock can be moved to. A running clock goes on from there, and moments that lie ahead of it,
/// such as the end of a token, must be in the calendar as well.
const LAST: OffsetDateTime = time::macros::datetime!(9900-01-01 0:00 UTC);

/// The changes that a request makes to a clock. Time stops before it is moved, so that it stops exactly at the given moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockPlan {
    /// Whether time is resumed first.
    pub resume: bool,
    /// Whether time is frozen first.
    pub freeze: bool,
    /// How far time is moved; zero if it is not moved.
    pub by: time::Duration,
    /// The moment that this leads to, if time does not run meanwhile.
    pub to: OffsetDateTime,
}

/// The reason that a clock is not moved. Each is a sentence for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockRequestError {
    /// The request asks for no change.
    #[error(
        "send one of {{\"advance\":\"PT1H\"}}, {{\"set\":\"2027-01-01T00:00:00Z\"}}, {{\"freeze\":true}} and {{\"resume\":true}}"
    )]
    Nothing,
    /// Time cannot be frozen and resumed by one request.
    #[error("freeze and resume exclude each other")]
    FreezeAndResume,
    /// The request moves time twice.
    #[error("advance and set exclude each other")]
    AdvanceAndSet,
    /// The moment is too late: the calendar ends with the year 9999, and moments ahead of the clock must be in it.
    #[error("the clock cannot be moved beyond the year 9899: the calendar ends with the year 9999")]
    BeyondTheCalendar,
    /// The moment has passed.
    #[error(
        "the clock only moves forward, and it is {} already: keys and tokens made since then would be from the future",
        now.format(&Rfc3339).unwrap_or_else(|_| now.to_string())
    )]
    Backwards {
        /// The current time.
        now: OffsetDateTime,
    },
}

impl ClockRequest {
    /// The plan for this request if the time is `now`.
    pub fn plan(&self, now: OffsetDateTime) -> Result<ClockPlan, ClockRequestError> {
        if self.freeze && self.resume {
            return Err(ClockRequestError::FreezeAndResume);
        }
        let target = match (self.advance, self.set) {
            (Some(_), Some(_)) => return Err(ClockRequestError::AdvanceAndSet),
            (None, None) if !self.freeze && !self.resume => return Err(ClockRequestError::Nothing),
            (None, None) => now,
            (Some(by), None) => by.after(now).ok_or(ClockRequestError::BeyondTheCalendar)?,
            (None, Some(set)) if set < now => return Err(ClockRequestError::Backwards { now }),
            (None, Some(set)) => set,
        };
        let plan = ClockPlan::forward(now, target - now)?;
        Ok(ClockPlan { resume: self.resume, freeze: self.freeze, ..plan })
    }
}

impl ClockPlan {
    /// The plan that moves time forward by a duration if the time is `now`.
    pub fn forward(now: OffsetDateTime, by: time::Duration) -> Result<Self, ClockRequestError> {
        let to = now.checked_add(by).filter(|to| by.is_zero() || *to <= LAST);
        let to = to.ok_or(ClockRequestError::BeyondTheCalendar)?;
        Ok(Self { resume: false, freeze: false, by, to })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-31 0:00 UTC);

    fn planned(body: &str) -> Result<ClockPlan, String> {
        let request: ClockRequest =
            serde_json::from_str(body).map_err(|error| error.to_string())?;
        let written = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<ClockRequest>(&written).unwrap(), request);
        request.plan(NOW).map_err(|error| error.to_string())
    }

    #[test]
    fn time_moves_by_a_duration_of_the_calendar_or_to_a_moment() {
        let moved = |by| ClockPlan { resume: false, freeze: false, by, to: NOW + by };

        assert_eq!(planned(r#"{"advance":"P1M"}"#), Ok(moved(time::Duration::days(28))));
        assert_eq!(
            planned(r#"{"set":"2026-02-01T00:00:00Z","freeze":true}"#),
            Ok(ClockPlan { freeze: true, ..moved(time::Duration::days(1)) })
        );
        assert_eq!(
            planned(r#"{"resume":true}"#),
            Ok(ClockPlan { resume: true, ..moved(time::Duration::ZERO) })
        );
    }

    #[test]
    fn a_request_that_makes_no_sense_is_refused() {
        for body in [
            "{}",
            "[]",
            r#"{"advance":"1h"}"#,
            r#"{"advance":"-PT1H"}"#,
            r#"{"advance":"P9999999Y"}"#,
            r#"{"advanced":"PT1H"}"#,
            r#"{"set":"2025-01-01T00:00:00Z"}"#,
            r#"{"set":"9999-12-31T23:59:59Z"}"#,
            r#"{"set":"tomorrow"}"#,
            r#"{"set":"2027-01-01T00:00:00Z","advance":"PT1H"}"#,
            r#"{"freeze":true,"resume":true}"#,
        ] {
            assert!(planned(body).is_err(), "{body}");
        }
    }
}
