//! User-assigned identities: `Microsoft.ManagedIdentity/userAssignedIdentities`.
//!
//! Called by the router, which has checked that the group exists. Every request is complete when it is answered.

use axum::response::Response;
use azure_emulator_core::authorization::Scope;
use azure_emulator_core::listing::Resource;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use http::StatusCode;
use serde_json::{Value, json};

use super::body::{field, tags, text};
use super::context::Context;
use super::error::ArmError;
use super::reply::{empty, json as answer, json_with};
use super::resource_type::ResourceType;
use super::state::Arm;
use crate::registry::{Identity, IdentityResource, Location, ManageError, ResourceGroup};

const TYPE: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
const READ: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/read";
const WRITE: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/write";
const DELETE: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/delete";

/// Creates an identity, or sets the tags of an existing one from the body.
pub(super) async fn put(
    context: &Context,
    resource: IdentityResource,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &scope(&resource)?)?;
    let registries = &context.arm.registries;
    let tags = tags(body)?;
    let location: Location = match text(body, "location")? {
        Some(location) => location.parse()?,
        None => return Err(ArmError::NoLocation),
    };
    context.arm.check_location(&location, Some(TYPE))?;
    match registries.create_identity(resource.clone(), location, tags.clone()).await {
        Ok(made) => Ok(json_with(StatusCode::CREATED, document(&made))),
        Err(ManageError::IdentityTaken(_)) => {
            Ok(answer(document(&registries.tag_identity(&resource, tags).await?)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Changes the tags, if the body has any.
pub(super) async fn patch(
    context: &Context,
    resource: IdentityResource,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &scope(&resource)?)?;
    let registries = &context.arm.registries;
    let changed = if field(body, "tags").is_null() {
        registries.identity(&resource).await
    } else {
        registries.tag_identity(&resource, tags(body)?).await
    };
    found(&resource, changed)
}

pub(super) async fn get(
    context: &Context,
    resource: IdentityResource,
) -> Result<Response, ArmError> {
    context.require(READ, &scope(&resource)?)?;
    found(&resource, context.arm.registries.identity(&resource).await)
}

/// Deletes an identity. A registry that uses it for its key loses access to its content, as in Azure.
pub(super) async fn delete(
    context: &Context,
    resource: IdentityResource,
) -> Result<Response, ArmError> {
    context.require(DELETE, &scope(&resource)?)?;
    match context.arm.registries.delete_identity(&resource, true).await {
        Ok(()) => Ok(empty(StatusCode::OK)),
        Err(ManageError::NoIdentity(_)) => Ok(empty(StatusCode::NO_CONTENT)),
        Err(error) => Err(error.into()),
    }
}

/// The identities of a group, or all, that the caller may see.
pub(super) async fn list(
    context: &Context,
    group: Option<&ResourceGroup>,
) -> Result<Response, ArmError> {
    let seen = readable(context, group).await?;
    Ok(answer(json!({ "value": seen.iter().map(document).collect::<Vec<_>>() })))
}

/// All user-assigned identities, as a resource type.
pub(super) struct Identities;

impl ResourceType for Identities {
    fn shown<'a>(
        &self,
        context: &'a Context,
        group: Option<&'a ResourceGroup>,
    ) -> BoxFuture<'a, Result<Vec<Resource>, ArmError>> {
        let shown = async move { readable(context, group).await };
        shown.map_ok(|all| all.iter().map(as_resource).collect()).boxed()
    }

    fn ids<'a>(
        &self,
        arm: &'a Arm,
        group: &'a ResourceGroup,
    ) -> BoxFuture<'a, Result<Vec<String>, ArmError>> {
        async move {
            let all = arm.registries.identities().await?.into_iter();
            let here = all.filter(|identity| identity.resource.group() == group);
            Ok(here.map(|identity| identity.resource.to_string()).collect())
        }
        .boxed()
    }
}

fn as_resource(identity: &Identity) -> Resource {
    Resource {
        id: identity.resource.to_string(),
        name: identity.resource.name().to_owned(),
        kind: TYPE.to_owned(),
        group: identity.resource.group().to_string(),
        location: identity.location.as_str().to_owned(),
        tags: identity.tags.as_map().clone(),
        sku: None,
        identity: None,
        created: Some(identity.created),
        changed: None,
    }
}

async fn readable(
    context: &Context,
    group: Option<&ResourceGroup>,
) -> Result<Vec<Identity>, ArmError> {
    let mut seen = Vec::new();
    for identity in context.arm.registries.identities().await? {
        let is_asked = group.is_none_or(|group| identity.resource.group() == group);
        if is_asked && context.may(READ, &scope(&identity.resource)?) {
            seen.push(identity);
        }
    }
    Ok(seen)
}

/// The requested identity, or Azure's error if it does not exist.
fn found(
    resource: &IdentityResource,
    looked_up: Result<Identity, ManageError>,
) -> Result<Response, ArmError> {
    match looked_up {
        Ok(identity) => Ok(answer(document(&identity))),
        Err(ManageError::NoIdentity(_)) => Err(ArmError::NoResource {
            kind: TYPE,
            name: resource.name().to_owned(),
            group: resource.group().to_string(),
        }),
        Err(error) => Err(error.into()),
    }
}

fn document(identity: &Identity) -> Value {
    let resource = &identity.resource;
    json!({
        "id": resource.to_string(),
        "name": resource.name(),
        "type": TYPE,
        "location": identity.location.as_str(),
        "tags": identity.tags.as_map(),
        "properties": {
            "tenantId": identity.tenant,
            "principalId": identity.principal.principal_id,
            "clientId": identity.principal.client_id,
        },
    })
}

fn scope(resource: &IdentityResource) -> Result<Scope, ArmError> {
    resource.to_string().parse().map_err(|_| ArmError::Content(format!("'{resource}' is too long")))
}
