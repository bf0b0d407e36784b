//! The refusals of Graph and their wire form, `{"error":{"code","message","innerError"}}`, in one match.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use crate::error::JSON;

/// Why a request to Graph is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum GraphError {
    /// There is no valid token.
    #[error("the token is refused: {0}")]
    Token(String),
    /// Only users have a `me`. The message is Graph's.
    #[error("/me request is only valid with delegated authentication flow.")]
    OnlyDelegated,
    /// The object does not exist. The message is Graph's.
    #[error(
        "Resource '{0}' does not exist or one of its queried reference-property objects are not present."
    )]
    NoObject(String),
    /// The path is unknown. The message is Graph's.
    #[error("Resource not found for the segment '{0}'.")]
    NoSegment(String),
    /// The filter is not supported.
    #[error("Invalid filter clause: this emulator does not support '{0}'.")]
    Filter(String),
    /// The body cannot be read.
    #[error("Unable to read JSON request payload: {0}.")]
    Body(String),
    /// Principals are not created over Graph.
    #[error(
        "This emulator's Graph only reads. Principals come with a managed identity ('az identity create'), or are created with the admin API ('POST /_keyvault/principals')."
    )]
    ReadOnly,
    /// The path does not support this method.
    #[error("The method '{0}' is not supported here.")]
    Method(String),
}

impl IntoResponse for GraphError {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::Token(_) => (StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken"),
            Self::OnlyDelegated | Self::NoSegment(_) | Self::Body(_) => {
                (StatusCode::BAD_REQUEST, "BadRequest")
            }
            Self::NoObject(_) => (StatusCode::NOT_FOUND, "Request_ResourceNotFound"),
            Self::Filter(_) => (StatusCode::BAD_REQUEST, "Request_UnsupportedQuery"),
            Self::ReadOnly => (StatusCode::FORBIDDEN, "Authorization_RequestDenied"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "Request_BadRequest"),
        };
        let id = Uuid::new_v4().to_string();
        let inner = json!({ "request-id": id, "client-request-id": id });
        let error = json!({ "code": code, "message": self.to_string(), "innerError": inner });
        let body = json!({ "error": error }).to_string();
        (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
    }
}
