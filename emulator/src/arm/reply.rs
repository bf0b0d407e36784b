//! Answers with a JSON body, or without a body.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::Serialize;

/// 200 with this body.
pub(super) fn json(body: impl Serialize) -> Response {
    json_with(StatusCode::OK, body)
}

/// This status with this body.
pub(super) fn json_with(status: StatusCode, body: impl Serialize) -> Response {
    (status, axum::Json(body)).into_response()
}

/// This status without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    status.into_response()
}
