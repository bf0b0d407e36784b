//! Revokes access by removing the access policy of the registry's identity, in a vault that uses access policies.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::RevocationError;
use super::found::{existing, goes_by_roles, id_of};
use super::way::Way;
use crate::keys::{VaultError, VaultName};
use crate::vault::{OwnerVault, VAULTS_API};

/// An access policy in the form of the vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TakenPolicy {
    vault: String,
    policy: Value,
}

impl TakenPolicy {
    pub(super) async fn look(
        owner: &OwnerVault,
        name: &VaultName,
        identity: &str,
    ) -> Result<Option<Self>, RevocationError> {
        let vault = existing(owner, name).await?;
        if goes_by_roles(&vault) {
            let why = format!("the vault {name} uses roles, not access policies");
            return Err(RevocationError::Inapplicable { why, instead: Way::Role });
        }
        let policies = vault["properties"]["accessPolicies"].as_array();
        // A policy with an application id is for that application on behalf of the identity, so it is for another caller.
        let is_its = |policy: &&Value| {
            let object = policy["objectId"].as_str();
            object.is_some_and(|id| id.eq_ignore_ascii_case(identity))
                && policy["applicationId"].is_null()
        };
        let found = policies.into_iter().flatten().find(is_its).cloned();
        let vault = id_of(&vault)?;
        Ok(found.map(|policy| Self { vault, policy }))
    }

    pub(super) fn is_of_the_same(&self, other: &Self) -> bool {
        self.vault.eq_ignore_ascii_case(&other.vault)
            && self.policy["objectId"] == other.policy["objectId"]
    }

    pub(super) async fn take(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        self.change(owner, "remove").await
    }

    pub(super) async fn give_back(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        self.change(owner, "replace").await
    }

    async fn change(&self, owner: &OwnerVault, how: &str) -> Result<(), VaultError> {
        let path = format!("{}/accessPolicies/{how}", self.vault);
        let body = json!({ "properties": { "accessPolicies": [self.policy] } });
        owner.resource(Method::PUT, &path, &[VAULTS_API], Some(&body)).await.map(drop)
    }
}
