//! Maps a vault's responses to causes, by status and codes.
//!
//! One table for all operations. It has the codes that Azure documents and those that were seen on the wire. The status
//! decides if the code is in neither group.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use crate::keys::{Cause, VaultError};

/// A vault's message is cut after this many characters.
const MAX_MESSAGE: usize = 500;

/// The code for a missing key or key version.
pub(super) const KEY_NOT_FOUND: &str = "KeyNotFound";

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorParts,
}

#[derive(Deserialize)]
struct ErrorParts {
    code: Option<String>,
    message: Option<String>,
    innererror: Option<InnerError>,
}

#[derive(Deserialize)]
struct InnerError {
    code: Option<String>,
}

/// The error that a response stands for.
pub(super) fn error_of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> VaultError {
    let parts = serde_json::from_slice(body).map_or(
        ErrorParts { code: None, message: None, innererror: None },
        |ErrorBody { error }| error,
    );
    let inner = parts.innererror.and_then(|inner| inner.code);
    let cause = cause_of(status, parts.code.as_deref(), inner.as_deref());
    let message = parts.message.unwrap_or_else(|| format!("the vault answers {status}"));
    // Some messages have several lines, and the later lines repeat the caller's name.
    let message: String =
        message.lines().next().unwrap_or_default().chars().take(MAX_MESSAGE).collect();
    VaultError::new(cause, message)
        .with_codes(status.as_u16(), parts.code, inner)
        .with_request_id(request_id(headers))
        .with_retry_after(retry_after(headers))
}

/// The table. `None` if the request was at fault: the state of the registry stays as it is.
fn cause_of(status: StatusCode, code: Option<&str>, inner: Option<&str>) -> Option<Cause> {
    match (status.as_u16(), code, inner) {
        // A fresh token did not help: the vault does not know the identity.
        (401, ..) => Some(Cause::IdentityRemoved),
        (403, _, Some("KeyDisabled")) => Some(Cause::KeyDisabled),
        (403, _, Some("KeyExpired" | "KeyNotYetValid")) => Some(Cause::KeyExpired),
        (403, _, Some("ForbiddenByRbac")) => Some(Cause::RoleRemoved),
        (403, _, Some("ForbiddenByFirewall" | "ForbiddenByConnection")) => {
            Some(Cause::VaultFirewall)
        }
        // AccessDenied, ForbiddenByPolicy, KeyOperationForbidden, and codes that are not known.
        (403, ..) => Some(Cause::PolicyRemoved),
        // Whether the key can be recovered is checked later.
        (404, Some(KEY_NOT_FOUND), _) => Some(Cause::KeyDeleted),
        (404, ..) => Some(Cause::VaultDeleted),
        (429, ..) => Some(Cause::VaultThrottled),
        // Only a mock vault returns this code.
        (503, _, Some("AuditLogUnavailable")) => Some(Cause::AuditUnavailable),
        (408 | 409 | 500.., ..) => Some(Cause::VaultUnreachable),
        (400..500, ..) => None,
        // Neither success nor error: this is not a vault.
        _ => Some(Cause::VaultUnreachable),
    }
}

/// The id that the vault gave a request.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("x-ms-request-id")?.to_str().ok()?.to_owned())
}

/// `Retry-After` in seconds. Azure does not use the form with a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, code: &str, inner: &str, expected: Option<Cause>) {
        let body = serde_json::json!({ "error": { "code": code, "message": "m", "innererror": { "code": inner } } });
        let status = StatusCode::from_u16(status).unwrap();
        let error = error_of(status, &HeaderMap::new(), body.to_string().as_bytes());
        assert_eq!(error.cause(), expected, "{status} {code} {inner}");
    }

    #[test]
    fn every_documented_code_has_its_cause() {
        check(403, "Forbidden", "KeyDisabled", Some(Cause::KeyDisabled));
        check(403, "Forbidden", "AccessDenied", Some(Cause::PolicyRemoved));
        check(403, "Forbidden", "ForbiddenByPolicy", Some(Cause::PolicyRemoved));
        check(403, "Forbidden", "ForbiddenByRbac", Some(Cause::RoleRemoved));
        check(403, "Forbidden", "ForbiddenByFirewall", Some(Cause::VaultFirewall));
        check(403, "Forbidden", "ForbiddenByConnection", Some(Cause::VaultFirewall));
        check(403, "Forbidden", "KeyExpired", Some(Cause::KeyExpired));
        check(404, "KeyNotFound", "", Some(Cause::KeyDeleted));
        check(404, "VaultNotFound", "", Some(Cause::VaultDeleted));
        check(401, "Unauthorized", "", Some(Cause::IdentityRemoved));
        check(429, "Throttled", "", Some(Cause::VaultThrottled));
        check(500, "InternalError", "", Some(Cause::VaultUnreachable));
        check(503, "ServiceUnavailable", "", Some(Cause::VaultUnreachable));
        let inner = "AuditLogUnavailable";
        check(503, "ServiceUnavailable", inner, Some(Cause::AuditUnavailable));
        check(400, "BadParameter", "", None);
    }

    #[test]
    fn a_response_that_no_vault_sends_is_an_outage() {
        let error = error_of(StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"<html>");
        assert_eq!(error.cause(), Some(Cause::VaultUnreachable));
        let error = error_of(StatusCode::FOUND, &HeaderMap::new(), b"");
        assert_eq!(error.cause(), Some(Cause::VaultUnreachable));
    }

    #[test]
    fn the_retry_after_header_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, "7".parse().unwrap());
        let error = error_of(StatusCode::TOO_MANY_REQUESTS, &headers, b"{}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}
