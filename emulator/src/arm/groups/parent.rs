//! The check that every resource needs of its group: it exists, and is not being deleted.

use azure_emulator_core::authority::host_of;
use http::{Method, Request};

use super::deletion::refuse_deleting;
use super::group::{READ, scope};
use crate::arm::context::Context;
use crate::arm::error::ArmError;
use crate::arm::path::{Target, parent_group};
use crate::arm::state::Arm;
use crate::registry::{ManageError, ResourceGroup};

/// Refuses a request for something in a group that does not exist or is being deleted. A caller who may not see groups
/// gets only the refusal of permission. A vault or a role can be deleted after its group; otherwise it could never be
/// removed.
pub(in crate::arm) async fn require_parent(
    arm: &Arm,
    request: &Request<()>,
) -> Result<(), ArmError> {
    let Some(group) = parent_group(request.uri().path()) else { return Ok(()) };
    let Ok(group) = group.parse::<ResourceGroup>() else { return Ok(()) };
    match arm.registries.group(&group).await {
        Err(ManageError::NoGroup(_)) if is_left_over(arm, &group, request)? => Ok(()),
        Err(error @ ManageError::NoGroup(_)) => {
            let host = host_of(request).unwrap_or("localhost");
            let context = Context::authenticate(
                arm,
                host,
                request.headers(),
                request.extensions(),
                request.uri(),
            )?;
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

/// Whether a request may delete something that the vault still has in a deleted group.
fn is_left_over(arm: &Arm, group: &ResourceGroup, request: &Request<()>) -> Result<bool, ArmError> {
    let is_of_vault = matches!(Target::parse(request.uri().path()), Ok(Target::Vault));
    Ok(request.method() == Method::DELETE && is_of_vault && arm.gate.is_in_use(&scope(group)?))
}
