//! Registries: created, described anew, updated, shown, listed and deleted.
//!
//! Called by the router of registries. A request creates or changes the registry as a whole or not at all, and the
//! answer shows its new state. A registry that is created here requires a login, unlike the default registry.

use axum::response::Response;
use azure_emulator_core::listing::Resource;
use futures::FutureExt as _;
use futures::future::{self, BoxFuture};
use http::StatusCode;
use serde_json::{Value, json};

use super::description::{Description, UpdateMode};
use super::document::{as_resource, document, key_identifier};
use super::path::{RegistryPath, TYPE, scope_of};
use crate::arm::context::Context;
use crate::arm::error::{ArmError, Refusal};
use crate::arm::reply::{empty, json as answer, json_with};
use crate::arm::resource_type::ResourceType;
use crate::arm::state::Arm;
use crate::registry::{
    Author, IdentityRef, IdentityResource, ManageError, NewRegistry, Principal, Profile, Registry,
    RegistryName, ResourceGroup,
};

const READ: &str = "Microsoft.ContainerRegistry/registries/read";
const WRITE: &str = "Microsoft.ContainerRegistry/registries/write";
const DELETE: &str = "Microsoft.ContainerRegistry/registries/delete";
const ASSIGN: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";

/// Creates a registry, or replaces the description of an existing one.
pub(super) async fn put(
    context: &Context,
    at: &RegistryPath,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &at.scope()?)?;
    let name: RegistryName = at.name.parse().map_err(|_| Refusal::Name)?;
    let described = Description::read(body)?;
    let _lock = context.arm.describing.lock().await;
    match context.arm.registries.get(name.as_str()) {
        None => {
            let made = create(context, at, name, described).await?;
            Ok(json_with(StatusCode::CREATED, document(context, &made).await?))
        }
        Some(found) if found.profile().group == at.group => {
            update(context, at, &found, described, UpdateMode::Replace).await
        }
        Some(_) => Err(Refusal::InUse(name.to_string()).into()),
    }
}

/// Changes the properties that the body names.
pub(super) async fn patch(
    context: &Context,
    at: &RegistryPath,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &at.scope()?)?;
    let described = Description::read(body)?;
    // Held so that omitted properties have the values that the previous change left.
    let _lock = context.arm.describing.lock().await;
    update(context, at, &at.found(context)?, described, UpdateMode::Patch).await
}

pub(super) async fn get(context: &Context, at: &RegistryPath) -> Result<Response, ArmError> {
    context.require(READ, &at.scope()?)?;
    Ok(answer(document(context, &at.found(context)?).await?))
}

/// Whether the registry exists.
pub(super) fn exists(context: &Context, at: &RegistryPath) -> Result<Response, ArmError> {
    context.require(READ, &at.scope()?)?;
    let found = at.find(context);
    Ok(empty(found.map_or(StatusCode::NOT_FOUND, |_| StatusCode::NO_CONTENT)))
}

/// Deletes a registry with everything in it.
pub(super) async fn delete(context: &Context, at: &RegistryPath) -> Result<Response, ArmError> {
    context.require(DELETE, &at.scope()?)?;
    let Some(found) = at.find(context) else { return Ok(empty(StatusCode::NO_CONTENT)) };
    match context.arm.registries.delete(found.registry_name()).await {
        Ok(()) => Ok(empty(StatusCode::OK)),
        Err(ManageError::NoRegistry(_)) => Ok(empty(StatusCode::NO_CONTENT)),
        Err(error) => Err(error.into()),
    }
}

/// The registries of a group, or all, that the caller may see.
pub(in crate::arm) async fn list(
    context: &Context,
    group: Option<&ResourceGroup>,
) -> Result<Response, ArmError> {
    let mut value = Vec::new();
    for registry in readable(context, group)? {
        value.push(document(context, &registry).await?);
    }
    Ok(answer(json!({ "value": value })))
}

/// All registries, as a resource type.
pub(in crate::arm) struct AllRegistries;

impl ResourceType for AllRegistries {
    fn shown<'a>(
        &self,
        context: &'a Context,
        group: Option<&'a ResourceGroup>,
    ) -> BoxFuture<'a, Result<Vec<Resource>, ArmError>> {
        let readable = readable(context, group);
        future::ready(readable.map(|all| all.iter().map(as_resource).collect())).boxed()
    }

    fn ids<'a>(
        &self,
        arm: &'a Arm,
        group: &'a ResourceGroup,
    ) -> BoxFuture<'a, Result<Vec<String>, ArmError>> {
        let all = arm.registries.all().into_iter();
        let here = all.filter(|registry| registry.profile().group == *group);
        future::ready(Ok(here.map(|registry| registry.resource_id()).collect())).boxed()
    }
}

