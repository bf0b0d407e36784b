//! The requests that registries make to a mock vault in another process as its owner: creating managed identities, and
//! permitting them to use the keys of a vault.
//!
//! `platform.rs` calls it. With the embedded vault, `mock_keyvault::Manager` does the same without a request.

use azure_emulator_core::identity::{PrincipalKind, SUBSCRIPTION};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::owner::OwnerVault;
use super::resources::{ROLES_API, VAULTS_API};
use crate::keys::{VaultError, VaultName};
use crate::registry::Principal;

/// The role that permits an identity to use the keys of a vault for encryption.
const ROLE: &str = "Key Vault Crypto Service Encryption User";
/// The permissions that do the same in a vault with access policies.
const PERMISSIONS: [&str; 3] = ["get", "wrapKey", "unwrapKey"];

impl OwnerVault {
    /// The managed identity of a resource: the existing one, or a new one.
    pub(crate) async fn managed_identity(
        &self,
        kind: PrincipalKind,
        resource_id: &str,
    ) -> Result<Principal, VaultError> {
        let is_it = |one: &&Value| {
            let own = one["resourceId"].as_str();
            one["kind"] == json!(kind)
                && own.is_some_and(|own| own.eq_ignore_ascii_case(resource_id))
        };
        let all = self.admin(Method::GET, "principals", None).await?;
        if let Some(found) = all["value"].as_array().into_iter().flatten().find(is_it) {
            return principal(found);
        }
        let new = json!({ "kind": kind, "resourceId": resource_id });
        principal(&self.admin(Method::POST, "principals", Some(&new)).await?)
    }

    /// Removes a principal by its client id. Succeeds if there is none.
    pub(crate) async fn remove_principal(&self, client_id: &str) -> Result<(), VaultError> {
        let path = format!("principals/{client_id}");
        match self.admin(Method::DELETE, &path, None).await {
            Err(error) if error.status() == Some(404) => Ok(()),
            removed => removed.map(drop),
        }
    }

    /// Removes every role that was assigned at a resource or below it.
    pub(crate) async fn remove_roles(&self, resource_id: &str) -> Result<(), VaultError> {
        let path = format!("{resource_id}/providers/Microsoft.Authorization/roleAssignments");
        let resource = resource_id.to_ascii_lowercase();
        for assignment in self.resources(&path, &[ROLES_API]).await? {
            // The list includes the roles above the resource.
            let scope = assignment["properties"]["scope"].as_str().map(str::to_ascii_lowercase);
            let rest = scope.as_deref().and_then(|scope| scope.strip_prefix(&resource));
            if rest.is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/')) {
                continue;
            }
            if let Some(id) = assignment["id"].as_str() {
                self.resource(Method::DELETE, id, &[ROLES_API], None).await?;
            }
        }
        Ok(())
    }

    /// Whether purge protection keeps deleted objects of a vault until their time is over.
    pub(crate) async fn has_purge_protection(&self, name: &VaultName) -> Result<bool, VaultError> {
        Ok(self.vault_or_refusal(name).await?["properties"]["enablePurgeProtection"] == true)
    }

    /// Permits an identity to get, wrap and unwrap with all keys of a vault: by a role or by an access policy, whichever the
    /// vault uses. The identity keeps its other permissions.
    pub(crate) async fn allow_encryption(
        &self,
        name: &VaultName,
        object_id: &str,
    ) -> Result<(), VaultError> {
        let vault = self.vault_or_refusal(name).await?;
        let id = resource_id(&vault)?;
        if vault["properties"]["enableRbacAuthorization"] != true {
            let keys = json!({ "keys": PERMISSIONS });
            let policy = json!({
                "tenantId": vault["properties"]["tenantId"], "objectId": object_id, "permissions": keys,
            });
            return self.change_policies(&id, "add", &[policy]).await;
        }
        let roles = format!(
            "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
        );
        let filter = format!("roleName eq '{ROLE}'");
        let found = self.resources(&roles, &[ROLES_API, ("$filter", &filter)]).await?;
        let role = found.first().map(|role| &role["id"]);
        let role =
            role.ok_or_else(|| VaultError::new(None, format!("the vault has no role '{ROLE}'")))?;
        let body = json!({ "properties": {
            "roleDefinitionId": role, "principalId": object_id, "principalType": "ServicePrincipal",
        } });
        let name = Uuid::new_v4();
        let path = format!("{id}/providers/Microsoft.Authorization/roleAssignments/{name}");
        match self.resource(Method::PUT, &path, &[ROLES_API], Some(&body)).await {
            Err(error) if error.code() == "RoleAssignmentExists" => Ok(()),
            put => put.map(drop),
        }
    }

    /// Removes every access policy of an identity in a vault.
    pub(crate) async fn remove_policy(
        &self,
        name: &VaultName,
        object_id: &str,
    ) -> Result<(), VaultError> {
        let vault = self.vault_or_refusal(name).await?;
        let policies = vault["properties"]["accessPolicies"].as_array();
        let is_its = |policy: &&Value| {
            policy["objectId"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(object_id))
        };
        let own: Vec<Value> = policies.into_iter().flatten().filter(is_its).cloned().collect();
        if own.is_empty() {
            return Ok(());
        }
        self.change_policies(&resource_id(&vault)?, "remove", &own).await
    }

    async fn change_policies(
        &self,
        vault: &str,
        how: &str,
        policies: &[Value],
    ) -> Result<(), VaultError> {
        let path = format!("{vault}/accessPolicies/{how}");
        let body = json!({ "properties": { "accessPolicies": policies } });
        self.resource(Method::PUT, &path, &[VAULTS_API], Some(&body)).await.map(drop)
    }

    async fn vault_or_refusal(&self, name: &VaultName) -> Result<Value, VaultError> {
        let found = self.vault_named(name).await?;
        found.ok_or_else(|| VaultError::new(None, format!("there is no vault called '{name}'")))
    }
}

fn principal(answer: &Value) -> Result<Principal, VaultError> {
    let text = |name: &str| {
        let text = answer[name].as_str().map(str::to_owned);
        text.ok_or_else(|| VaultError::new(None, "the vault's answer does not name the identity"))
    };
    Ok(Principal { client_id: text("clientId")?, principal_id: text("objectId")? })
}

fn resource_id(vault: &Value) -> Result<String, VaultError> {
    let id = vault["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| VaultError::new(None, "the vault's answer has no id"))
}
