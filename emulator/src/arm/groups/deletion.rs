//! The deletion of a group: it deletes every resource in the group, each as if the caller had sent the request.
//!
//! That takes time, so it is a polled operation. It is durable before it is accepted, and continues after a restart.

use http::{Method, StatusCode};
use mock_keyvault::Caller;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::group::scope;
use crate::arm::context::Context;
use crate::arm::error::ArmError;
use crate::arm::resources::TYPES;
use crate::arm::state::Arm;
use crate::registry::{Error, Intent, Kind, ManageError, ResourceGroup};

/// The maximum number of attempts for a deletion that a conflict refuses. The pauses between them add up to 15 seconds.
const MAX_ATTEMPTS: u32 = 5;

/// The step after which the group is empty.
const EMPTY: &str = "empty";

/// The data that the deletion of a group needs to continue: its caller and the group.
#[derive(Serialize, Deserialize)]
struct Deletion {
    group: String,
    caller: Caller,
}

/// Why the deletion of a group stopped.
enum DeletionError {
    /// A reset has replaced it; it deletes nothing more.
    Replaced,
    /// The deletion of a resource is refused: the operation fails.
    Refused(Value),
    /// A conflict that may have passed at the next attempt. After [`MAX_ATTEMPTS`] the operation fails.
    Conflict(Value),
    /// A temporary failure; it is retried.
    Temporary(String),
}

/// The operation that is deleting a group, if there is one.
fn deletion_of(arm: &Arm, name: &ResourceGroup) -> Option<Uuid> {
    let all = arm.registries.intents().parameters::<Deletion>(Kind::DeleteGroup);
    let found = all.iter().find(|(_, one)| one.group.eq_ignore_ascii_case(name.as_str()));
    found.map(|(id, _)| *id)
}

/// Refuses new resources in a group that is being deleted.
pub(super) fn refuse_deleting(arm: &Arm, name: &ResourceGroup) -> Result<(), ArmError> {
    match deletion_of(arm, name) {
        Some(_) => Err(ArmError::GroupBeingDeleted(name.clone())),
        None => Ok(()),
    }
}

/// Makes the deletion durable before it is answered.
pub(super) async fn begin_deletion(
    context: &Context,
    name: ResourceGroup,
) -> Result<Uuid, ArmError> {
    let arm = context.arm.clone();
    let _lock = arm.deleting.lock().await;
    if let Some(operation) = deletion_of(&arm, &name) {
        return Ok(operation);
    }
    let deletion = Deletion { group: name.to_string(), caller: context.caller.clone() };
    let begun = arm.registries.intents().begin(Kind::DeleteGroup, &deletion).await;
    let intent = begun.map_err(ManageError::from)?;
    let operation = intent.id();
    let own = arm.clone();
    tokio::spawn(async move { continue_deletion(&own, intent).await });
    Ok(operation)
}

/// Continues the deletion of a group from its last step, as the original caller. Temporary failures are retried.
pub(in crate::arm) async fn continue_deletion(arm: &Arm, mut intent: Intent) {
    // When this lock is granted, all requests admitted before the deletion are done, and none is admitted after it. A
    // slow client can delay the lock, but not the reset that waits for this attempt to end.
    tokio::select! {
        turn = arm.changing.write() => drop(turn),
        () = intent.replaced() => return,
    }
    if intent.is_replaced() {
        return;
    }
    let concluded = match delete_all(arm, &mut intent).await {
        // The last transaction stores the outcome.
        Ok(()) => return intent.ended().await,
        Err(DeletionError::Replaced) => return,
        Err(DeletionError::Conflict(error)) if intent.refusals() + 1 < MAX_ATTEMPTS => {
            return intent.refused(error["message"].as_str().unwrap_or_default());
        }
        // The reset that replaced it has recorded how it ended.
        Err(DeletionError::Conflict(_) | DeletionError::Refused(_)) if intent.is_replaced() => {
            return;
        }
        Err(DeletionError::Conflict(error) | DeletionError::Refused(error)) => {
            intent.conclude(&Err(error)).await
        }
        Err(DeletionError::Temporary(why)) => return intent.failed(&why),
    };
    if let Err(error) = concluded {
        tracing::error!(%error, "cannot record the end of the deletion of a group");
    }
}

async fn delete_all(arm: &Arm, intent: &mut Intent) -> Result<(), DeletionError> {
    let Deletion { group, caller } = intent.parameters().map_err(temporary)?;
    let name: ResourceGroup = group.parse().map_err(temporary)?;
    // The host does not matter: no client reads the answers of these internal requests.
    let context = Context { arm: arm.clone(), caller, host: "localhost".to_owned() };
    let registries = &arm.registries;
    let exists = match registries.group(&name).await {
        Ok(_) => true,
        Err(ManageError::NoGroup(_)) => false,
        Err(error) => return Err(temporary(error)),
    };
    if exists && intent.step() != EMPTY {
        delete_resources(&context, &name, intent).await?;
        intent.reach(EMPTY).await.map_err(step_error)?;
    }
    intent.passed().await.map_err(step_error)?;
    // Resources can enter a group without this lock. If one remains, the group and its roles stay.
    if resources(arm, &name).await?.iter().any(|of_type| !of_type.is_empty()) {
        return still_in_use(&name, intent).await;
    }
    // Roles come first: deleting the last one may take the caller's right to see the group.
    let scope = scope(&name).map_err(temporary)?;
    arm.gate.remove_roles(scope).await.map_err(temporary)?;
    intent.passed().await.map_err(step_error)?;
    let gone = if arm.gate.vault_ids(name.as_str()).map_err(temporary)?.is_empty() {
        registries.delete_group(&name, intent.end_as(&Ok(()))).await
    } else {
        Err(ManageError::GroupInUse(name.clone()))
    };
    match gone {
        Ok(()) => Ok(()),
        // Another operation, such as a reset, has deleted it.
        Err(ManageError::NoGroup(_)) => intent.note_outcome(&Ok(())).await.map_err(temporary),
        Err(ManageError::GroupInUse(_)) => still_in_use(&name, intent).await,
        Err(error) => Err(temporary(error)),
    }
}

