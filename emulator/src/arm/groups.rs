//! Resource groups: `Microsoft.Resources/resourceGroups`, and what is asked of the group of every other resource.
//!
//! Called by the dispatch. Whoever deletes a group deletes what is in it, each resource as if they had asked for it
//! themselves; that takes its time, and is an operation that is polled. It is durable before it is accepted, and goes on
//! after a restart.

use axum::response::Response;
use http::{Method, Request, StatusCode, Uri};
use mock_keyvault::authority::host_of;
use mock_keyvault::authorization::Scope;
use mock_keyvault::control::RequestError;
use mock_keyvault::listing::{Page, TagFilter};
use mock_keyvault::vault::Caller;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::body::{field, tags, text};
use super::context::Context;
use super::error::ArmError;
use super::{Arm, empty, json as answer, json_with, operations, path};
use crate::registry::{Group, Intent, Kind, Location, ManageError, ResourceGroup};

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

/// The step after which nothing is in the group.
const EMPTY: &str = "empty";

/// What the deletion of a group needs to go on: in whose name, and which group.
#[derive(Serialize, Deserialize)]
struct Deletion {
    group: String,
    caller: Caller,
}

/// Why the deletion of a group did not come to its end.
enum Halt {
    /// A resource is refused to be deleted: that is the end.
    Refused(Value),
    /// Something does not answer: it is tried again.
    Later(String),
}

/// The operation that deletes a group, if one does.
fn deletion_of(arm: &Arm, name: &ResourceGroup) -> Option<Uuid> {
    let all = arm.registries.intents().parameters::<Deletion>(Kind::DeleteGroup);
    let found = all.iter().find(|(_, one)| one.group.eq_ignore_ascii_case(name.as_str()));
    found.map(|(id, _)| *id)
}

/// Refuses what would come into a group that is being deleted.
fn refuse_deleting(arm: &Arm, name: &ResourceGroup) -> Result<(), ArmError> {
    match deletion_of(arm, name) {
        Some(_) => Err(ArmError::GroupBeingDeleted(name.clone())),
        None => Ok(()),
    }
}

/// Makes a group, or gives the one that is there the tags of the body.
pub(super) async fn put(
    context: &Context,
    name: ResourceGroup,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &scope(&name)?)?;
    refuse_deleting(&context.arm, &name)?;
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
pub(super) async fn list(context: &Context, uri: &Uri) -> Result<Response, ArmError> {
    let query = uri.query().unwrap_or_default();
    let tags = TagFilter::of(query).map_err(RequestError::from)?;
    let page = Page::of(query).map_err(RequestError::from)?;
    let mut value = Vec::new();
    for group in context.arm.registries.groups().await? {
        if tags.selects(group.tags.as_map()) && context.may(READ, &scope(&group.name)?) {
            value.push(document(&group));
        }
    }
    Ok(answer(page.answer(value, &format!("https://{}{}", context.host, uri.path()))))
}

/// Begins to delete a group with all that is in it; who asks again follows the same operation.
pub(super) async fn delete(context: &Context, name: ResourceGroup) -> Result<Response, ArmError> {
    context.require(DELETE, &scope(&name)?)?;
    context.arm.registries.check_group_deletion(&name).await?;
    let operation = begin_deletion(context, name).await?;
    let mut response = empty(StatusCode::ACCEPTED);
    operations::locate(context, &mut response, operation);
    Ok(response)
}

/// The deletion is durable before it is answered.
async fn begin_deletion(context: &Context, name: ResourceGroup) -> Result<Uuid, ArmError> {
    let arm = context.arm.clone();
    let _alone = arm.deleting.lock().await;
    if let Some(operation) = deletion_of(&arm, &name) {
        return Ok(operation);
    }
    let deletion = Deletion { group: name.to_string(), caller: context.caller.clone() };
    let begun = arm.registries.intents().begin(Kind::DeleteGroup, &deletion).await;
    let intent = begun.map_err(ManageError::from)?;
    let operation = intent.id();
    let own = arm.clone();
    tokio::spawn(async move { go_on(&own, intent).await });
    Ok(operation)
}

