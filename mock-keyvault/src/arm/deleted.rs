//! Deleted vaults: listed, shown, purged. A client recovers one by a PUT of the vault with `createMode: recover`.

use axum::response::Response;
use http::StatusCode;
use uuid::Uuid;

use super::context::Context;
use super::documents::{DeletedVault, List};
use super::error::ArmError;
use super::path::DeletedAt;
use super::respond::{empty, json};
use crate::model::names::VaultName;
use crate::vault::lifecycle::VaultChangeError;
use azure_emulator_core::authorization::Scope;

pub(super) async fn list(context: &Context, subscription: Uuid) -> Result<Response, ArmError> {
    let at = Scope::subscription(subscription);
    context.require("Microsoft.KeyVault/deletedVaults/read", &at)?;
    let deleted = context.call(move |vaults, _| vaults.deleted_vaults(subscription)).await?;
    let value = deleted.iter().map(DeletedVault::new).collect();
    json(StatusCode::OK, &List { value })
}

pub(super) async fn get(context: &Context, at: DeletedAt) -> Result<Response, ArmError> {
    let place = Scope::subscription(at.subscription);
    context.require("Microsoft.KeyVault/locations/deletedVaults/read", &place)?;
    let name = name(&at)?;
    let view = context
        .call(move |vaults, _| vaults.deleted_vault(at.subscription, &at.location, &name))
        .await?;
    json(StatusCode::OK, &DeletedVault::new(&view))
}

pub(super) async fn purge(context: &Context, at: DeletedAt) -> Result<Response, ArmError> {
    let place = Scope::subscription(at.subscription);
    context.require("Microsoft.KeyVault/locations/deletedVaults/purge/action", &place)?;
    let name = name(&at)?;
    context.call(move |vaults, _| vaults.purge_vault(at.subscription, &at.location, &name)).await?;
    Ok(empty(StatusCode::OK))
}

fn name(at: &DeletedAt) -> Result<VaultName, ArmError> {
    at.name.parse().map_err(|_| VaultChangeError::DeletedNotFound(at.name.clone()).into())
}
