//! The refusals of requests that name no resource.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use uuid::Uuid;

use super::answer::refusal;
use azure_emulator_core::listing::ListError;

/// Why a request is refused before any resource is looked up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The request has no `api-version`.
    #[error("the request has no api-version")]
    NoApiVersion,
    /// The path is unknown.
    #[error("there is nothing at {0}")]
    NotFound(String),
    /// The path does not support this method.
    #[error("the path does not take {0}")]
    MethodNotAllowed(String),
    /// The subscription is not a GUID.
    #[error("'{0}' is not a subscription id")]
    SubscriptionId(String),
    /// The subscription does not exist.
    #[error("there is no subscription {0}")]
    NoSubscription(Uuid),
    /// The query of a list is not supported.
    #[error(transparent)]
    List(#[from] ListError),
}

impl RequestError {
    /// The refusal of an unknown path, cut to a length that fits in an answer.
    pub fn nothing_at(path: &str) -> Self {
        Self::NotFound(path.chars().take(1024).collect())
    }

    pub(crate) fn wire(&self) -> (StatusCode, &'static str, String) {
        let bad = StatusCode::BAD_REQUEST;
        let gone = StatusCode::NOT_FOUND;
        match self {
            Self::NoApiVersion => (
                bad,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests."
                    .to_owned(),
            ),
            Self::NotFound(path) => (
                gone,
                "InvalidResourceType",
                format!("This emulator does not serve the resource type at '{path}'."),
            ),
            Self::MethodNotAllowed(method) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                format!("The requested resource does not support http method '{method}'."),
            ),
            Self::SubscriptionId(id) => (
                bad,
                "InvalidSubscriptionId",
                format!("The provided subscription identifier '{id}' is malformed or invalid."),
            ),
            Self::NoSubscription(id) => (
                gone,
                "SubscriptionNotFound",
                format!("The subscription '{id}' could not be found."),
            ),
            Self::List(error) => (bad, error.code(), error.to_string()),
        }
    }
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let (status, code, message) = self.wire();
        refusal(status, code, &message)
    }
}