/// Deletes a group from where the deletion stands, in the name of who asked for it. What does not answer is tried again.
pub(super) async fn go_on(arm: &Arm, mut intent: Intent) {
    // Whoever was let in before the deletion began is done when this turn comes; nobody is let in after it.
    drop(arm.changing.write().await);
    let concluded = match delete_all(arm, &mut intent).await {
        // The last transaction keeps the outcome.
        Ok(()) => return intent.ended().await,
        Err(Halt::Refused(error)) => intent.conclude(&Err(error)).await,
        Err(Halt::Later(why)) => return intent.failed(&why),
    };
    if let Err(error) = concluded {
        tracing::error!(%error, "the end of the deletion of a group could not be noted");
    }
}

async fn delete_all(arm: &Arm, intent: &mut Intent) -> Result<(), Halt> {
    let later = |error: &dyn std::fmt::Display| Halt::Later(error.to_string());
    let Deletion { group, caller } = intent.parameters().map_err(|error| later(&error))?;
    let name: ResourceGroup = group.parse().map_err(|error| later(&error))?;
    // Answers to ourselves are rendered for nobody.
    let context = Context { arm: arm.clone(), caller, host: "localhost".to_owned() };
    let registries = &arm.registries;
    let is_there = match registries.group(&name).await {
        Ok(_) => true,
        Err(ManageError::NoGroup(_)) => false,
        Err(error) => return Err(later(&error)),
    };
    if is_there && intent.step() != EMPTY {
        delete_resources(&context, &name, intent).await?;
        intent.reach(EMPTY).await.map_err(|error| later(&error))?;
    }
    // First the roles at it: with the last of them the caller may lose the right to see the group.
    let scope = scope(&name).map_err(|error| later(&error))?;
    arm.gate.forget_roles(scope).await.map_err(|error| later(&error))?;
    intent.passed().await;
    match registries.delete_group(&name, intent.end_as(&Ok(()))).await {
        Ok(()) => Ok(()),
        // Another operation has deleted it, such as a reset.
        Err(ManageError::NoGroup(_)) => {
            intent.note_outcome(&Ok(())).await.map_err(|error| later(&error))
        }
        Err(error @ ManageError::GroupInUse(_)) => {
            // The next attempt looks again at what is in it.
            intent.reach("").await.map_err(|error| later(&error))?;
            Err(later(&error))
        }
        Err(error) => Err(later(&error)),
    }
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
            refuse_deleting(arm, &group)
        }
        Ok(_) => Ok(()),
    }
}

/// Deletes everything in a group. The error is that of the first resource that stays.
async fn delete_resources(
    context: &Context,
    name: &ResourceGroup,
    intent: &Intent,
) -> Result<(), Halt> {
    loop {
        let listed = done(context, Method::GET, &format!("{}/resources", name.id())).await?;
        let mut resources: Vec<&Value> = listed["value"].as_array().into_iter().flatten().collect();
        if resources.is_empty() {
            return Ok(());
        }
        resources.sort_by_key(|resource| rank(resource));
        for resource in resources {
            done(context, Method::DELETE, resource["id"].as_str().unwrap_or_default()).await?;
            intent.passed().await;
        }
    }
}

/// What is answered, if that is no refusal.
async fn done(context: &Context, method: Method, path: &str) -> Result<Value, Halt> {
    match context.call(method, path, None).await {
        Ok((status, answer)) if status.is_success() => Ok(answer),
        Ok((status, refused)) if may_pass(status) => {
            let words = refused["error"]["message"].as_str();
            Err(Halt::Later(format!("{status}: {}", words.unwrap_or("no reason is given"))))
        }
        Ok((_, refused)) => Err(Halt::Refused(refused["error"].clone())),
        Err(error) => {
            let (status, report) = error.status_and_report().await;
            let words = report["message"].as_str().unwrap_or("no reason is given").to_owned();
            Err(if may_pass(status) {
                Halt::Later(format!("{status}: {words}"))
            } else {
                Halt::Refused(report)
            })
        }
    }
}

/// Whether a refusal may be none at the next attempt.
fn may_pass(status: StatusCode) -> bool {
    let statuses =
        [StatusCode::REQUEST_TIMEOUT, StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || statuses.contains(&status)
}

/// The place of a resource in the order in which they go.
fn rank(resource: &Value) -> usize {
    let kind = resource["type"].as_str().unwrap_or_default().to_ascii_lowercase();
    ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_may_be_none_later_does_not_end_the_deletion_of_a_group() {
        for (status, may) in
            [(403, false), (404, false), (408, true), (409, true), (429, true), (503, true)]
        {
            assert_eq!(may_pass(StatusCode::from_u16(status).unwrap()), may, "{status}");
        }
    }
}
