//! Role assignments at any scope: created, shown, listed, deleted.
//!
//! A scope within a vault requires that the vault exists. This provider does not know other resources and accepts any name.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::context::Context;
use super::definitions::id_of;
use super::documents::{List, when};
use super::error::ArmError;
use super::path::Target;
use super::respond::empty;
use super::{body, respond};
use crate::control::filter::{self, Term};
use crate::vault::lifecycle::VaultChangeError;
use azure_emulator_core::authorization::{
    Assigned, AssignmentQuery, NewRoleAssignment, PrincipalType, RoleAssignment, Scope,
};

const READ: &str = "Microsoft.Authorization/roleAssignments/read";

#[derive(Deserialize)]
struct Parameters {
    properties: Option<Properties>,
}

#[derive(Deserialize)]
struct Properties {
    #[serde(rename = "roledefinitionid")]
    role_definition_id: Option<String>,
    #[serde(rename = "principalid")]
    principal_id: Option<String>,
    #[serde(rename = "principaltype")]
    principal_type: Option<String>,
    description: Option<String>,
    condition: Option<String>,
}

pub(super) async fn put(
    context: &Context,
    scope: Scope,
    name: &str,
    body: Body,
) -> Result<Response, ArmError> {
    context.require("Microsoft.Authorization/roleAssignments/write", &scope)?;
    let name = named(name)?;
    require_vault(context, &scope)?;
    let new = body::read::<Parameters>(body).await?.into_new(name, scope)?;
    let (made, assigned) =
        context.call(move |vaults, by| Ok(vaults.authorization().assign(new, by)?)).await?;
    let status = match assigned {
        Assigned::Created => StatusCode::CREATED,
        Assigned::Unchanged => StatusCode::OK,
    };
    respond::json(status, &rendered(&made))
}

pub(super) fn get(context: &Context, scope: &Scope, name: &str) -> Result<Response, ArmError> {
    context.require(READ, scope)?;
    let found = context.vaults.authorization().assignment(scope, named(name)?);
    let found = found.ok_or_else(|| ArmError::NoRoleAssignment(name.to_owned()))?;
    respond::json(StatusCode::OK, &rendered(&found))
}

pub(super) async fn delete(
    context: &Context,
    scope: Scope,
    name: &str,
) -> Result<Response, ArmError> {
    context.require("Microsoft.Authorization/roleAssignments/delete", &scope)?;
    let name = named(name)?;
    let removed =
        context.call(move |vaults, _| Ok(vaults.authorization().remove(&scope, name)?)).await?;
    match removed {
        Some(removed) => respond::json(StatusCode::OK, &rendered(&removed)),
        None => Ok(empty(StatusCode::NO_CONTENT)),
    }
}

pub(super) fn list(context: &Context, scope: &Scope) -> Result<Response, ArmError> {
    context.require(READ, scope)?;
    let mut query = AssignmentQuery { at: scope.clone(), at_or_above: false, principal: None };
    for term in filter::parse(context.query.filter.as_deref().unwrap_or_default())? {
        match term {
            Term::Call { function, argument: None } if function == "atscope" => {
                query.at_or_above = true;
            }
            // There are no groups through which a principal could have a role.
            Term::Call { function, argument: Some(id) } if function == "assignedto" => {
                query.principal = Some(id);
            }
            Term::Equals { field, value } if field == "principalid" => {
                query.principal = Some(value);
            }
            other => return Err(other.not_taken().into()),
        }
    }
    let found = context.vaults.authorization().assignments(&query);
    let value: Vec<Value> = found.iter().map(rendered).collect();
    respond::json(StatusCode::OK, &List { value })
}

impl Parameters {
    fn into_new(self, name: Uuid, scope: Scope) -> Result<NewRoleAssignment, ArmError> {
        let missing = |what| ArmError::from(VaultChangeError::Missing(what));
        let properties = self.properties.ok_or_else(|| missing("properties"))?;
        if properties.condition.is_some_and(|condition| !condition.trim().is_empty()) {
            return Err(ArmError::NotServed("A condition of a role assignment"));
        }
        let definition =
            properties.role_definition_id.ok_or_else(|| missing("roleDefinitionId"))?;
        let id = definition.rsplit('/').next().unwrap_or_default();
        let role = Uuid::parse_str(id)
            .map_err(|_| ArmError::NoRoleDefinition(id.chars().take(64).collect()))?;
        let principal_type = match properties.principal_type.as_deref() {
            // Azure asks its directory; the type makes no difference here.
            None | Some("") => PrincipalType::default(),
            Some(text) => PrincipalType::parse(text)
                .ok_or(ArmError::from(VaultChangeError::Invalid("principalType")))?,
        };
        Ok(NewRoleAssignment {
            name,
            scope,
            role,
            principal_id: properties.principal_id.ok_or_else(|| missing("principalId"))?,
            principal_type,
            description: properties.description,
        })
    }
}

fn named(name: &str) -> Result<Uuid, ArmError> {
    Uuid::parse_str(name).map_err(|_| ArmError::AssignmentName(name.chars().take(64).collect()))
}

/// Refuses a scope within a vault that does not exist.
fn require_vault(context: &Context, scope: &Scope) -> Result<(), ArmError> {
    // The first eight segments name the resource; the rest names a part of it.
    let segments: Vec<&str> = scope.as_str().split('/').take(9).collect();
    match Target::parse(&segments.join("/")) {
        Ok(Target::Vault(path)) => Ok(context.vaults.vault_at(&path).map(drop)?),
        Err(ArmError::VaultName(name)) => Err(ArmError::VaultName(name)),
        _ => Ok(()),
    }
}

fn rendered(assignment: &RoleAssignment) -> Value {
    let RoleAssignment { name, scope, .. } = assignment;
    let place = scope.as_str().trim_end_matches('/');
    json!({
        "id": format!("{place}/providers/Microsoft.Authorization/roleAssignments/{name}"),
        "type": "Microsoft.Authorization/roleAssignments",
        "name": name,
        "properties": {
            "roleDefinitionId": id_of(assignment.role, scope),
            "principalId": assignment.principal_id,
            "principalType": assignment.principal_type.as_str(),
            "scope": scope.as_str(),
            "condition": null,
            "conditionVersion": null,
            "createdOn": when(assignment.created),
            "updatedOn": when(assignment.updated),
            "createdBy": assignment.created_by,
            "updatedBy": assignment.updated_by,
            "delegatedManagedIdentityResourceId": null,
            "description": assignment.description,
        },
    })
}
