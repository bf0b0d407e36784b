//! The routes below `/acr/v1/`: passes each request to the handler of its route and method.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use http::Method;

use super::error::AcrError;
use super::route::{ParsedPath, Route};
use super::{manifests, patch, repositories, tags};
use crate::oci::ErrorReply;
use crate::registry::{Registry, Target};

/// The routes below `/acr/v1/` of the registry that was selected for the request. A request has its [`ParsedPath`] as an extension.
pub fn router() -> Router {
    Router::new().route("/acr/v1/{*path}", any(dispatch))
}

async fn dispatch(
    Extension(registry): Extension<Registry>,
    Extension(path): Extension<ParsedPath>,
    request: Request,
) -> Response {
    handle(&registry, path, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn handle(
    registry: &Registry,
    path: ParsedPath,
    request: Request,
) -> Result<Response, ErrorReply> {
    let (head, body) = request.into_parts();
    let method = head.method.clone();
    let route = path.into_result().map_err(AcrError::Route)?;
    if !route.methods().contains(&method) {
        return Err(ErrorReply::method_not_allowed(&method, route.methods()));
    }
    let content = registry.content().await?;
    match (route, method) {
        (Route::Catalog, _) => repositories::list(&content, &head).await,
        (Route::Repository { name }, Method::PATCH) => {
            patch::apply(&content, &name, &Target::Repository, body).await?;
            repositories::get(&content, &name, &head).await
        }
        (Route::Repository { name }, Method::DELETE) => repositories::delete(&content, &name).await,
        (Route::Repository { name }, _) => repositories::get(&content, &name, &head).await,
        (Route::Tags { name }, _) => tags::list(&content, &name, &head).await,
        (Route::Tag { name, tag }, Method::PATCH) => {
            patch::apply(&content, &name, &Target::Tag(tag.clone()), body).await?;
            tags::get(&content, &name, &tag, &head).await
        }
        (Route::Tag { name, tag }, Method::DELETE) => tags::delete(&content, &name, &tag).await,
        (Route::Tag { name, tag }, _) => tags::get(&content, &name, &tag, &head).await,
        (Route::Manifests { name }, _) => manifests::list(&content, &name, &head).await,
        (Route::Manifest { name, digest }, Method::PATCH) => {
            patch::apply(&content, &name, &Target::Manifest(digest.clone()), body).await?;
            manifests::get(&content, &name, &digest, &head).await
        }
        (Route::Manifest { name, digest }, _) => {
            manifests::get(&content, &name, &digest, &head).await
        }
        (Route::Deleted, _) => Err(AcrError::SoftDelete.into()),
    }
}
