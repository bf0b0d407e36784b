//! Revokes access by removing the role assignments that let the registry's identity use keys of a vault, at the vault,
//! above it and below it.
//!
//! Roles without permissions for keys stay.

use azure_emulator_core::identity::SUBSCRIPTION;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::RevocationError;
use super::method::RevocationMethod;
use super::vault_lookup::{require_vault, resource_id, uses_rbac};
use crate::keys::{VaultError, VaultName};
use crate::vault::{OwnerVault, ROLES_API};

/// The action of the key that a registry needs first.
const UNWRAP: &str = "Microsoft.KeyVault/vaults/keys/unwrap/action";

/// The removed role assignments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RevokedRoles {
    vault: String,
    assignments: Vec<Assignment>,
}

/// One role assignment, with the data to create it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Assignment {
    id: String,
    scope: String,
    role_definition_id: String,
    principal_id: String,
    principal_type: Value,
    description: Value,
}

impl RevokedRoles {
    /// Whether each of these assignments is one of `whole`.
    pub(super) fn is_part_of(&self, whole: &Self) -> bool {
        self.vault == whole.vault
            && self.assignments.iter().all(|one| whole.assignments.contains(one))
    }

    pub(super) async fn look_up(
        owner: &OwnerVault,
        name: &VaultName,
        identity: &str,
    ) -> Result<Option<Self>, RevocationError> {
        let found = require_vault(owner, name).await?;
        if !uses_rbac(&found) {
            let why = format!("the vault {name} uses access policies, not roles");
            return Err(RevocationError::Inapplicable { why, instead: RevocationMethod::Policy });
        }
        let vault = resource_id(&found)?;
        let mut assignments = Vec::new();
        for assignment in Assignment::list(owner, &vault, Some(identity)).await? {
            if assignment.grants_key_use(owner).await? {
                assignments.push(assignment);
            }
        }
        Ok((!assignments.is_empty()).then_some(Self { vault, assignments }))
    }

    pub(super) async fn remove(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        for assignment in &self.assignments {
            owner.resource(Method::DELETE, &assignment.id, &[ROLES_API], None).await?;
        }
        Ok(())
    }

    pub(super) async fn restore(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        for assignment in &self.assignments {
            assignment.put(owner).await?;
        }
        Ok(())
    }
}

impl Assignment {
    /// The assignments at a vault, above it and below it; of one principal, if one is named.
    pub(super) async fn list(
        owner: &OwnerVault,
        vault: &str,
        principal: Option<&str>,
    ) -> Result<Vec<Self>, VaultError> {
        let path = format!("{vault}/providers/Microsoft.Authorization/roleAssignments");
        let filter = principal.map(|id| format!("principalId eq '{id}'"));
        let mut query = vec![ROLES_API];
        query.extend(filter.as_deref().map(|filter| ("$filter", filter)));
        owner.resources(&path, &query).await?.iter().map(Self::from_json).collect()
    }

    fn from_json(value: &Value) -> Result<Self, VaultError> {
        let properties = &value["properties"];
        let text = |value: &Value| {
            let text = value.as_str().map(str::to_owned);
            text.ok_or_else(|| {
                VaultError::new(None, "the answer contains an invalid role assignment")
            })
        };
        Ok(Self {
            id: text(&value["id"])?,
            scope: text(&properties["scope"])?,
            role_definition_id: text(&properties["roleDefinitionId"])?,
            principal_id: text(&properties["principalId"])?,
            principal_type: properties["principalType"].clone(),
            description: properties["description"].clone(),
        })
    }

    /// Whether it is at a resource or below it, and so is deleted with the resource.
    pub(super) fn is_within(&self, resource: &str) -> bool {
        let scope = self.scope.to_ascii_lowercase();
        let rest = scope.strip_prefix(&resource.to_ascii_lowercase()).map(str::to_owned);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Creates the assignment, unless it exists.
    pub(super) async fn put(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        let properties = json!({
            "roleDefinitionId": self.role_definition_id,
            "principalId": self.principal_id,
            "principalType": self.principal_type,
            "description": self.description,
        });
        let body = json!({ "properties": properties });
        match owner.resource(Method::PUT, &self.id, &[ROLES_API], Some(&body)).await {
            // The same role is assigned under another name.
            Err(error) if error.code() == "RoleAssignmentExists" => Ok(()),
            put => put.map(drop),
        }
    }

    async fn grants_key_use(&self, owner: &OwnerVault) -> Result<bool, VaultError> {
        let role = self.role_definition_id.rsplit('/').next().unwrap_or_default();
        let path = format!(
            "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        );
        let role = owner.resource(Method::GET, &path, &[ROLES_API], None).await?;
        let permissions = role["properties"]["permissions"].as_array();
        let actions =
            permissions.into_iter().flatten().filter_map(|set| set["dataActions"].as_array());
        Ok(actions.flatten().filter_map(Value::as_str).any(|action| covers(action, UNWRAP)))
    }
}

/// Whether an action of a role, which may end in `*` or have one within, covers another.
fn covers(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => pattern == action,
        Some((start, end)) => {
            start.len() + end.len() <= action.len()
                && action.starts_with(start)
                && action.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_covered_by_itself_and_by_patterns_around_it() {
        for pattern in
            [UNWRAP, "*", "Microsoft.KeyVault/vaults/*", "microsoft.keyvault/vaults/keys/*/action"]
        {
            assert!(covers(pattern, UNWRAP), "{pattern}");
        }
        for pattern in
            ["", "Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/secrets/*"]
        {
            assert!(!covers(pattern, UNWRAP), "{pattern}");
        }
    }
}
