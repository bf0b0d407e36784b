//! Injects the faults of a vault between a request and its answer.
//!
//! Called by the router. Rules are in [`azure_emulator_core::faults`]; this module finds the class of a request and renders a fault as the
//! affected service would. Every answer that a fault has changed says so in `x-sealyard-fault`.

use std::io;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;

use crate::error::WireError;
use crate::host::{Role, Site};
use crate::operation::{self, OPERATIONS};
use azure_emulator_core::faults::{Effect, FAULT_HEADER, Plan};
use azure_emulator_core::identity::ManagedEndpoint;
use azure_emulator_core::listen::HangUp;

/// The rules that changed an answer: `NAME=KIND`, separated by commas.
pub(crate) const FAULT: HeaderName = HeaderName::from_static(FAULT_HEADER);

/// The class of calls to the keys API that are no operation.
const OTHER: &str = "keys/other";
const ISSUER: &str = "issuer";
const ARM: &str = "arm";

/// All classes: each operation, the issuer, and the control plane.
pub(crate) fn classes() -> impl Iterator<Item = String> {
    let operations = OPERATIONS.iter().map(|route| format!("keys/{}", route.operation));
    operations.chain([OTHER, ISSUER, ARM].map(str::to_owned))
}

/// The class of a request.
pub(crate) fn class_of(site: &Site, request: &Request<Body>) -> String {
    let path = request.uri().path();
    let start = path.split('/').find(|part| !part.is_empty()).unwrap_or_default();
    let is_keys = matches!(start.to_ascii_lowercase().as_str(), "keys" | "deletedkeys");
    if is_keys && matches!(site.role, Role::Vault(_) | Role::Both) {
        let matched = operation::match_path(request.method(), path);
        return matched
            .map_or_else(|_| OTHER.to_owned(), |known| format!("keys/{}", known.route.operation));
    }
    if ManagedEndpoint::from_path(path).is_some() {
        return ISSUER.to_owned();
    }
    if matches!(start.to_ascii_lowercase().as_str(), "subscriptions" | "providers" | "tenants") {
        return ARM.to_owned();
    }
    match site.role {
        Role::Vault(_) | Role::Nothing => OTHER.to_owned(),
        Role::Arm => ARM.to_owned(),
        // Graph belongs to the directory, like the issuer.
        Role::Login | Role::Graph | Role::Both => ISSUER.to_owned(),
    }
}

/// Whether a client only asks where to get a token: it has none, and the class needs one.
pub(crate) fn is_first_contact(class: &str, request: &Request<Body>) -> bool {
    class != ISSUER && !request.headers().contains_key(AUTHORIZATION)
}

/// The answer that replaces the server's, if the effect is one.
pub(crate) fn in_place(effect: Option<Effect>, class: &str) -> Option<Response> {
    match effect? {
        Effect::Cut => None,
        Effect::Reset => {
            let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
            response.extensions_mut().insert(HangUp);
            Some(response)
        }
        Effect::Outage => Some(refusal(class, StatusCode::SERVICE_UNAVAILABLE, None)),
        Effect::Status { status, retry_after } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Some(refusal(class, status, retry_after))
        }
    }
}

/// Marks an answer that rules have changed, and cuts it off if they say so.
pub(crate) async fn mark(plan: &Plan, response: Response) -> Response {
    if plan.rules.is_empty() {
        return response;
    }
    let mut response =
        if plan.effect == Some(Effect::Cut) { cut(response).await } else { response };
    if let Ok(value) = HeaderValue::from_str(&plan.rules.join(", ")) {
        response.headers_mut().append(FAULT, value);
    }
    response
}

fn refusal(class: &str, status: StatusCode, retry_after: Option<u64>) -> Response {
    let mut response = if class == ISSUER {
        // The form and the codes of Microsoft Entra.
        let error = if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            "temporarily_unavailable"
        } else {
            "invalid_request"
        };
        let message = "A fault that was asked for.";
        (status, axum::Json(json!({"error": error, "error_description": message}))).into_response()
    } else {
        WireError::from_status(status).into_response()
    };
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Sends the first half of an answer, with the length of the whole, and then breaks the connection.
async fn cut(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let Ok(whole) = body.collect().await else {
        return Response::from_parts(head, Body::empty());
    };
    let whole = whole.to_bytes();
    let half = whole.slice(..whole.len() / 2);
    // An answer without a body cannot end early, so it promises a byte.
    head.headers.insert(CONTENT_LENGTH, whole.len().max(1).into());
    if whole.is_empty() {
        head.status = StatusCode::OK;
    }
    // The half must be sent before the error: a stream that is not ready makes the connection flush its buffer.
    let end = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::new(io::ErrorKind::ConnectionReset, "a fault cuts this body"))
    });
    let half = stream::once(async { Ok::<Bytes, io::Error>(half) });
    Response::from_parts(head, Body::from_stream(half.chain(end)))
}
