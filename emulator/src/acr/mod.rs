//! The additions of Azure Container Registry to the distribution specification: the metadata API below `/acr/v1/`, and logins.
//!
//! This folder parses a request into domain types, calls one domain method, and renders the result with
//! ACR's names. All of it is content: it is reached only through [`Content`](crate::registry::Content), so a refused key
//! refuses it as well. Errors have the body of the distribution specification, as ACR's do; `oci/` has the table for the
//! domain's errors.
//!
//! [`protect`] adds the gate before `/v2/` and `/acr/v1/` of registries that require a login; [`login_router`] has the routes
//! for the tokens.
//!
//! Soft delete is not emulated, and the error says so.

mod challenge;
mod error;
mod forwarded;
mod gate;
mod manifests;
mod need;
mod oauth2;
mod patch;
mod query;
mod repositories;
mod route;
mod tags;
mod wire;

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HOST, LINK};
use http::request::Parts;
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use tokio::time::timeout;

pub use self::challenge::complete_401;
pub use self::error::AcrError;
use self::forwarded::Forwarded;
pub use self::forwarded::Proxies;
pub use self::gate::{Ping, protect};
pub use self::oauth2::router as login_router;
pub use self::query::{ListQuery, ListQueryError};
pub use self::route::{Route, RouteError};
use crate::oci::{ErrorReply, header_value};
use crate::registry::{Order, Page, Registry, Target};

/// The routes below `/acr/v1/` of the registry that was selected for the request.
pub fn router() -> Router {
    Router::new().route("/acr/v1/{*path}", any(dispatch))
}

async fn dispatch(Extension(registry): Extension<Registry>, request: Request) -> Response {
    handle(&registry, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn handle(registry: &Registry, request: Request) -> Result<Response, ErrorReply> {
    let (head, body) = request.into_parts();
    let method = head.method.clone();
    let route = Route::of(head.uri.path()).map_err(AcrError::Route)?;
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

/// The client's name for the registry: the host of the request, or the name that its proxy gives. It is not stored.
fn login_server(head: &Parts) -> String {
    let forwarded = head.extensions.get::<Forwarded>();
    if let Some(host) = forwarded.and_then(|forwarded| forwarded.host.as_ref()) {
        return host.clone();
    }
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = head.uri.authority().map(http::uri::Authority::as_str).or(host);
    host.unwrap_or_default().to_owned()
}

/// The body of a request, if it is within the limits of length and time. The error is a message.
async fn whole_body(body: Body, max_len: usize, limit: Duration) -> Result<Bytes, String> {
    match timeout(limit, Limited::new(body, max_len).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it did not arrive".to_owned()),
    }
}

fn json(body: &impl Serialize) -> Response {
    // The rendered types have no maps with special keys, so this cannot fail.
    let text = serde_json::to_string(body).unwrap_or_default();
    ([(CONTENT_TYPE, "application/json; charset=utf-8")], text).into_response()
}

/// A page of a list with the link to the next one, as in ACR: relative, with every parameter followed by `=`.
fn listed<T>(body: &impl Serialize, path: &str, query: &ListQuery, page: &Page<T>) -> Response {
    let mut response = json(body);
    if let Some(last) = &page.next {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let order = match query.window.order {
            Order::Name => "",
            Order::TimeAscending => "timeasc",
            Order::TimeDescending => "timedesc",
        };
        let n = query.window.n.unwrap_or(page.items.len());
        let mut next = format!("{path}?last={}&n={n}&orderby={order}", encode(last));
        if let Some(digest) = &query.digest {
            next.push_str("&digest=");
            next.push_str(&encode(digest.as_str()));
        }
        response.headers_mut().insert(LINK, header_value(format!("<{next}>; rel=\"next\"")));
    }
    response
}
