//! A vault as a resource: found by its name, deleted, recovered. Its role assignments go with it and do not come back by
//! themselves, as in Azure: they are put back.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::RevocationError;
use super::role::Assignment;
use crate::keys::{VaultError, VaultName};
use crate::vault_owner::{OwnerVault, VAULTS_API};

/// A deleted vault, as it has to be named to be recovered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletedVault {
    vault: String,
    location: Value,
    tenant_id: Value,
    sku: Value,
    assignments: Vec<Assignment>,
}

impl DeletedVault {
    pub(super) async fn look(
        owner: &OwnerVault,
        name: &VaultName,
    ) -> Result<Option<Self>, RevocationError> {
        let Some(found) = owner.vault_named(name).await? else { return Ok(None) };
        let vault = id_of(&found)?;
        let mut assignments = Assignment::list(owner, &vault, None).await?;
        assignments.retain(|assignment| assignment.is_within(&vault));
        let properties = &found["properties"];
        Ok(Some(Self {
            vault,
            location: found["location"].clone(),
            tenant_id: properties["tenantId"].clone(),
            sku: properties["sku"].clone(),
            assignments,
        }))
    }

    pub(super) fn is_of_the_same(&self, other: &Self) -> bool {
        self.vault.eq_ignore_ascii_case(&other.vault)
    }

    pub(super) async fn take(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        owner.resource(Method::DELETE, &self.vault, &[VAULTS_API], None).await.map(drop)
    }

    pub(super) async fn give_back(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        // Somebody may have recovered it by hand.
        let is_there = owner.resource(Method::GET, &self.vault, &[VAULTS_API], None).await.is_ok();
        if !is_there {
            let properties =
                json!({ "createMode": "recover", "tenantId": self.tenant_id, "sku": self.sku });
            let body = json!({ "location": self.location, "properties": properties });
            owner.resource(Method::PUT, &self.vault, &[VAULTS_API], Some(&body)).await?;
        }
        for assignment in &self.assignments {
            assignment.put(owner).await?;
        }
        Ok(())
    }
}

/// The vault of this name, where it has to be there.
pub(super) async fn existing(
    owner: &OwnerVault,
    name: &VaultName,
) -> Result<Value, RevocationError> {
    owner.vault_named(name).await?.ok_or_else(|| RevocationError::NoVault(name.to_string()))
}

/// The resource id of a vault.
pub(super) fn id_of(vault: &Value) -> Result<String, VaultError> {
    let id = vault["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| VaultError::new(None, "the vault's answer has no id"))
}

/// Whether roles count in a vault, in place of access policies.
pub(super) fn goes_by_roles(vault: &Value) -> bool {
    vault["properties"]["enableRbacAuthorization"] == true
}
