//! Resource groups: `Microsoft.Resources/resourceGroups`, and what is asked of the group of every other resource.
//!
//! Called by the dispatch. Whoever deletes a group deletes what is in it, each resource as if they had asked for it
//! themselves; that takes its time, and is an operation that is polled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::response::Response;
use http::{Method, Request, StatusCode};
use mock_keyvault::authority::host_of;
use mock_keyvault::authorization::Scope;
use mock_keyvault::control;
use serde_json::{Value, json};

use super::body::{field, tags, text};
use super::context::Context;
use super::error::ArmError;
use super::{Arm, empty, json as answer, json_with, operations, path};
use crate::registry::{Group, Location, ManageError, ResourceGroup};

const TYPE: &str = "Microsoft.Resources/resourceGroups";
const READ: &str = "Microsoft.Resources/subscriptions/resourceGroups/read";
const WRITE: &str = "Microsoft.Resources/subscriptions/resourceGroups/write";
const DELETE: &str = "Microsoft.Resources/subscriptions/resourceGroups/delete";

/// What goes first when a group is deleted: what uses others goes before them.
const ORDER: [&str; 3] = [
    "microsoft.containerregistry/registries",
    "microsoft.keyvault/vaults",
    "microsoft.managedidentity/userassignedidentities",
];

/// The groups that are being deleted, by name in lower case, with the operation. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Deleting(Arc<Mutex<HashMap<String, String>>>);

/// While it lives, its group is being deleted.
struct Mark {
    deleting: Deleting,
    name: String,
}

impl Deleting {
    fn all(&self) -> MutexGuard<'_, HashMap<String, String>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what would come into a group that is being deleted.
    fn refuse(&self, name: &ResourceGroup) -> Result<(), ArmError> {
        if self.all().contains_key(&name.as_str().to_ascii_lowercase()) {
            return Err(ArmError::GroupBeingDeleted(name.clone()));
        }
        Ok(())
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.deleting.all().remove(&self.name);
    }
}

/// Makes a group, or gives the one that is there the tags of the body.
pub(super) async fn put(
    context: &Context,
    name: ResourceGroup,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &scope(&name)?)?;
    context.arm.deleting.refuse(&name)?;
    let location: Location = text(body, "location")?.ok_or(ArmError::NoLocation)?.parse()?;
    let new = Group { name, location, tags: tags(body)? };
    let registries = &context.arm.registries;
    if registries.create_group(&new).await? {
        return Ok(json_with(StatusCode::CREATED, document(&new)));
    }
    let known = registries.group(&new.name).await?;
    if known.location != new.location {
        return Err(ArmError::GroupElsewhere { asked: new.location, is: known.location });
    }
    Ok(answer(document(&registries.tag_group(&new.name, new.tags).await?)))
}

/// Changes the tags, if the body has any.
pub(super) async fn patch(
    context: &Context,
    name: ResourceGroup,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &scope(&name)?)?;
    let registries = &context.arm.registries;
    let changed = if field(body, "tags").is_null() {
        registries.group(&name).await
    } else {
        registries.tag_group(&name, tags(body)?).await
    };
    Ok(answer(document(&changed?)))
}

pub(super) async fn get(context: &Context, name: ResourceGroup) -> Result<Response, ArmError> {
    context.require(READ, &scope(&name)?)?;
    Ok(answer(document(&context.arm.registries.group(&name).await?)))
}

/// Whether there is such a group: 204, or 404 without a word.
pub(super) async fn exists(context: &Context, name: ResourceGroup) -> Result<Response, ArmError> {
    context.require(READ, &scope(&name)?)?;
    match context.arm.registries.group(&name).await {
        Ok(_) => Ok(empty(StatusCode::NO_CONTENT)),
        Err(ManageError::NoGroup(_)) => Ok(empty(StatusCode::NOT_FOUND)),
        Err(error) => Err(error.into()),
    }
}

/// Those that the caller may see, with the tag that the filter names.
pub(super) async fn list(context: &Context, query: &str) -> Result<Response, ArmError> {
    let terms = control::equalities(query).ok_or(ArmError::Filter)?;
    let mut value = Vec::new();
    for group in context.arm.registries.groups().await? {
        if is_taken(&group, &terms) && context.may(READ, &scope(&group.name)?) {
            value.push(document(&group));
        }
    }
    Ok(answer(json!({ "value": value })))
}

