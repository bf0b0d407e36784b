//! Vaults: created, changed, shown, listed, deleted; and whether a name is available.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::context::Context;
use super::documents::{List, Vault};
use super::error::ArmError;
use super::parameters::VaultParameters;
use super::respond::{empty, json, scope};
use super::{body, roles};
use crate::model::Caller;
use crate::model::names::VaultName;
use crate::model::policy::AccessPolicy;
use crate::model::settings::VaultPath;
use crate::vault::Vaults;
use crate::vault::lifecycle::{
    Mode, NameState, PutOutcome, VaultChangeError, VaultChanges, VaultView,
};
use azure_emulator_core::authorization::Scope;

/// From this version on, a new vault uses roles unless its request says otherwise.
const ROLES_BY_DEFAULT: &str = "2026-02-01";

/// The reason of an answer that a name is not valid.
const INVALID: &str = "AccountNameInvalid";
const READ: &str = "Microsoft.KeyVault/vaults/read";
const WRITE: &str = "Microsoft.KeyVault/vaults/write";

pub(super) async fn put(
    context: &Context,
    path: VaultPath,
    body: Body,
) -> Result<Response, ArmError> {
    context.require(WRITE, &scope(&path.to_string())?)?;
    let (mut changes, mode) = body::read::<VaultParameters>(body).await?.into_changes()?;
    let is_new = context.vaults.vault_at(&path).is_err();
    if context.legacy_access_policies && is_new && mode == Mode::Whole {
        keep_to_policies(context, &mut changes);
    } else if changes.rbac.is_none() && is_new && mode == Mode::Whole {
        let version = context.query.api_version.as_deref().unwrap_or_default();
        // A vault that is created with access policies is meant to use them.
        changes.rbac = Some(version >= ROLES_BY_DEFAULT && changes.policies.is_none());
    }
    let (view, made) =
        context.call(move |vaults, by| vaults.put_vault(&path, &changes, mode, by)).await?;
    let status = match made {
        PutOutcome::Created => StatusCode::CREATED,
        PutOutcome::Updated => StatusCode::OK,
    };
    json(status, &Vault::new(&view, &context.site))
}

/// Makes a new vault use access policies, whatever it asks for: today's `az keyvault create` always asks for roles. A
/// vault without any policy gets a policy that permits its creator everything, like those that the older `az` wrote.
fn keep_to_policies(context: &Context, changes: &mut VaultChanges) {
    changes.rbac = Some(false);
    let policies = changes.policies.get_or_insert_default();
    if policies.is_empty() {
        policies.push(AccessPolicy::everything(&context.caller.object_id));
    }
}

pub(super) async fn patch(
    context: &Context,
    path: VaultPath,
    body: Body,
) -> Result<Response, ArmError> {
    context.require(WRITE, &scope(&path.to_string())?)?;
    let (changes, _) = body::read::<VaultParameters>(body).await?.into_changes()?;
    let view = context.call(move |vaults, by| vaults.patch_vault(&path, &changes, by)).await?;
    json(StatusCode::OK, &Vault::new(&view, &context.site))
}

pub(super) fn get(context: &Context, path: &VaultPath) -> Result<Response, ArmError> {
    context.require(READ, &scope(&path.to_string())?)?;
    json(StatusCode::OK, &Vault::new(&context.vaults.vault_at(path)?, &context.site))
}

pub(super) async fn delete(context: &Context, path: VaultPath) -> Result<Response, ArmError> {
    context.require("Microsoft.KeyVault/vaults/delete", &scope(&path.to_string())?)?;
    let was_there = context.call(move |vaults, _| vaults.delete_vault(&path)).await?;
    Ok(empty(if was_there { StatusCode::OK } else { StatusCode::NO_CONTENT }))
}

pub(super) fn list(
    context: &Context,
    subscription: Uuid,
    group: Option<&str>,
) -> Result<Response, ArmError> {
    let seen = readable(&context.vaults, &context.caller, subscription, group)?;
    let value = seen.iter().map(|view| Vault::new(view, &context.site)).collect();
    json(StatusCode::OK, &List { value })
}

/// The vaults that a caller may see. A caller without any role is refused.
pub(super) fn readable(
    vaults: &Vaults,
    caller: &Caller,
    subscription: Uuid,
    group: Option<&str>,
) -> Result<Vec<VaultView>, ArmError> {
    let place = match group {
        None => Scope::subscription(subscription),
        Some(group) => scope(&format!("/subscriptions/{subscription}/resourceGroups/{group}"))?,
    };
    let all = vaults.vaults_in(subscription, group);
    if roles::may(vaults, caller, READ, &place) {
        return Ok(all);
    }
    let may_see = |view: &VaultView| {
        scope(&view.path.to_string()).is_ok_and(|at| roles::may(vaults, caller, READ, &at))
    };
    let seen: Vec<VaultView> = all.into_iter().filter(may_see).collect();
    if seen.is_empty() && !roles::has_any_role(vaults, caller) {
        roles::require(vaults, caller, READ, &place)?;
    }
    Ok(seen)
}

#[derive(Deserialize)]
struct CheckParameters {
    name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckResult {
    name_available: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl CheckResult {
    const FREE: Self = Self { name_available: true, reason: None, message: None };

    fn refused(reason: &'static str, message: String) -> Self {
        Self { name_available: false, reason: Some(reason), message: Some(message) }
    }
}

pub(super) async fn check_name(
    context: &Context,
    subscription: Uuid,
    body: Body,
) -> Result<Response, ArmError> {
    let at = Scope::subscription(subscription);
    context.require("Microsoft.KeyVault/checkNameAvailability/read", &at)?;
    let name = checked_name(body).await?;
    let result = match name.parse::<VaultName>() {
        Err(_) => CheckResult::refused(INVALID, ArmError::VaultName(name).message()),
        Ok(vault) => match context.call(move |vaults, _| vaults.name_state(&vault)).await? {
            NameState::Free => CheckResult::FREE,
            NameState::Taken | NameState::Deleted => {
                CheckResult::refused("AlreadyExists", ArmError::name_taken(name).message())
            }
        },
    };
    json(StatusCode::OK, &result)
}

/// Names of managed HSMs follow the rules of vault names, but are separate names, and none is used: there are no HSMs here.
pub(super) async fn check_hsm_name(
    context: &Context,
    subscription: Uuid,
    body: Body,
) -> Result<Response, ArmError> {
    let at = Scope::subscription(subscription);
    context.require("Microsoft.KeyVault/checkMhsmNameAvailability/read", &at)?;
    let name = checked_name(body).await?;
    let result = match name.parse::<VaultName>() {
        Ok(_) => CheckResult::FREE,
        // Azure's message is not known.
        Err(_) => CheckResult::refused(
            INVALID,
            format!(
                "The managed HSM name '{name}' is invalid. It must be between 3-24 alphanumeric characters or hyphens, begin with a letter, end with a letter or digit, and not contain consecutive hyphens."
            ),
        ),
    };
    json(StatusCode::OK, &result)
}

/// The name that the check is about.
async fn checked_name(body: Body) -> Result<String, ArmError> {
    let name = body::read::<CheckParameters>(body).await?.name;
    Ok(name.ok_or(VaultChangeError::Missing("name"))?)
}
