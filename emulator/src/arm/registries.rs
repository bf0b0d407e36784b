//! Registries as resources: `Microsoft.ContainerRegistry/registries`, read and taken away.
//!
//! Called by the dispatch. Names are Azure's (see `acr encryption show`). Addresses in an answer are those of the names
//! that the client used: public ones, or the ones under `localhost` at the client's port.

use axum::response::Response;
use http::StatusCode;
use mock_keyvault::authority::Authority;
use mock_keyvault::authorization::Scope;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::context::Context;
use super::error::ArmError;
use super::{empty, json as answer};
use crate::registry::{ManageError, Registry, ResourceGroup};

/// The type of these resources.
pub(super) const TYPE: &str = "Microsoft.ContainerRegistry/registries";
const READ: &str = "Microsoft.ContainerRegistry/registries/read";
const DELETE: &str = "Microsoft.ContainerRegistry/registries/delete";

pub(super) async fn get(
    context: &Context,
    group: &ResourceGroup,
    name: &str,
) -> Result<Response, ArmError> {
    context.require(READ, &scope(&named(group, name))?)?;
    let found = find(context, group, name).ok_or_else(|| ArmError::NoResource {
        kind: TYPE,
        name: name.chars().take(100).collect(),
        group: group.to_string(),
    })?;
    Ok(answer(document(context, &found).await?))
}

/// Those of a group, or all, that the caller may see.
pub(super) async fn list(
    context: &Context,
    group: Option<&ResourceGroup>,
) -> Result<Response, ArmError> {
    let mut value = Vec::new();
    for registry in readable(context, group)? {
        value.push(document(context, &registry).await?);
    }
    Ok(answer(json!({ "value": value })))
}

/// Takes a registry away with all that is in it.
pub(super) async fn delete(
    context: &Context,
    group: &ResourceGroup,
    name: &str,
) -> Result<Response, ArmError> {
    context.require(DELETE, &scope(&named(group, name))?)?;
    let Some(found) = find(context, group, name) else { return Ok(empty(StatusCode::NO_CONTENT)) };
    match context.arm.registries.delete(found.registry_name()).await {
        Ok(()) => Ok(empty(StatusCode::OK)),
        Err(ManageError::NoRegistry(_)) => Ok(empty(StatusCode::NO_CONTENT)),
        Err(error) => Err(error.into()),
    }
}

/// The registries that the caller may see, as a list of resources of any type has them.
pub(super) fn summaries(
    context: &Context,
    group: Option<&ResourceGroup>,
) -> Result<Vec<Value>, ArmError> {
    let registries = readable(context, group)?;
    Ok(registries.iter().map(|registry| Value::Object(summary(registry))).collect())
}

fn readable(context: &Context, group: Option<&ResourceGroup>) -> Result<Vec<Registry>, ArmError> {
    let mut seen = Vec::new();
    for registry in context.arm.registries.all() {
        let is_asked = group.is_none_or(|group| registry.profile().group == *group);
        if is_asked && context.may(READ, &scope(&registry.resource_id())?) {
            seen.push(registry);
        }
    }
    Ok(seen)
}

fn find(context: &Context, group: &ResourceGroup, name: &str) -> Option<Registry> {
    context.arm.registries.get(name).filter(|registry| registry.profile().group == *group)
}

/// The id that a registry of this name has or would have.
fn named(group: &ResourceGroup, name: &str) -> String {
    format!("{}/providers/{TYPE}/{name}", group.id())
}

fn scope(id: &str) -> Result<Scope, ArmError> {
    id.parse().map_err(|_| ArmError::Content("the name cannot be one".to_owned()))
}

fn summary(registry: &Registry) -> Map<String, Value> {
    let profile = registry.profile();
    Map::from_iter([
        ("id".to_owned(), registry.resource_id().into()),
        ("name".to_owned(), registry.name().into()),
        ("type".to_owned(), TYPE.into()),
        ("location".to_owned(), profile.location.as_str().into()),
        ("tags".to_owned(), json!(profile.tags.as_map())),
        ("sku".to_owned(), json!({ "name": profile.sku.as_str(), "tier": profile.sku.as_str() })),
    ])
}

