//! Scope maps, `Microsoft.ContainerRegistry/registries/scopeMaps`: the actions that a token may do on repositories.
//!
//! Called by the router of registries. The predefined scope maps are listed among the others and cannot be changed.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::document::when;
use super::path::RegistryPath;
use crate::arm::body::Fields;
use crate::arm::context::Context;
use crate::arm::error::{ArmError, Refusal};
use crate::arm::reply::{empty, json as answer, json_with};
use crate::registry::{AccessChangeError, AccessName, Registry, ScopeMap, ScopeMapAction};

/// The type's name in paths.
pub(super) const KIND: &str = "scopeMaps";
const READ: &str = "Microsoft.ContainerRegistry/registries/scopeMaps/read";
const WRITE: &str = "Microsoft.ContainerRegistry/registries/scopeMaps/write";
const DELETE: &str = "Microsoft.ContainerRegistry/registries/scopeMaps/delete";

/// The description of a scope map in a body.
struct ScopeMapDescription {
    description: Option<String>,
    actions: Option<Vec<String>>,
}

pub(super) async fn list(context: &Context, at: &RegistryPath) -> Result<Response, ArmError> {
    context.require(READ, &at.scope()?)?;
    let registry = at.found(context)?;
    let all = registry
        .scope_maps()
        .await
        .map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    let value: Vec<Value> = all.iter().map(|map| document(at, &registry, map)).collect();
    Ok(answer(json!({ "value": value })))
}

pub(super) async fn get(
    context: &Context,
    at: &RegistryPath,
    name: &str,
) -> Result<Response, ArmError> {
    context.require(READ, &at.scope()?)?;
    let registry = at.found(context)?;
    let map = registry
        .scope_map(name)
        .await
        .map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    Ok(answer(document(at, &registry, &map)))
}

/// Creates a scope map, or replaces the description of an existing one.
pub(super) async fn put(
    context: &Context,
    at: &RegistryPath,
    name: &str,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &at.scope()?)?;
    let registry = at.parent_of(context, KIND)?;
    let described = ScopeMapDescription::read(body)?;
    let actions = described.actions.ok_or(Refusal::Missing("properties.actions"))?;
    let is_new = registry.scope_map(name).await.is_err();
    let description = described.description.unwrap_or_default();
    let map = keep(at, &registry, name, &description, &actions).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json_with(status, document(at, &registry, &map)))
}

/// Changes the properties that the body names.
pub(super) async fn patch(
    context: &Context,
    at: &RegistryPath,
    name: &str,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &at.scope()?)?;
    let registry = at.parent_of(context, KIND)?;
    let described = ScopeMapDescription::read(body)?;
    let old = registry
        .scope_map(name)
        .await
        .map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    let description = described.description.unwrap_or(old.description);
    let own = || old.actions.iter().map(|action| action.as_str().to_owned()).collect();
    let actions = described.actions.unwrap_or_else(own);
    let map = keep(at, &registry, name, &description, &actions).await?;
    Ok(answer(document(at, &registry, &map)))
}

/// Deletes a scope map that no token uses.
pub(super) async fn delete(
    context: &Context,
    at: &RegistryPath,
    name: &str,
) -> Result<Response, ArmError> {
    context.require(DELETE, &at.scope()?)?;
    let Some(registry) = at.find(context) else { return Ok(empty(StatusCode::NO_CONTENT)) };
    match registry.delete_scope_map(name).await {
        Ok(()) => Ok(empty(StatusCode::OK)),
        Err(AccessChangeError::ScopeMapUnknown(_)) => Ok(empty(StatusCode::NO_CONTENT)),
        Err(error) => Err(ArmError::from_access_change(error, &at.id())),
    }
}

async fn keep(
    at: &RegistryPath,
    registry: &Registry,
    name: &str,
    description: &str,
    actions: &[String],
) -> Result<ScopeMap, ArmError> {
    let refused = |error| ArmError::from_access_change(error, &at.id());
    let name: AccessName = name.parse().map_err(refused)?;
    registry.put_scope_map(&name, description, actions).await.map_err(refused)
}

fn document(at: &RegistryPath, registry: &Registry, map: &ScopeMap) -> Value {
    let kind = if map.is_system_defined() { "SystemDefined" } else { "UserDefined" };
    let actions: Vec<&str> = map.actions.iter().map(ScopeMapAction::as_str).collect();
    json!({
        "id": format!("{}/{KIND}/{}", at.id(), map.name),
        "name": map.name,
        "type": "Microsoft.ContainerRegistry/registries/scopeMaps",
        "properties": {
            "description": map.description,
            "type": kind,
            // The predefined maps were created with the registry.
            "creationDate": when(map.created.unwrap_or(registry.profile().created)),
            "provisioningState": "Succeeded",
            "actions": actions,
        },
    })
}

impl ScopeMapDescription {
    fn read(body: &Value) -> Result<Self, ArmError> {
        let properties = Fields::new(body)?.object("properties")?;
        Ok(Self {
            description: properties.text("description")?.map(str::to_owned),
            actions: properties.texts("actions")?,
        })
    }
}
