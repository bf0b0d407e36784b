//! Revokes access by deleting the vault, and restores it by recovering the vault. As in Azure, its role assignments are
//! deleted with it and do not come back by themselves, so they are created again.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::RevocationError;
use super::role::Assignment;
use super::vault_lookup::resource_id;
use crate::keys::{VaultError, VaultName};
use crate::vault::{OwnerVault, VAULTS_API};

/// A deleted vault, with the data to recover it.
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
    pub(super) async fn look_up(
        owner: &OwnerVault,
        name: &VaultName,
    ) -> Result<Option<Self>, RevocationError> {
        let Some(found) = owner.vault_named(name).await? else { return Ok(None) };
        let vault = resource_id(&found)?;
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

    pub(super) fn has_same_subject(&self, other: &Self) -> bool {
        self.vault.eq_ignore_ascii_case(&other.vault)
    }

    pub(super) async fn remove(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        owner.resource(Method::DELETE, &self.vault, &[VAULTS_API], None).await.map(drop)
    }

    pub(super) async fn restore(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        // A user may have recovered it already.
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
