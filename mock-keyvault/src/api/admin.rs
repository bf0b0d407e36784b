//! The admin API of the mock vault itself, under `/_keyvault/`: health, audit, clock.
//!
//! Health needs no token and no trust. The rest answers only whom [`crate::guard`] lets through.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::read;
use crate::identity;
use crate::router::App;

#[derive(Deserialize)]
struct ClockRequest {
    /// An ISO 8601 duration of days, hours, minutes and seconds, such as `PT1H`.
    advance: String,
}

/// Answers a request whose path begins with `/_keyvault/`. `host` is what the client used.
pub(crate) async fn answer(app: &Arc<App>, host: &str, request: Request<Body>) -> Response {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    if path == "/_keyvault/health" {
        return health(app);
    }
    if let Err(refusal) = app.guard.admit(host, &request) {
        return words(StatusCode::FORBIDDEN, &refusal.to_string());
    }
    if path.starts_with(identity::PRINCIPALS_PATH) {
        return identity::answer_principals(&app.issuer, request).await;
    }
    let method = request.method().clone();
    match (&method, path.as_str()) {
        (&Method::GET, "/_keyvault/audit") => Json(app.audit.calls()).into_response(),
        (&Method::GET, "/_keyvault/clock") => clock(app),
        (&Method::POST, "/_keyvault/clock") => advance(app, request.into_body()).await,
        _ => words(
            StatusCode::NOT_FOUND,
            "there is /_keyvault/health, /_keyvault/audit, /_keyvault/clock and /_keyvault/principals",
        ),
    }
}

/// Whether all is well, and what a person should know before they trust the answers here.
fn health(app: &App) -> Response {
    let mut warnings = Vec::new();
    if app.accept_any_token {
        warnings.push(crate::auth::ANY_TOKEN_WARNING);
    }
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "acceptsAnyToken": app.accept_any_token,
        "warnings": warnings,
    }))
    .into_response()
}

fn clock(app: &App) -> Response {
    let now = app.clock.now().format(&Rfc3339).unwrap_or_default();
    Json(json!({
        "now": now,
        "offset": format!("PT{}S", app.clock.offset().whole_seconds()),
        "frozen": app.clock.is_frozen(),
    }))
    .into_response()
}

async fn advance(app: &Arc<App>, body: Body) -> Response {
    let request: ClockRequest = match read(body).await {
        Ok(request) => request,
        Err(error) => return words(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let Some(by) = duration(&request.advance) else {
        return words(StatusCode::BAD_REQUEST, "advance takes a duration such as PT1H or P90D");
    };
    app.clock.advance(by);
    let kept = tokio::task::spawn_blocking({
        let app = Arc::clone(app);
        move || app.keep_clock()
    });
    match kept.await {
        Ok(Ok(())) => clock(app),
        Ok(Err(error)) => words(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        Err(error) => words(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn words(status: StatusCode, words: &str) -> Response {
    (status, Json(json!({"error": {"code": status.as_u16(), "message": words}}))).into_response()
}

/// A duration in the form of ISO 8601, from days down to seconds.
fn duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let days = summed(days, &[('D', 86_400)])?;
    let time = summed(time, &[('H', 3600), ('M', 60), ('S', 1)])?;
    Some(Duration::from_secs(days.checked_add(time)?))
}

/// Adds up numbers with these units, in this order.
fn summed(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut sum = 0_u64;
    for (unit, seconds) in units {
        if let Some((number, rest)) = text.split_once(*unit) {
            sum =
                sum.checked_add(number.parse::<u32>().ok().map(u64::from)?.checked_mul(*seconds)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_anything_else_is_refused() {
        assert_eq!(duration("PT1H"), Some(Duration::from_hours(1)));
        assert_eq!(duration("P90D"), Some(Duration::from_hours(2160)));
        assert_eq!(duration("P1DT2H3M4S"), Some(Duration::from_secs(93_784)));
        for text in ["", "P", "PT", "1h", "PT1", "P1H", "PT1S1H", "P-1D", "PT99999999999H"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
