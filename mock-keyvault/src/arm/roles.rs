//! The roles of a caller, and their removal.

use std::sync::Arc;

use super::error::ArmError;
use crate::model::Caller;
use crate::model::settings::LOCAL_SUBSCRIPTION;
use crate::vault::Vaults;
use crate::vault::lifecycle::VaultChangeError;
use azure_emulator_core::authorization::{Action, AssignmentQuery, Scope};

/// Whether a caller has a role for an action at a scope.
pub(crate) fn may(vaults: &Vaults, caller: &Caller, action: &str, at: &Scope) -> bool {
    vaults.authorization().decide(&caller.object_id, Action::Control(action), at).is_some()
}

/// Whether a caller has any role in the subscription: at it, above it, or at something in it.
pub(crate) fn has_any_role(vaults: &Vaults, caller: &Caller) -> bool {
    let query = AssignmentQuery {
        at: Scope::subscription(LOCAL_SUBSCRIPTION),
        at_or_above: false,
        principal: Some(caller.object_id.clone()),
    };
    !vaults.authorization().assignments(&query).is_empty()
}

/// Whether there is a vault below a scope, or a role at it or below it.
pub(crate) fn is_in_use(vaults: &Vaults, at: &Scope) -> bool {
    let is_below = |path: &str| path.parse().is_ok_and(|path: Scope| at.contains(&path));
    let has_vault = || {
        vaults.vaults_in(LOCAL_SUBSCRIPTION, None).iter().any(|one| is_below(&one.path.to_string()))
    };
    vaults.authorization().has_assignment_under(at) || has_vault()
}

/// Deletes every role assignment at a scope or below it.
pub(crate) async fn remove_roles(vaults: &Arc<Vaults>, at: Scope) -> Result<(), ArmError> {
    let vaults = Arc::clone(vaults);
    let forgotten = tokio::task::spawn_blocking(move || {
        vaults.authorization().remove_under(&at).map_err(VaultChangeError::from)
    });
    Ok(forgotten.await.map_err(|error| VaultChangeError::Internal(error.to_string()))??)
}

/// Refuses a caller who has no role for an action at a scope.
pub(crate) fn require(
    vaults: &Vaults,
    caller: &Caller,
    action: &'static str,
    at: &Scope,
) -> Result<(), ArmError> {
    if may(vaults, caller, action, at) {
        return Ok(());
    }
    Err(ArmError::AuthorizationFailed {
        app_id: caller.app_id.clone(),
        object_id: caller.object_id.clone(),
        action,
        scope: at.as_str().to_owned(),
    })
}
