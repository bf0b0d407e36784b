//! Role definitions: the built-in roles, at any scope.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::context::Context;
use super::documents::List;
use super::error::ArmError;
use super::respond;
use crate::control::filter::{self, Term};
use azure_emulator_core::authorization::{RoleDefinition, Scope, builtin};

const READ: &str = "Microsoft.Authorization/roleDefinitions/read";

pub(super) fn list(context: &Context, at: &Scope) -> Result<Response, ArmError> {
    context.require(READ, at)?;
    let mut found: Vec<&RoleDefinition> = builtin::ALL.to_vec();
    for term in filter::parse(context.query.filter.as_deref().unwrap_or_default())? {
        match &term {
            Term::Equals { field, value } if field == "rolename" => {
                found.retain(|role| role.name.eq_ignore_ascii_case(value));
            }
            Term::Equals { field, value } if field == "type" => {
                if !value.eq_ignore_ascii_case("BuiltInRole") {
                    found.clear();
                }
            }
            // Every role here may be assigned at every scope.
            Term::Call { function, .. } if function == "atscopeandbelow" => (),
            other => return Err(other.not_taken().into()),
        }
    }
    let value: Vec<Value> = found.into_iter().map(|role| rendered(role, at)).collect();
    respond::json(StatusCode::OK, &List { value })
}

pub(super) fn get(context: &Context, at: &Scope, id: &str) -> Result<Response, ArmError> {
    context.require(READ, at)?;
    let role = Uuid::parse_str(id).ok().and_then(builtin::by_id);
    let role = role.ok_or_else(|| ArmError::NoRoleDefinition(id.chars().take(64).collect()))?;
    respond::json(StatusCode::OK, &rendered(role, at))
}

/// The resource id of a role, in the subscription of the requested scope.
pub(super) fn id_of(role: &RoleDefinition, at: &Scope) -> String {
    let place = at.subscription_id().map_or_else(String::new, |id| format!("/subscriptions/{id}"));
    format!("{place}/providers/Microsoft.Authorization/roleDefinitions/{}", role.id)
}

fn rendered(role: &RoleDefinition, at: &Scope) -> Value {
    json!({
        "id": id_of(role, at),
        "type": "Microsoft.Authorization/roleDefinitions",
        "name": role.id,
        "properties": {
            "roleName": role.name,
            "type": "BuiltInRole",
            "description": role.description,
            "assignableScopes": ["/"],
            "permissions": [{
                "actions": role.actions,
                "notActions": role.not_actions,
                "dataActions": role.data_actions,
                "notDataActions": [],
            }],
        },
    })
}
