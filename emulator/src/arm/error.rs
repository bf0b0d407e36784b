//! What the control plane refuses, and the wire form: `{"error":{"code","message"}}`, in one match.
//!
//! Codes and messages are Azure's where they are known. A mistake of the caller is never a 5xx, which clients repeat.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use mock_keyvault::GateRefusal;
use serde_json::json;
use thiserror::Error;

/// Why a request is not answered as it wished.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArmError {
    /// There is no token that holds, or its holder has no role for this.
    #[error(transparent)]
    Refused(#[from] GateRefusal),
    /// There is no `api-version`.
    #[error("the request has no api-version")]
    NoApiVersion,
    /// There is nothing at this path.
    #[error("there is nothing at {0}")]
    NotFound(String),
    /// The path does not take this method.
    #[error("the path does not take {0}")]
    MethodNotAllowed(String),
    /// The subscription is no id.
    #[error("'{0}' is not a subscription id")]
    SubscriptionId(String),
    /// There is no such subscription.
    #[error("there is no subscription {0}")]
    NoSubscription(String),
    /// The host of the request cannot be one.
    #[error("the Host '{0}' cannot be one")]
    Host(String),
}

impl IntoResponse for ArmError {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::Refused(refusal) => return refusal.into_response(),
            Self::NoApiVersion => (
                StatusCode::BAD_REQUEST,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests."
                    .to_owned(),
            ),
            Self::NotFound(path) => (
                StatusCode::NOT_FOUND,
                "InvalidResourceType",
                format!("The resource type at '{path}' is not one that this emulator serves."),
            ),
            Self::MethodNotAllowed(method) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                format!("The requested resource does not support http method '{method}'."),
            ),
            Self::SubscriptionId(id) => (
                StatusCode::BAD_REQUEST,
                "InvalidSubscriptionId",
                format!("The provided subscription identifier '{id}' is malformed or invalid."),
            ),
            Self::NoSubscription(id) => (
                StatusCode::NOT_FOUND,
                "SubscriptionNotFound",
                format!("The subscription '{id}' could not be found."),
            ),
            Self::Host(host) => (
                StatusCode::BAD_REQUEST,
                "InvalidHostHeader",
                format!("The host '{host}' cannot be one."),
            ),
        };
        let body = json!({ "error": { "code": code, "message": message } });
        (status, axum::Json(body)).into_response()
    }
}
