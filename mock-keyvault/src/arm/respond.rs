//! Renders answers and refusals, and parses scopes.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::error::ArmError;
use crate::error::JSON;
use crate::host::Site;
use crate::vault::lifecycle::VaultChangeError;
use azure_emulator_core::authorization::Scope;
use azure_emulator_core::identity::TENANT;

/// The answer to a refused request, for a client that used this site.
pub(crate) fn refusal(site: &Site, error: ArmError) -> Response {
    let mut response = error.into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        challenge(site, &mut response);
    }
    response
}

/// Tells a client without a token where to get a token.
fn challenge(site: &Site, response: &mut Response) {
    let value = format!(
        "Bearer authorization_uri=\"https://{}/{TENANT}\", error=\"invalid_token\", error_description=\"The access token is missing or does not hold.\"",
        site.authority()
    );
    // The host came in a header, so it fits in a header.
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, ArmError> {
    let bytes =
        serde_json::to_vec(body).map_err(|error| VaultChangeError::Internal(error.to_string()))?;
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    Ok(response)
}

pub(super) fn empty(status: StatusCode) -> Response {
    status.into_response()
}

/// Parses a path as a scope. It is one, unless it is longer than a scope may be.
pub(super) fn scope(path: &str) -> Result<Scope, ArmError> {
    path.parse().map_err(ArmError::from)
}
