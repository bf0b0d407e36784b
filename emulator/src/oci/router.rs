//! The routes below `/v2/`: passes each request to the handler of its route and method.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Extension, Router};
use http::{HeaderValue, Method, header};

use super::error::ErrorReply;
use super::headers::API_VERSION;
use super::route::{ParsedPath, Route};
use super::{blobs, lists, manifests, uploads};
use crate::registry::Registry;

/// The routes below `/v2/`. A request has two extensions: its [`Registry`], which the caller of these routes has selected by
/// name or by port, and its [`ParsedPath`].
pub fn router() -> Router {
    Router::new()
        .route("/v2", any(dispatch))
        .route("/v2/", any(dispatch))
        .route("/v2/{*path}", any(dispatch))
}

/// Passes a request to its handler. Only the base route answers without the key's admission.
async fn dispatch(
    Extension(registry): Extension<Registry>,
    Extension(path): Extension<ParsedPath>,
    request: Request,
) -> Response {
    let mut response = match handle(&registry, path, request).await {
        Ok(response) => response,
        Err(reply) => reply.into_response(),
    };
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    response
}

async fn handle(
    registry: &Registry,
    path: ParsedPath,
    request: Request,
) -> Result<Response, ErrorReply> {
    let (head, body) = request.into_parts();
    let method = head.method.clone();
    let route = path.into_result().map_err(|error| ErrorReply::from_route_error(error, &method))?;
    if !route.methods().contains(&method) {
        return Err(ErrorReply::method_not_allowed(&method, route.methods()));
    }
    if matches!(route, Route::Base) {
        return Ok(base());
    }
    let content = registry.content().await?;
    let is_upload = matches!(route, Route::Uploads { .. } | Route::Upload { .. });
    let answer = match (route, method) {
        (Route::Base, _) => Ok(base()),
        (Route::Catalog, _) => lists::catalog(&content, &head).await,
        (Route::Tags { name }, _) => lists::tags(&content, &name, &head).await,
        (Route::Referrers { name, subject }, _) => {
            lists::referrers(&content, &name, &subject, &head).await
        }
        (Route::Manifest { name, reference }, Method::PUT) => {
            manifests::put(&content, &name, &reference, &head, body).await
        }
        (Route::Manifest { name, reference }, Method::DELETE) => {
            manifests::delete(&content, &name, &reference).await
        }
        (Route::Manifest { name, reference }, _) => {
            manifests::get(&content, &name, &reference, &head).await
        }
        (Route::Blob { name, digest }, Method::DELETE) => {
            blobs::delete(&content, &name, &digest).await
        }
        (Route::Blob { name, digest }, _) => blobs::get(&content, &name, &digest, &head).await,
        (Route::Uploads { name }, _) => uploads::start(&content, &name, &head, body).await,
        (Route::Upload { name, id }, Method::PATCH) => {
            uploads::append(&content, &name, id, &head, body).await
        }
        (Route::Upload { name, id }, Method::PUT) => {
            uploads::finish(&content, &name, id, &head, body).await
        }
        (Route::Upload { name, id }, Method::DELETE) => uploads::cancel(&content, &name, id).await,
        (Route::Upload { name, id }, _) => uploads::status(&content, &name, id).await,
    };
    answer.map_err(|reply| if is_upload { reply.for_upload() } else { reply })
}

/// `GET /v2/`: this is a registry. It answers in every state of the key.
fn base() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Body::from("{}")).into_response()
}
