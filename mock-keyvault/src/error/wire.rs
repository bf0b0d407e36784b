//! The error that a client gets: status, codes and message, and its body.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// The content type of every JSON body of Key Vault.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The error that a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) inner: Option<&'static str>,
    pub(crate) message: String,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Detail<'a>,
}

#[derive(Serialize)]
struct Detail<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    innererror: Option<Inner<'a>>,
}

#[derive(Serialize)]
struct Inner<'a> {
    code: &'a str,
}

impl WireError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self { status, code, inner: None, message }
    }

    /// The usual answer with this status, for injected faults. The message of a 429 is recorded; the other messages are guesses.
    pub(crate) fn from_status(status: StatusCode) -> Self {
        let (code, message) = match status.as_u16() {
            400 => ("BadParameter", "The request is not valid."),
            401 => ("Unauthorized", "AKV10000: Request is missing a Bearer or PoP token."),
            403 => ("Forbidden", "Access is denied."),
            404 => ("NotFound", "The resource was not found."),
            409 => ("Conflict", "There was a conflict."),
            429 => (
                "Throttled",
                "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
            ),
            500 => ("InternalServerError", "An internal error occurred."),
            502 => ("BadGateway", "The service could not reach what it needs."),
            503 => ("ServiceUnavailable", "The service is unavailable."),
            504 => ("GatewayTimeout", "The service did not answer in time."),
            _ if status.is_client_error() => ("RequestFailed", "The request failed."),
            _ => ("ServerError", "The service failed."),
        };
        Self::new(status, code, message.to_owned())
    }

    pub(super) fn inner(self, inner: &'static str) -> Self {
        Self { inner: Some(inner), ..self }
    }
}

impl IntoResponse for WireError {
    fn into_response(self) -> Response {
        let innererror = self.inner.map(|code| Inner { code });
        let error = Detail { code: self.code, message: &self.message, innererror };
        let body = serde_json::to_vec(&Envelope { error }).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        let error = ErrorCode { code: self.code, inner: self.inner, message: self.message };
        response.extensions_mut().insert(error);
        response
    }
}

/// The codes and the message of an error, an extension of its response: for the audit log.
#[derive(Clone, Debug)]
pub(crate) struct ErrorCode {
    pub(crate) code: &'static str,
    pub(crate) inner: Option<&'static str>,
    pub(crate) message: String,
}