/// Begins to delete a group with all that is in it; who asks again follows the same operation.
pub(super) async fn delete(context: &Context, name: ResourceGroup) -> Result<Response, ArmError> {
    context.require(DELETE, &scope(&name)?)?;
    context.arm.registries.check_group_deletion(&name).await?;
    let operation = begin_deletion(context, name);
    let mut response = empty(StatusCode::ACCEPTED);
    operations::locate(context, &mut response, &operation);
    Ok(response)
}

fn begin_deletion(context: &Context, name: ResourceGroup) -> String {
    let deleting = &context.arm.deleting;
    let key = name.as_str().to_ascii_lowercase();
    // Held until the operation is noted: it cannot end before.
    let mut all = deleting.all();
    if let Some(operation) = all.get(&key) {
        return operation.clone();
    }
    let (own, mark) = (context.clone(), Mark { deleting: deleting.clone(), name: key.clone() });
    let operation = context.arm.operations.start(async move {
        let _mark = mark;
        // Whoever was let in before the mark is done when this turn comes; nobody is let in after it.
        drop(own.arm.changing.write().await);
        empty_and_forget(&own, &name).await
    });
    all.insert(key, operation.clone());
    operation
}

/// Refuses a request for something in a group that is not there, or is about to be gone. Whoever may not see groups is
/// told that alone.
pub(super) async fn require_parent(arm: &Arm, request: &Request<()>) -> Result<(), ArmError> {
    let Some(group) = path::parent_group(request.uri().path()) else { return Ok(()) };
    let Ok(group) = group.parse::<ResourceGroup>() else { return Ok(()) };
    match arm.registries.group(&group).await {
        Err(error @ ManageError::NoGroup(_)) => {
            let host = host_of(request).unwrap_or("localhost");
            let context =
                Context::of(arm, host, request.headers(), request.extensions(), request.uri())?;
            context.require(READ, &scope(&group)?)?;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
        Ok(_) if [Method::PUT, Method::PATCH].contains(request.method()) => {
            arm.deleting.refuse(&group)
        }
        Ok(_) => Ok(()),
    }
}

/// Deletes everything in a group, then the group and the roles that were given at it. The error is that of the first
/// resource that stays.
async fn empty_and_forget(context: &Context, name: &ResourceGroup) -> Result<(), Value> {
    loop {
        let listed = done(context, Method::GET, &format!("{}/resources", name.id())).await?;
        let mut resources: Vec<&Value> = listed["value"].as_array().into_iter().flatten().collect();
        if resources.is_empty() {
            break;
        }
        resources.sort_by_key(|resource| rank(resource));
        for resource in resources {
            done(context, Method::DELETE, resource["id"].as_str().unwrap_or_default()).await?;
        }
    }
    let forgotten = async {
        context.arm.registries.delete_group(name).await?;
        Ok(context.arm.gate.forget_roles(scope(name)?).await?)
    };
    match forgotten.await {
        Ok(()) => Ok(()),
        Err(error) => Err(ArmError::report(error).await),
    }
}

/// What is answered, if that is no refusal.
async fn done(context: &Context, method: Method, path: &str) -> Result<Value, Value> {
    match context.call(method, path, None).await {
        Ok((status, answer)) if status.is_success() => Ok(answer),
        Ok((_, refused)) => Err(refused["error"].clone()),
        Err(error) => Err(error.report().await),
    }
}

/// The place of a resource in the order in which they go.
fn rank(resource: &Value) -> usize {
    let kind = resource["type"].as_str().unwrap_or_default().to_ascii_lowercase();
    ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len())
}

fn is_taken(group: &Group, terms: &[(String, String)]) -> bool {
    let tags = group.tags.as_map();
    let named = terms.iter().find(|(field, _)| field == "tagname").map(|(_, name)| name);
    terms.iter().all(|(field, wanted)| match field.as_str() {
        "tagname" => tags.keys().any(|tag| tag.eq_ignore_ascii_case(wanted)),
        "tagvalue" => tags.iter().any(|(tag, value)| {
            value == wanted && named.is_none_or(|name| tag.eq_ignore_ascii_case(name))
        }),
        _ => false,
    })
}

/// As answers and templates have it.
pub(super) fn document(group: &Group) -> Value {
    json!({
        "id": group.name.id(),
        "name": group.name.as_str(),
        "type": TYPE,
        "location": group.location.as_str(),
        "tags": group.tags.as_map(),
        "properties": { "provisioningState": "Succeeded" },
    })
}

fn scope(name: &ResourceGroup) -> Result<Scope, ArmError> {
    name.id().parse().map_err(|_| ArmError::Content(format!("'{name}' cannot be a group")))
}
