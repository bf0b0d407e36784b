//! The owner's requests to the resource providers, which manage vaults and roles, and to the mock vault's admin API.
//!
//! `revocation/`, `diagnosis`, `reset/` and `faults/` call it. It knows the protocol: its versions, and the lists of vaults. Its
//! callers interpret the answers.

use azure_emulator_core::identity::SUBSCRIPTION;
use http::Method;
use serde_json::Value;

use super::owner::OwnerVault;
use crate::keys::{VaultError, VaultName};

/// The version of the protocol of `Microsoft.KeyVault`.
pub(crate) const VAULTS_API: (&str, &str) = ("api-version", "2023-07-01");

/// The version of the protocol of `Microsoft.Authorization`.
pub(crate) const ROLES_API: (&str, &str) = ("api-version", "2022-04-01");

impl OwnerVault {
    /// The resources in the list at a path.
    pub(crate) async fn resources(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<Value>, VaultError> {
        let mut list = self.resource(Method::GET, path, query, None).await?;
        Ok(match list["value"].take() {
            Value::Array(resources) => resources,
            _ => Vec::new(),
        })
    }

    /// All vaults, in any group.
    pub(crate) async fn vaults(&self) -> Result<Vec<Value>, VaultError> {
        self.resources(&vaults_at("vaults"), &[VAULTS_API]).await
    }

    /// The vault of this name, in any group.
    pub(crate) async fn vault_named(&self, name: &VaultName) -> Result<Option<Value>, VaultError> {
        let is_it = |vault: &Value| {
            vault["name"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name.as_str()))
        };
        Ok(self.vaults().await?.into_iter().find(is_it))
    }

    /// All vaults that are deleted and not purged.
    pub(crate) async fn deleted_vaults(&self) -> Result<Vec<Value>, VaultError> {
        self.resources(&vaults_at("deletedVaults"), &[VAULTS_API]).await
    }
}

fn vaults_at(kind: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.KeyVault/{kind}")
}
