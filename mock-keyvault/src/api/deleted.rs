//! Operations on deleted keys: delete, list, get, recover, purge.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;

use super::body::json;
use super::context::Context;
use super::wire::{KeyBundle, KeyListResult, Naming};
use crate::error::ApiError;

pub(super) async fn delete(context: &Context) -> Result<Response, ApiError> {
    let name = context.name()?;
    let deleted = context.call(move |vaults, vault| vaults.delete(vault, &name)).await?;
    Ok(json(&KeyBundle::new(context, &deleted)))
}

pub(super) async fn list(context: &Context) -> Result<Response, ApiError> {
    let page = context.query.page()?;
    let page = context.call(move |vaults, vault| vaults.deleted_keys(vault, &page)).await?;
    Ok(json(&KeyListResult::new(context, &page, Naming::Key, "/deletedkeys")))
}

pub(super) async fn get(context: &Context) -> Result<Response, ApiError> {
    let name = context.name()?;
    let found = context.call(move |vaults, vault| vaults.deleted_key(vault, &name)).await?;
    Ok(json(&KeyBundle::new(context, &found)))
}

pub(super) async fn recover(context: &Context) -> Result<Response, ApiError> {
    let name = context.name()?;
    let recovered = context.call(move |vaults, vault| vaults.recover(vault, &name)).await?;
    Ok(json(&KeyBundle::new(context, &recovered)))
}

pub(super) async fn purge(context: &Context) -> Result<Response, ApiError> {
    let name = context.name()?;
    context.call(move |vaults, vault| vaults.purge(vault, &name)).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
