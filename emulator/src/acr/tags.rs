//! The tags of a repository, and `GET` and `DELETE` of one.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http::request::Parts;

use super::error::AcrError;
use super::forwarded::login_server;
use super::query::ListQuery;
use super::render::{json, listed};
use super::wire::{InRepository, Tags};
use crate::oci::ErrorReply;
use crate::registry::{Content, RepositoryName, Tag};

pub(super) async fn list(
    content: &Content,
    name: &RepositoryName,
    head: &Parts,
) -> Result<Response, ErrorReply> {
    let query = ListQuery::parse(&head.uri).map_err(AcrError::Query)?;
    let page = content.tag_infos(name, query.digest.as_ref(), &query.window).await?;
    let tags = page.items.iter().cloned().map(Into::into).collect();
    let body = InRepository::new(login_server(head), name, Tags::Tags(tags));
    Ok(listed(&body, &format!("/acr/v1/{name}/_tags"), &query, &page))
}

pub(super) async fn get(
    content: &Content,
    name: &RepositoryName,
    tag: &Tag,
    head: &Parts,
) -> Result<Response, ErrorReply> {
    let info = content.tag_info(name, tag).await?;
    Ok(json(&InRepository::new(login_server(head), name, Tags::Tag(info.into()))))
}

/// Deletes the tag. Its manifest and other tags stay.
pub(super) async fn delete(
    content: &Content,
    name: &RepositoryName,
    tag: &Tag,
) -> Result<Response, ErrorReply> {
    content.untag(name, tag).await?;
    Ok((StatusCode::ACCEPTED, [(CONTENT_LENGTH, "0")]).into_response())
}
