//! The catalogue, and `GET` and `DELETE` of a repository.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::request::Parts;

use super::error::AcrError;
use super::forwarded::login_server;
use super::query::ListQuery;
use super::render::{json, listed};
use super::wire::{Catalog, Deleted, Repository};
use crate::oci::ErrorReply;
use crate::registry::{Content, RepositoryName};

/// The repositories, always in the order of their names, as in ACR.
pub(super) async fn list(content: &Content, head: &Parts) -> Result<Response, ErrorReply> {
    let query = ListQuery::parse(&head.uri).map_err(AcrError::Query)?;
    let page = content.repositories(query.window.last.clone(), query.window.n).await?;
    let body = Catalog { repositories: page.items.clone() };
    Ok(listed(&body, "/acr/v1/_catalog", &query, &page))
}

pub(super) async fn get(
    content: &Content,
    name: &RepositoryName,
    head: &Parts,
) -> Result<Response, ErrorReply> {
    let info = content.repository_info(name).await?;
    Ok(json(&Repository::new(login_server(head), name, &info)))
}

/// Deletes the repository with its content, and returns the deleted manifests and tags.
pub(super) async fn delete(
    content: &Content,
    name: &RepositoryName,
) -> Result<Response, ErrorReply> {
    let deleted = content.delete_repository(name).await?;
    Ok((StatusCode::ACCEPTED, json(&Deleted::from(deleted))).into_response())
}
