//! The manifests of a repository, and `GET` of one. A manifest is deleted at `/v2/`.

use axum::response::Response;
use http::request::Parts;

use super::error::AcrError;
use super::forwarded::login_server;
use super::query::ListQuery;
use super::render::{json, listed};
use super::wire::{InRepository, Manifests};
use crate::oci::ErrorReply;
use crate::registry::{Content, Digest, RepositoryName};

pub(super) async fn list(
    content: &Content,
    name: &RepositoryName,
    head: &Parts,
) -> Result<Response, ErrorReply> {
    let query = ListQuery::parse(&head.uri).map_err(AcrError::Query)?;
    let page = content.manifest_infos(name, &query.window).await?;
    let manifests = page.items.iter().cloned().map(Into::into).collect();
    let body = InRepository::new(login_server(head), name, Manifests::Manifests(manifests));
    Ok(listed(&body, &format!("/acr/v1/{name}/_manifests"), &query, &page))
}

pub(super) async fn get(
    content: &Content,
    name: &RepositoryName,
    digest: &Digest,
    head: &Parts,
) -> Result<Response, ErrorReply> {
    let info = content.manifest_info(name, digest).await?;
    Ok(json(&InRepository::new(
        login_server(head),
        name,
        Manifests::Manifest(Box::new(info.into())),
    )))
}
