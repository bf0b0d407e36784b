//! Operations on keys and their versions: create, import, get, list, update.

use axum::body::Body;
use axum::response::Response;

use super::body::{json, read};
use super::context::Context;
use super::jwk::KeyImportParameters;
use super::parameters::{KeyCreateParameters, KeyUpdateParameters};
use super::wire::{KeyBundle, KeyListResult, Naming};
use crate::error::ApiError;

pub(super) async fn create(context: &Context, body: Body) -> Result<Response, ApiError> {
    let name = context.name()?;
    let new = read::<KeyCreateParameters>(body).await?.into_new_key()?;
    let made = context.call(move |vaults, vault| vaults.create(vault, &name, new)).await?;
    Ok(json(&KeyBundle::new(context, &made)))
}

pub(super) async fn import(context: &Context, body: Body) -> Result<Response, ApiError> {
    let name = context.name()?;
    let (parts, new) = read::<KeyImportParameters>(body).await?.into_parts()?;
    let made = context.call(move |vaults, vault| vaults.import(vault, &name, &parts, new)).await?;
    Ok(json(&KeyBundle::new(context, &made)))
}

pub(super) async fn get(context: &Context) -> Result<Response, ApiError> {
    let at = context.reference()?;
    let found = context.call(move |vaults, vault| vaults.key(vault, &at)).await?;
    Ok(json(&KeyBundle::new(context, &found)))
}

pub(super) async fn list(context: &Context) -> Result<Response, ApiError> {
    let page = context.query.page()?;
    let page = context.call(move |vaults, vault| vaults.keys(vault, &page)).await?;
    Ok(json(&KeyListResult::new(context, &page, Naming::Key, "/keys")))
}

pub(super) async fn versions(context: &Context) -> Result<Response, ApiError> {
    let (name, page) = (context.name()?, context.query.page()?);
    let path = format!("/keys/{name}/versions");
    let page = context.call(move |vaults, vault| vaults.versions(vault, &name, &page)).await?;
    Ok(json(&KeyListResult::new(context, &page, Naming::Version, &path)))
}

pub(super) async fn update(context: &Context, body: Body) -> Result<Response, ApiError> {
    let at = context.reference()?;
    let changes = read::<KeyUpdateParameters>(body).await?.into_changes()?;
    let changed = context.call(move |vaults, vault| vaults.update(vault, &at, changes)).await?;
    Ok(json(&KeyBundle::new(context, &changed)))
}
