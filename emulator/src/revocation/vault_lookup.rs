//! Finds a vault, and reads its description.

use serde_json::Value;

use super::error::RevocationError;
use crate::keys::{VaultError, VaultName};
use crate::vault::OwnerVault;

/// The vault of this name; it is an error if there is none.
pub(super) async fn require_vault(
    owner: &OwnerVault,
    name: &VaultName,
) -> Result<Value, RevocationError> {
    owner.vault_named(name).await?.ok_or_else(|| RevocationError::NoVault(name.to_string()))
}

/// The resource id of a vault.
pub(super) fn resource_id(vault: &Value) -> Result<String, VaultError> {
    let id = vault["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| VaultError::new(None, "the vault's answer has no id"))
}

/// Whether a vault uses roles instead of access policies.
pub(super) fn uses_rbac(vault: &Value) -> bool {
    vault["properties"]["enableRbacAuthorization"] == true
}
