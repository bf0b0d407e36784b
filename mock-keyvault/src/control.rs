//! The common parts of all answers of the control plane: the refusals of requests that name no resource, the form of an error,
//! and the headers.
//!
//! Called by the resource providers of the vault, and by an embedding program for the providers that it adds.
//!
//! This module does not know vaults or callers: see [`crate::Gate`].

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, EXPIRES, PRAGMA};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::arm::{Query, filter};
use crate::error::JSON;
use crate::router::{CLIENT_REQUEST_ID, MAX_CLIENT_REQUEST_ID, REQUEST_ID};
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

/// A refusal in the control plane's form: `{"error":{"code","message"}}`.
pub fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({"error": {"code": code, "message": message}}).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Parses the id of a subscription in a path.
pub fn subscription(text: &str) -> Result<Uuid, RequestError> {
    Uuid::parse_str(text).map_err(|_| RequestError::SubscriptionId(text.chars().take(64).collect()))
}

/// Refuses a query without `api-version`, as Azure does. Every version is served as the newest.
pub fn require_api_version(query: &str) -> Result<(), RequestError> {
    Query::parse(query).api_version.map(drop).ok_or(RequestError::NoApiVersion)
}

/// The conditions `field eq 'value'` of a `$filter`, the fields in lower case. Other conditions are refused.
pub fn equalities(query: &str) -> Result<Vec<(String, String)>, ListError> {
    let filter = Query::parse(query).filter.unwrap_or_default();
    filter::equalities(&filter).ok_or_else(|| ListError::filter(&filter, None))
}

/// The request id that the client chose.
pub fn client_request_id<B>(request: &http::Request<B>) -> Option<HeaderValue> {
    request.headers().get(CLIENT_REQUEST_ID).cloned()
}

/// Adds the headers that every answer of the control plane has: it must not be cached, and it carries the ids of the request,
/// Azure's own and the client's.
pub fn finish(response: &mut Response, client_request_id: Option<HeaderValue>) {
    let headers = response.headers_mut();
    for (name, value) in [(CACHE_CONTROL, "no-cache"), (PRAGMA, "no-cache"), (EXPIRES, "-1")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        headers.insert(HeaderName::from_static("x-ms-correlation-request-id"), id.clone());
        headers.insert(REQUEST_ID, id);
    }
    if let Some(id) = client_request_id.filter(|id| id.len() <= MAX_CLIENT_REQUEST_ID) {
        headers.insert(CLIENT_REQUEST_ID, id);
    }
}