/// The group is not empty after all: the next attempt reads its resources again.
async fn still_in_use(name: &ResourceGroup, intent: &mut Intent) -> Result<(), DeletionError> {
    intent.reach("").await.map_err(step_error)?;
    let error = ArmError::from(ManageError::GroupInUse(name.clone())).report().await;
    Err(DeletionError::Conflict(blocked(name, &name.id(), &error)))
}

/// Deletes everything in a group, including resources that the caller may not see: their refusal is reported. If a
/// resource remains, so does everything it may use: a registry without its vault or its identity could never serve
/// again. The error is that of the first remaining resource.
async fn delete_resources(
    context: &Context,
    name: &ResourceGroup,
    intent: &Intent,
) -> Result<(), DeletionError> {
    let mut before = Vec::new();
    loop {
        let resources = resources(&context.arm, name).await?;
        let Some(next) = resources.iter().flatten().next() else { return Ok(()) };
        if resources == before {
            let error = json!({ "code": "Conflict", "message": "The resource still exists." });
            return Err(DeletionError::Conflict(blocked(name, next, &error)));
        }
        for of_type in &resources {
            let mut first = None;
            for resource in of_type {
                intent.passed().await.map_err(step_error)?;
                let deleted = delete_one(context, name, resource).await;
                first = first.or(deleted.err());
            }
            if let Some(error) = first {
                return Err(error);
            }
        }
        before = resources;
    }
}

/// The ids of everything in a group, by type. Types whose resources use others come first.
async fn resources(arm: &Arm, name: &ResourceGroup) -> Result<Vec<Vec<String>>, DeletionError> {
    let mut all = Vec::new();
    for of_type in TYPES {
        all.push(of_type.ids(arm, name).await.map_err(temporary)?);
    }
    Ok(all)
}

/// Deletes a resource in the name of the caller.
async fn delete_one(
    context: &Context,
    name: &ResourceGroup,
    id: &str,
) -> Result<(), DeletionError> {
    let (status, error) = match context.call(Method::DELETE, id, None).await {
        Ok((status, _)) if status.is_success() => return Ok(()),
        Ok((status, refused)) => (status, refused["error"].clone()),
        Err(error) => error.status_and_report().await,
    };
    Err(match Refusal::from_status(status) {
        Refusal::Final => DeletionError::Refused(blocked(name, id, &error)),
        Refusal::Conflict => DeletionError::Conflict(blocked(name, id, &error)),
        Refusal::Temporary => {
            let message = error["message"].as_str().unwrap_or("no reason is given");
            DeletionError::Temporary(format!("{status}: {message}"))
        }
    })
}

/// Azure's error for a group that cannot be deleted.
fn blocked(name: &ResourceGroup, target: &str, error: &Value) -> Value {
    let (_, resource) = target.split_once("/providers/").unwrap_or(("", target));
    let mut detail = error.clone();
    if let Some(members) = detail.as_object_mut() {
        members.insert("target".to_owned(), target.into());
    }
    json!({
        "code": "ResourceGroupDeletionBlocked",
        "message": format!(
            "Deletion of resource group '{name}' failed as resources with identifiers '{resource}' could not be deleted. The provisioning state of the resource group will be rolled back."
        ),
        "details": [detail],
    })
}

/// Whether a retry can help after a refused step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// The next attempt is refused as well.
    Final,
    /// The conflict may have passed.
    Conflict,
    /// A service is unavailable or busy.
    Temporary,
}

impl Refusal {
    fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::CONFLICT => Self::Conflict,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Self::Temporary,
            status if status.is_server_error() => Self::Temporary,
            _ => Self::Final,
        }
    }
}

fn temporary(error: impl std::fmt::Display) -> DeletionError {
    DeletionError::Temporary(error.to_string())
}

/// Why the next step cannot begin.
fn step_error(error: Error) -> DeletionError {
    match error {
        Error::Replaced => DeletionError::Replaced,
        error => temporary(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_the_deletion_of_a_group_unless_it_is_temporary() {
        for (status, refusal) in [
            (403, Refusal::Final),
            (404, Refusal::Final),
            (408, Refusal::Temporary),
            (409, Refusal::Conflict),
            (429, Refusal::Temporary),
            (503, Refusal::Temporary),
        ] {
            assert_eq!(
                Refusal::from_status(StatusCode::from_u16(status).unwrap()),
                refusal,
                "{status}"
            );
        }
    }
}
