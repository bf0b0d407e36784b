//! The form of a refusal, and the headers of every answer.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, EXPIRES, PRAGMA};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::error::JSON;
use crate::headers::{CLIENT_REQUEST_ID, MAX_CLIENT_REQUEST_ID, REQUEST_ID};

/// A refusal in the control plane's form: `{"error":{"code","message"}}`.
pub fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({"error": {"code": code, "message": message}}).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
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
