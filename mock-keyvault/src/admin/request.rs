//! Reads the method, the body and the query of a request.

use axum::body::Body;
use http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use super::error::AdminError;

/// The largest body that is read, in bytes.
const MAX_BODY: usize = 64 << 10;

pub(super) fn only(method: &Method, request: &Request<Body>) -> Result<(), AdminError> {
    if request.method() == method {
        return Ok(());
    }
    Err(AdminError::MethodNotAllowed(request.uri().path().to_owned()))
}

pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, AdminError> {
    let bytes = Limited::new(body, MAX_BODY)
        .collect()
        .await
        .map_err(|error| AdminError::Bad(format!("the body cannot be read: {error}")))?
        .to_bytes();
    serde_json::from_slice(&bytes)
        .map_err(|error| AdminError::Bad(format!("the body is not valid: {error}")))
}

/// The parts of a query, decoded, in their order.
pub(super) fn query(request: &Request<Body>) -> Vec<(String, String)> {
    let plain =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let text = request.uri().query().unwrap_or_default();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (plain(name), plain(value)))
        .collect()
}

/// Parses a moment in a query: RFC 3339, or seconds since 1970.
pub(super) fn moment(name: &str, text: &str) -> Result<time::OffsetDateTime, AdminError> {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    let seconds = text.parse().ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    // HTML forms encode a space in a query as a plus sign.
    seconds.or_else(|| OffsetDateTime::parse(&text.replace(' ', "+"), &Rfc3339).ok()).ok_or_else(
        || {
            AdminError::Bad(format!(
                "{name} must be a time such as 2026-01-01T00:00:00Z, or seconds since 1970"
            ))
        },
    )
}
