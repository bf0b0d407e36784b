//! Injects faults into the registry's own routes: finds the class of a request, and makes the faulty answer.
//!
//! [`inject`] runs between the guard and the routes of a registry. An answer that a rule has changed says so in
//! `x-sealyard-fault`. For a cut body, half of the body is sent with the length of the whole, and then the connection ends.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use azure_emulator_core::faults::{Effect, FAULT_HEADER, Faults};
use azure_emulator_core::listen::HangUp;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use http_body::Body as _;
use serde_json::Value;

use crate::oci::{Code, ErrorReply, ParsedPath, RouteKind};

/// Each kind of route, and its methods.
const CLASSES: &[(&str, &[Method])] = &[
    ("acr", &[Method::GET, Method::PATCH, Method::DELETE]),
    ("base", &[Method::GET, Method::HEAD]),
    ("blobs", &[Method::GET, Method::HEAD, Method::DELETE]),
    ("catalog", &[Method::GET, Method::HEAD]),
    ("manifests", &[Method::GET, Method::HEAD, Method::PUT, Method::DELETE]),
    ("referrers", &[Method::GET, Method::HEAD]),
    ("tags", &[Method::GET, Method::HEAD]),
    (
        "uploads",
        &[Method::POST, Method::PATCH, Method::PUT, Method::GET, Method::HEAD, Method::DELETE],
    ),
];

/// All classes, such as `blobs/GET`.
pub(super) fn classes() -> impl Iterator<Item = String> {
    CLASSES
        .iter()
        .flat_map(|(noun, methods)| methods.iter().map(move |method| format!("{noun}/{method}")))
}

/// The class of a request, or `None` if the registry has no such route.
fn class_of(request: &Request) -> Option<String> {
    let noun = if request.uri().path().starts_with("/acr/") {
        "acr"
    } else {
        noun_of(request.extensions().get::<ParsedPath>()?.route()?.kind())
    };
    Some(format!("{noun}/{}", request.method()))
}

fn noun_of(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Base => "base",
        RouteKind::Catalog => "catalog",
        RouteKind::Tags => "tags",
        RouteKind::Referrers => "referrers",
        RouteKind::Manifest => "manifests",
        RouteKind::Blob => "blobs",
        RouteKind::Uploads | RouteKind::Upload => "uploads",
    }
}

/// Injects the requested faults into a request.
pub async fn inject(State(faults): State<Arc<Faults>>, request: Request, next: Next) -> Response {
    // Nearly always there are no rules, so the request is not examined further.
    if faults.is_empty() {
        return next.run(request).await;
    }
    let Some(class) = class_of(&request) else {
        return next.run(request).await;
    };
    let plan = faults.plan(&class, false);
    if plan.rules.is_empty() {
        return next.run(request).await;
    }
    tokio::time::sleep(plan.latency).await;
    let mut response = match plan.effect {
        None => next.run(request).await,
        Some(Effect::Cut) => cut(next.run(request).await),
        Some(Effect::Reset) => {
            let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
            response.extensions_mut().insert(HangUp);
            response
        }
        Some(Effect::Outage) => refusal(&class, StatusCode::SERVICE_UNAVAILABLE, None),
        Some(Effect::Status { status, retry_after }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            refusal(&class, status, retry_after)
        }
    };
    if let Ok(value) = HeaderValue::from_str(&plan.rules.join(", ")) {
        response.headers_mut().append(FAULT_HEADER, value);
    }
    response
}

fn refusal(class: &str, status: StatusCode, retry_after: Option<u64>) -> Response {
    let code = match status.as_u16() {
        401 | 403 => Code::Denied,
        404 if class.starts_with("blobs") => Code::BlobUnknown,
        404 if class.starts_with("manifests") => Code::ManifestUnknown,
        404 if class.starts_with("uploads") => Code::BlobUploadUnknown,
        404 => Code::NameUnknown,
        413 => Code::SizeInvalid,
        416 => Code::RangeInvalid,
        429 => Code::TooManyRequests,
        400..=499 => Code::Unsupported,
        502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    let message = "this fault was injected by a fault rule";
    let mut response = ErrorReply::new(status, code, message, Value::Null).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// The first half of an answer, followed by an aborted connection. The whole answer is never in memory.
fn cut(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let named = head.headers.get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
    let len: u64 = named.or_else(|| body.size_hint().exact()).unwrap_or_default();
    // An answer without a body cannot end early, so it announces a body.
    head.headers.insert(CONTENT_LENGTH, len.max(1).into());
    if matches!(head.status.as_u16(), 204 | 205 | 304) {
        head.status = StatusCode::OK;
    }
    let half = stream::unfold((body.into_data_stream(), len / 2), async |(mut body, left)| {
        if left == 0 {
            return None;
        }
        let mut chunk: Bytes = body.next().await?.ok()?;
        chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - chunk.len() as u64;
        Some((Ok(chunk), (body, left)))
    });
    // The first half is sent before the abort: while the next part is not ready, the connection flushes its buffer.
    let end = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::new(io::ErrorKind::ConnectionReset, "a fault rule cuts this body"))
    });
    Response::from_parts(head, Body::from_stream(half.chain(end)))
}

#[cfg(test)]
mod tests {
    use axum::{Extension, Router};
    use tower::ServiceExt as _;

    use super::*;
    use crate::oci::parse_paths;

    async fn class(method: &Method, path: &str) -> Option<String> {
        let classes =
            Router::new().fallback(async |request: Request| Extension(class_of(&request)));
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = parse_paths(classes).oneshot(request).await.unwrap();
        answer.extensions().get::<Option<String>>().unwrap().clone()
    }

    #[tokio::test]
    async fn each_method_of_each_route_has_a_class_and_there_are_no_others() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let upload = "00000000-0000-4000-8000-000000000000";
        let mut met = std::collections::BTreeSet::new();
        for kind in RouteKind::ALL {
            let path = match kind {
                RouteKind::Base => "/v2/".to_owned(),
                RouteKind::Catalog => "/v2/_catalog".to_owned(),
                RouteKind::Tags => "/v2/app/tags/list".to_owned(),
                RouteKind::Referrers => format!("/v2/app/referrers/{digest}"),
                RouteKind::Manifest => "/v2/app/manifests/v1".to_owned(),
                RouteKind::Blob => format!("/v2/app/blobs/{digest}"),
                RouteKind::Uploads => "/v2/app/blobs/uploads/".to_owned(),
                RouteKind::Upload => format!("/v2/app/blobs/uploads/{upload}"),
            };
            for method in kind.methods() {
                met.insert(class(method, &path).await.unwrap());
            }
        }

        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            met.insert(class(&method, "/acr/v1/_catalog").await.unwrap());
        }

        assert_eq!(met, classes().collect());
        assert_eq!(class(&Method::GET, "/_sealyard/health").await, None);
    }
}
