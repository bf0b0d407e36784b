//! The routes that the emulator reads from a path, without an emulator.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use http::Request;
use sealyard::internals::{acr, oci};
use tower::ServiceExt as _;

/// The kind of the route at a path: below `/v2/`, or below `/acr/v1/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    Oci(oci::RouteKind),
    Acr(acr::RouteKind),
}

/// The kind of the route at a path, which may have a query, or `None` if there is no route.
pub(crate) async fn kind_of(path: &str) -> Option<PathKind> {
    let routes = acr::parse_paths(oci::parse_paths(Router::new().fallback(kind)));
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let answer = routes.oneshot(request).await.unwrap();
    answer.extensions().get().copied()
}

async fn kind(oci: Extension<oci::ParsedPath>, acr: Extension<acr::ParsedPath>) -> Response {
    let oci = oci.route().map(|route| PathKind::Oci(route.kind()));
    let acr = acr.route().map(|route| PathKind::Acr(route.kind()));
    match oci.or(acr) {
        Some(kind) => Extension(kind).into_response(),
        None => ().into_response(),
    }
}
