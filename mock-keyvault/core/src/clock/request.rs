//! What a clock is asked to do from outside: one body for the vault's admin API and for the registry's.
//!
//! A request is parsed, then planned against the time that it is; whoever owns the clock carries the plan out, and has
//! everything done that becomes due on the way. Time moves forward alone: a lease, a token or a version that was made
//! in a future that is gone would make no sense, and a lease that had ended would hold again.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::duration::IsoDuration;

/// The body of a request. At least one is there; all that are there are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockRequest {
    /// Lets frozen time run on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub resume: bool,
    /// Moves time forward by this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advance: Option<IsoDuration>,
    /// Moves time forward to this.
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

/// Where a clock can be moved to at most. A running one goes on from there, and what lies a lifetime ahead of it, such as
/// the end of a token, has to be in the calendar as well.
const LAST: OffsetDateTime = time::macros::datetime!(9900-01-01 0:00 UTC);

/// What is to be done to a clock. Time stops before it is moved, so that it stops at the very moment that was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockPlan {
    /// Time runs on first.
    pub resume: bool,
    /// Time stops first.
    pub freeze: bool,
    /// How far time moves; zero if it is not moved.
    pub by: time::Duration,
    /// Where that leads, as far as time stands still.
    pub to: OffsetDateTime,
}

/// Why a clock is not moved. Each is a sentence for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockRequestError {
    /// Nothing was asked for.
    #[error(
        "send one of {{\"advance\":\"PT1H\"}}, {{\"set\":\"2027-01-01T00:00:00Z\"}}, {{\"freeze\":true}} and {{\"resume\":true}}"
    )]
    Nothing,
    /// Time cannot stop and run on.
    #[error("freeze and resume exclude each other")]
    FreezeAndResume,
    /// There is one way to move it.
    #[error("advance and set exclude each other")]
    AdvanceAndSet,
    /// The calendar ends with the year 9999, and what lies ahead of the clock has to be in it.
    #[error("that is beyond the end of the calendar")]
    BeyondTheCalendar,
    /// The moment has passed.
    #[error(
        "the clock only moves forward, and it is {} already: what was made since then would be from the future",
        now.format(&Rfc3339).unwrap_or_else(|_| now.to_string())
    )]
    Backwards {
        /// The time that it is.
        now: OffsetDateTime,
    },
}

impl ClockRequest {
    /// What is to be done, if it is `now`.
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
    /// Time moves forward by this, if it is `now`.
    pub fn forward(now: OffsetDateTime, by: time::Duration) -> Result<Self, ClockRequestError> {
        let to = now.checked_add(by).filter(|to| by.is_zero() || *to <= LAST);
        let to = to.ok_or(ClockRequestError::BeyondTheCalendar)?;
        Ok(Self { resume: false, freeze: false, by, to })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
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
    fn time_moves_by_a_span_of_the_calendar_or_to_a_moment() {
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
    fn what_makes_no_sense_is_refused() {
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