async fn create(
    context: &Context,
    at: &RegistryPath,
    name: RegistryName,
    described: Description,
) -> Result<Registry, ArmError> {
    require_assign_permission(context, at, &described, |_| None).await?;
    check_key_identity(context, described.key_identity(), None).await?;
    // The group is shown in the spelling of its creation.
    let group = context.arm.registries.group(&at.group).await?.name;
    let author = Author {
        client_id: context.caller.app_id.clone(),
        is_managed_identity: context.caller.kind.is_managed_identity(),
    };
    let new = NewRegistry { author: Some(author), ..described.new_registry(name, group)? };
    context.arm.check_location(&new.location, Some(TYPE))?;
    let (made, _) =
        context.arm.registries.create(new).await.map_err(|error| refused(context, error))?;
    Ok(made)
}

async fn update(
    context: &Context,
    at: &RegistryPath,
    found: &Registry,
    described: Description,
    mode: UpdateMode,
) -> Result<Response, ArmError> {
    let (profile, name) = (found.profile(), found.registry_name());
    let own = |resource: &IdentityResource| {
        profile.assigned(resource).map(|assigned| assigned.principal.clone())
    };
    require_assign_permission(context, at, &described, own).await?;
    check_key_identity(context, described.key_identity(), Some(&profile)).await?;
    let update = described.update(mode, &profile, name)?;
    let (updated, _) = context
        .arm
        .registries
        .update(name, update)
        .await
        .map_err(|error| refused(context, error))?;
    Ok(answer(document(context, &updated).await?))
}

/// Refuses a caller who adds an identity to the registry without the right to assign it.
async fn require_assign_permission(
    context: &Context,
    at: &RegistryPath,
    described: &Description,
    has: impl Fn(&IdentityResource) -> Option<Principal>,
) -> Result<(), ArmError> {
    for resource in described.assigned() {
        // An identity that was deleted and created again under its name is different; the registry does not have it.
        let known = context.arm.registries.identity(resource).await.ok();
        if has(resource).is_some_and(|own| known.is_none_or(|known| known.principal == own)) {
            continue;
        }
        let identity = resource.to_string();
        if !context.may(ASSIGN, &scope_of(&identity)?) {
            let caller = &context.caller;
            let (app_id, object_id) = (caller.app_id.clone(), caller.object_id.clone());
            return Err(
                Refusal::MayNotAssign { app_id, object_id, registry: at.id(), identity }.into()
            );
        }
    }
    Ok(())
}

/// Refuses a principal id where a client id is expected: an identity shows both as GUIDs, and the vault's error for the
/// wrong one would not explain it.
async fn check_key_identity(
    context: &Context,
    key_identity: Option<&IdentityRef>,
    profile: Option<&Profile>,
) -> Result<(), ArmError> {
    let Some(IdentityRef::ClientId(named)) = key_identity else { return Ok(()) };
    let wrong = |whose: String, expected: &str| {
        let (principal_id, expected) = (named.clone(), expected.to_owned());
        Err(Refusal::PrincipalId { principal_id, whose, expected }.into())
    };
    let is = |id: &str| id.eq_ignore_ascii_case(named);
    let identities = context.arm.registries.identities().await?;
    if identities.iter().any(|identity| is(&identity.principal.client_id)) {
        return Ok(());
    }
    let system = profile.and_then(|profile| profile.system_identity.as_ref());
    if system.is_some_and(|system| is(&system.principal_id)) {
        return wrong("the registry's own identity".to_owned(), "system");
    }
    match identities.iter().find(|identity| is(&identity.principal.principal_id)) {
        Some(identity) => {
            wrong(format!("the identity '{}'", identity.resource), &identity.principal.client_id)
        }
        None => Ok(()),
    }
}

/// The domain's refusal to create or change a registry.
fn refused(context: &Context, error: ManageError) -> ArmError {
    match error {
        ManageError::NoIdentity(resource) => Refusal::NoIdentity(resource).into(),
        ManageError::NameTaken(name) => Refusal::InUse(name.to_string()).into(),
        other => other.naming_keys(|key| key_identifier(context, key)).into(),
    }
}

fn readable(context: &Context, group: Option<&ResourceGroup>) -> Result<Vec<Registry>, ArmError> {
    let mut seen = Vec::new();
    for registry in context.arm.registries.all() {
        let is_asked = group.is_none_or(|group| registry.profile().group == *group);
        if is_asked && context.may(READ, &scope_of(&registry.resource_id())?) {
            seen.push(registry);
        }
    }
    Ok(seen)
}
