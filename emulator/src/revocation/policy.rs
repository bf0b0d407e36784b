//! Revokes access by removing the access policy of the registry's identity, in a vault that uses access policies.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::RevocationError;
use super::method::RevocationMethod;
use super::vault_lookup::{require_vault, resource_id, uses_rbac};
use crate::keys::{VaultError, VaultName};
use crate::vault::{OwnerVault, VAULTS_API};

/// An access policy in the form of the vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RevokedPolicy {
    vault: String,
    policy: Value,
}

impl RevokedPolicy {
    pub(super) async fn look_up(
        owner: &OwnerVault,
        name: &VaultName,
        identity: &str,
    ) -> Result<Option<Self>, RevocationError> {
        let vault = require_vault(owner, name).await?;
        if uses_rbac(&vault) {
            let why = format!("the vault {name} uses roles, not access policies");
            return Err(RevocationError::Inapplicable { why, instead: RevocationMethod::Role });
        }
        let policies = vault["properties"]["accessPolicies"].as_array();
        // A policy with an application id is for that application on behalf of the identity, so it is for another caller.
        let is_its = |policy: &&Value| {
            let object = policy["objectId"].as_str();
            object.is_some_and(|id| id.eq_ignore_ascii_case(identity))
                && policy["applicationId"].is_null()
        };
        let found = policies.into_iter().flatten().find(is_its).cloned();
        let vault = resource_id(&vault)?;
        Ok(found.map(|policy| Self { vault, policy }))
    }

    pub(super) fn has_same_subject(&self, other: &Self) -> bool {
        self.vault.eq_ignore_ascii_case(&other.vault)
            && self.policy["objectId"] == other.policy["objectId"]
    }

    pub(super) async fn remove(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        self.change(owner, "remove").await
    }

    pub(super) async fn restore(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        self.change(owner, "replace").await
    }

    async fn change(&self, owner: &OwnerVault, how: &str) -> Result<(), VaultError> {
        let path = format!("{}/accessPolicies/{how}", self.vault);
        let body = json!({ "properties": { "accessPolicies": [self.policy] } });
        owner.resource(Method::PUT, &path, &[VAULTS_API], Some(&body)).await.map(drop)
    }
}
