//! The error responses of the distribution specification. `domain_errors.rs` makes them from the domain's errors.
//!
//! The body is `{"errors":[{"code","message","detail"}]}`. Codes are from the specification, and the few that
//! Docker's registry and Azure's added to it, which clients know.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_RANGE, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::code::Code;
use super::headers::header_value;
use super::range::{ContentRangeError, RangeError};
use super::reason_phrase::reason_phrase;
use super::route::RouteError;
use crate::registry::NameError;

/// An error response.
#[derive(Debug)]
pub struct ErrorReply {
    status: StatusCode,
    errors: Vec<(Code, String, Value)>,
    headers: HeaderMap,
}

impl ErrorReply {
    /// A response with one error.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers pass a literal, a string or an error"
    )]
    pub fn new(status: StatusCode, code: Code, message: impl ToString, detail: Value) -> Self {
        Self::from_errors(status, vec![(code, message.to_string(), detail)])
    }

    /// A response with several errors, each with its code, message and detail.
    pub(super) fn from_errors(status: StatusCode, errors: Vec<(Code, String, Value)>) -> Self {
        Self { status, errors, headers: HeaderMap::new() }
    }

    /// 405 with the supported methods.
    pub(crate) fn method_not_allowed(method: &Method, allowed: &[Method]) -> Self {
        let message = format!("the method {method} is not supported here");
        let reply =
            Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported, message, Value::Null);
        let names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
        reply.with(ALLOW, names.join(", "))
    }

    /// 416 of a download.
    pub(super) fn range_not_satisfiable(len: u64) -> Self {
        Self::no_range(format!("the range lies outside of the {len} bytes of the blob"), len)
    }

    /// 416 of a download whose range cannot be read.
    pub(super) fn malformed_range(error: RangeError, len: u64) -> Self {
        Self::no_range(error.to_string(), len)
    }

    fn no_range(message: String, len: u64) -> Self {
        let (status, detail) = (StatusCode::RANGE_NOT_SATISFIABLE, json!({ "size": len }));
        Self::new(status, Code::RangeInvalid, message, detail)
            .with(CONTENT_RANGE, format!("bytes */{len}"))
    }

    /// 412: the content has another tag than the request requires.
    pub(super) fn precondition_failed() -> Self {
        let message = "the content does not have an entity tag that If-Match names";
        Self::new(StatusCode::PRECONDITION_FAILED, Code::Unsupported, message, Value::Null)
    }

    pub(crate) fn bad_request(code: Code, message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message, Value::Null)
    }

    /// Adds a header.
    pub(super) fn with(mut self, name: http::HeaderName, value: impl ToString) -> Self {
        self.headers.insert(name, header_value(value));
        self
    }
}

impl ErrorReply {
    /// The response to a path without a route.
    pub(super) fn from_route_error(error: RouteError, method: &Method) -> Self {
        let (status, code) = match &error {
            RouteError::NoRoute => (StatusCode::NOT_FOUND, Code::Unsupported),
            RouteError::Name(NameError::Tag(_)) if method == Method::PUT => {
                (StatusCode::BAD_REQUEST, Code::ManifestInvalid)
            }
            // A malformed tag cannot belong to a manifest: the conformance suite of the specification probes with one.
            RouteError::Name(NameError::Tag(_)) => (StatusCode::NOT_FOUND, Code::ManifestUnknown),
            RouteError::Name(_) => (StatusCode::BAD_REQUEST, Code::NameInvalid),
            RouteError::Digest(_) => (StatusCode::BAD_REQUEST, Code::DigestInvalid),
            RouteError::Upload(_) => (StatusCode::NOT_FOUND, Code::BlobUploadUnknown),
        };
        Self::new(status, code, error, Value::Null)
    }

    /// Replaces a code that docker does not know: docker would retry the layer for 50 seconds. `UNSUPPORTED` is final for it.
    pub(super) fn for_upload(mut self) -> Self {
        for (code, ..) in &mut self.errors {
            if *code == Code::RegistryDisallowedOperation {
                *code = Code::Unsupported;
            }
        }
        self
    }

    /// Adds the location of the upload, for a client that is out of step.
    pub(super) fn at(self, location: &str) -> Self {
        self.with(LOCATION, location)
    }
}

impl From<ContentRangeError> for ErrorReply {
    fn from(error: ContentRangeError) -> Self {
        Self::bad_request(Code::BlobUploadInvalid, error)
    }
}

impl IntoResponse for ErrorReply {
    fn into_response(self) -> Response {
        let unread = self.errors.first().filter(|_| self.status.is_server_error());
        let phrase = unread.and_then(|(_, message, _)| reason_phrase(message));
        let errors: Vec<Value> = self
            .errors
            .into_iter()
            .inspect(|(code, message, _)| debug_assert!(!code.hides(message), "{code:?}: {message:?}"))
            .map(|(code, message, detail)| json!({ "code": code.as_str(), "message": message, "detail": detail }))
            .collect();
        let body = json!({ "errors": errors }).to_string();
        let mut response = (self.status, body).into_response();
        response.headers_mut().extend(self.headers);
        response
            .headers_mut()
            .insert(CONTENT_TYPE, header_value("application/json; charset=utf-8"));
        if let Some(phrase) = phrase {
            response.extensions_mut().insert(phrase);
        }
        response
    }
}
