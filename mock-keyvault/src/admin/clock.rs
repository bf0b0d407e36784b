//! `GET` and `POST /_keyvault/clock`: the time that everything goes by.
//!
//! A move is kept, so that it holds after a restart, and answered when everything that became due was done. Time moves
//! forward alone: what was made in a future that is gone would make no sense.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request};
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{AdminError, read};
use crate::clock::Clock;
use crate::duration::IsoDuration;
use crate::router::App;

/// The body of a move. At least one is there; all that are there are done, in this order.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockRequest {
    /// Lets frozen time run on.
    #[serde(default)]
    resume: bool,
    /// Moves time forward by this.
    advance: Option<IsoDuration>,
    /// Moves time forward to this.
    #[serde(default, with = "time::serde::rfc3339::option")]
    set: Option<OffsetDateTime>,
    /// Stops time.
    #[serde(default)]
    freeze: bool,
}

pub(super) async fn answer(app: &Arc<App>, request: Request<Body>) -> Result<Response, AdminError> {
    match *request.method() {
        Method::GET => Ok(report(&app.clock)),
        Method::POST => {
            let asked: ClockRequest = read(request.into_body()).await?;
            change(&app.clock, &asked)?;
            let keeper = Arc::clone(app);
            let done = tokio::task::spawn_blocking(move || {
                keeper.keep_clock()?;
                keeper.vaults.run_due(|| keeper.stop.is_cancelled())
            });
            done.await.map_err(|error| AdminError::Failed(error.to_string()))??;
            if app.stop.is_cancelled() {
                let words = "it ends; what became due goes on at the next start";
                return Err(AdminError::Failed(words.to_owned()));
            }
            Ok(report(&app.clock))
        }
        _ => Err(AdminError::MethodNotAllowed(request.uri().path().to_owned())),
    }
}

fn change(clock: &Clock, asked: &ClockRequest) -> Result<(), AdminError> {
    let bad = |words: &str| Err(AdminError::Bad(words.to_owned()));
    if asked.freeze && asked.resume {
        return bad("freeze and resume exclude each other");
    }
    let now = clock.now();
    let target = match (asked.advance, asked.set) {
        (Some(_), Some(_)) => return bad("advance and set exclude each other"),
        (None, None) if !asked.freeze && !asked.resume => {
            return bad(
                "send one of {\"advance\":\"PT1H\"}, {\"set\":\"2027-01-01T00:00:00Z\"}, {\"freeze\":true} and {\"resume\":true}",
            );
        }
        (None, None) => now,
        (Some(by), None) => match by.after(now) {
            Some(target) => target,
            None => return bad("that is beyond the end of the calendar"),
        },
        (None, Some(set)) if set < now => return bad("the clock moves forward alone"),
        (None, Some(set)) => set,
    };
    if asked.resume {
        clock.resume();
    }
    clock.advance(Duration::try_from(target - now).unwrap_or(Duration::ZERO));
    if asked.freeze {
        clock.freeze();
    }
    Ok(())
}

fn report(clock: &Clock) -> Response {
    let now = clock.now().format(&Rfc3339).unwrap_or_default();
    Json(json!({
        "now": now,
        "offset": format!("PT{}S", clock.offset().whole_seconds()),
        "frozen": clock.is_frozen(),
    }))
    .into_response()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-01-31 0:00 UTC);

    fn asked(clock: &Clock, body: &str) -> Result<(), String> {
        let request = serde_json::from_str(body).map_err(|error| error.to_string())?;
        change(clock, &request).map_err(|error| error.to_string())
    }

    #[test]
    fn time_moves_by_a_span_of_the_calendar_or_to_a_moment() {
        let clock = Clock::manual(START);

        asked(&clock, r#"{"advance":"P1M"}"#).unwrap();
        assert_eq!(clock.now(), datetime!(2026-02-28 0:00 UTC));
        asked(&clock, r#"{"set":"2027-01-01T00:00:00Z","freeze":true}"#).unwrap();
        clock.pass(Duration::from_secs(5));
        assert_eq!(clock.now(), datetime!(2027-01-01 0:00 UTC));
        asked(&clock, r#"{"resume":true,"advance":"PT1S"}"#).unwrap();
        clock.pass(Duration::from_secs(5));
        assert_eq!(clock.now(), datetime!(2027-01-01 0:00:06 UTC));
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_moves_nothing() {
        let clock = Clock::manual(START);

        for body in [
            "{}",
            "[]",
            r#"{"advance":"1h"}"#,
            r#"{"advance":"-PT1H"}"#,
            r#"{"advance":"P9999999Y"}"#,
            r#"{"advanced":"PT1H"}"#,
            r#"{"set":"2025-01-01T00:00:00Z"}"#,
            r#"{"set":"tomorrow"}"#,
            r#"{"set":"2027-01-01T00:00:00Z","advance":"PT1H"}"#,
            r#"{"freeze":true,"resume":true}"#,
        ] {
            assert!(asked(&clock, body).is_err(), "{body}");
        }
        assert_eq!((clock.now(), clock.is_frozen()), (START, false));
    }
}