async fn document(context: &Context, registry: &Registry) -> Result<Value, ArmError> {
    let profile = registry.profile();
    let access = registry.access_settings().await.map_err(ManageError::from)?;
    let mut document = summary(registry);
    if let Some(identity) = identity(registry) {
        document.insert("identity".to_owned(), identity);
    }
    let trust = if profile.content_trust { "enabled" } else { "disabled" };
    let properties = json!({
        "loginServer": login_server(context, registry.name()),
        "creationDate": when(profile.created),
        "provisioningState": "Succeeded",
        "adminUserEnabled": access.admin_enabled,
        "anonymousPullEnabled": access.anonymous_pull,
        "dataEndpointEnabled": false,
        "dataEndpointHostNames": [],
        "encryption": encryption(context, registry),
        "networkRuleBypassOptions": "AzureServices",
        "networkRuleSet": { "defaultAction": "Allow", "ipRules": [] },
        "policies": {
            "azureADAuthenticationAsArmPolicy": { "status": "enabled" },
            "exportPolicy": { "status": "enabled" },
            "quarantinePolicy": { "status": "disabled" },
            "retentionPolicy": { "days": 7, "status": "disabled" },
            "softDeletePolicy": { "retentionDays": 7, "status": "disabled" },
            "trustPolicy": { "type": "Notary", "status": trust },
        },
        "privateEndpointConnections": [],
        "publicNetworkAccess": "Enabled",
        "zoneRedundancy": "Disabled",
    });
    document.insert("properties".to_owned(), properties);
    Ok(Value::Object(document))
}

/// The identities that it has; none if there is none.
fn identity(registry: &Registry) -> Option<Value> {
    let profile = registry.profile();
    let kind = match (&profile.system_identity, profile.identities.is_empty()) {
        (None, true) => return None,
        (Some(_), true) => "SystemAssigned",
        (Some(_), false) => "SystemAssigned, UserAssigned",
        (None, false) => "UserAssigned",
    };
    let mut identity = json!({ "type": kind });
    if let Some(own) = &profile.system_identity {
        identity["principalId"] = own.principal_id.clone().into();
        identity["tenantId"] = mock_keyvault::identity::TENANT.into();
    }
    if !profile.identities.is_empty() {
        let assigned = profile.identities.iter().map(|assigned| {
            let principal = &assigned.principal;
            let told = json!({
                "principalId": principal.principal_id,
                "clientId": principal.client_id,
            });
            (assigned.resource.to_string(), told)
        });
        identity["userAssignedIdentities"] = Value::Object(assigned.collect());
    }
    Some(identity)
}

/// What `az acr encryption show` prints.
fn encryption(context: &Context, registry: &Registry) -> Value {
    let ring = registry.key_ring().describe();
    let Some(configured) = ring.configured else { return json!({ "status": "disabled" }) };
    let end = end_of(context, "vault.azure.net", "vault.localhost");
    let of = |vault: &str, name: &str, version: Option<String>| {
        let version = version.map(|version| format!("/{version}")).unwrap_or_default();
        format!("https://{vault}.{end}/keys/{name}{version}")
    };
    let asker = ring.identity.as_ref().map_or_else(
        || context.arm.registries.start_identity().principal.client_id.clone(),
        ToString::to_string,
    );
    let version = configured.version().map(ToString::to_string);
    let versioned = ring.versioned.map(|key| {
        of(key.vault().as_str(), key.name().as_str(), key.version().map(ToString::to_string))
    });
    json!({
        "status": "enabled",
        "keyVaultProperties": {
            "keyIdentifier": of(configured.vault().as_str(), configured.name().as_str(), version),
            "versionedKeyIdentifier": versioned,
            "identity": asker,
            "keyRotationEnabled": ring.automatic,
            "lastKeyRotationTimestamp": ring.last_rotation.and_then(when),
        },
    })
}

fn login_server(context: &Context, name: &str) -> String {
    format!("{name}.{}", end_of(context, "azurecr.io", "azurecr.localhost"))
}

/// The end of names in the world that the client is in: the public one, or `localhost` at the client's port.
fn end_of(context: &Context, public: &str, local: &str) -> String {
    let authority: Option<Authority> = context.host.parse().ok();
    match authority {
        Some(authority) if authority.name() == "management.azure.com" => public.to_owned(),
        Some(authority) => match authority.port() {
            Some(port) => format!("{local}:{port}"),
            None => local.to_owned(),
        },
        None => local.to_owned(),
    }
}

fn when(moment: OffsetDateTime) -> Option<String> {
    moment.format(&Rfc3339).ok()
}
