//! Resets the embedded vault to the state of its first start: one vault called `local` with its two policies, one key of one
//! version, and only the well-known principals.
//!
//! It examines the vault first, and creates it anew only if needed, over the vault's own protocol like all of the owner's changes.

use azure_emulator_core::identity::{
    MANAGED_IDENTITY_CLIENT_ID, MANAGED_IDENTITY_OBJECT_ID, OWNER_CLIENT_ID, OWNER_OBJECT_ID,
    SUBSCRIPTION, TENANT,
};
use http::Method;
use mock_keyvault::KeyPermission;
use serde_json::{Value, json};

use super::error::{ResetError, local_error};
use crate::config::Config;
use crate::keys::{KeyId, VaultError, VaultName};
use crate::registry::{Intent, ResourceGroup};
use crate::vault::{OwnerVault, ROLES_API, VAULTS_API};

const LOCAL: &str = "local";

/// Resets the vault to the state of its first start. Adds the items that cannot be reset to `left`.
pub(super) async fn reset_vault(
    owner: &OwnerVault,
    config: &Config,
    intent: &Intent,
    left: &mut Vec<String>,
) -> Result<(), ResetError> {
    let key = registry_key(config)?;
    remove_principals(owner).await?;
    remove_roles(owner).await?;
    // If the vault cannot be examined, it counts as changed.
    if is_fresh(owner, &key).await.unwrap_or(false) {
        return Ok(());
    }
    let mut location = json!("eastus");
    for vault in owner.vaults().await? {
        if vault["name"] == LOCAL {
            location = vault["location"].clone();
        }
        owner.resource(Method::DELETE, text(&vault["id"]), &[VAULTS_API], None).await?;
        intent.passed().await.map_err(local_error)?;
    }
    let mut is_kept = false;
    for deleted in owner.deleted_vaults().await? {
        let place = &deleted["properties"]["location"];
        if deleted["name"] == LOCAL && place.is_string() {
            // An interrupted reset may have deleted it.
            location = place.clone();
        }
        let purge = format!("{}/purge", text(&deleted["id"]));
        if deleted["properties"]["purgeProtectionEnabled"] == true {
            let name = text(&deleted["name"]);
            left.push(format!("the vault {name} is protected from purging: its keys are kept"));
            is_kept |= name == LOCAL;
        } else {
            owner.resource(Method::POST, &purge, &[VAULTS_API], None).await?;
        }
        intent.passed().await.map_err(local_error)?;
    }
    let mode = if is_kept { "recover" } else { "default" };
    let body = json!({ "location": location, "properties": {
        "createMode": mode,
        "tenantId": TENANT,
        "sku": sku(),
        "accessPolicies": policies(),
        "enableRbacAuthorization": false,
    }});
    let path = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/sealyard/providers/Microsoft.KeyVault/vaults/{LOCAL}"
    );
    owner.resource(Method::PUT, &path, &[VAULTS_API], Some(&body)).await?;
    intent.passed().await.map_err(local_error)?;
    if is_kept {
        // A recovered vault has its old settings, so a second step sets the new ones.
        let open = json!({ "properties": {
            "sku": sku(),
            "accessPolicies": policies(),
            "enableRbacAuthorization": false,
            "publicNetworkAccess": "Enabled",
            "networkAcls": { "bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": [] },
        }});
        owner.resource(Method::PATCH, &path, &[VAULTS_API], Some(&open)).await?;
    }
    Ok(owner.ensure_key(&key, config.key_size as usize).await?)
}

/// The SKU of the vault `local`: it accepts every kind of key.
fn sku() -> Value {
    json!({ "family": "A", "name": "premium" })
}

/// Whether the vault needs no new key for a reset.
pub(super) async fn is_in_initial_state(
    owner: &OwnerVault,
    config: &Config,
) -> Result<bool, VaultError> {
    is_fresh(owner, &registry_key(config)?).await
}

/// Whether the vault contains only what a first start creates.
async fn is_fresh(owner: &OwnerVault, key: &KeyId) -> Result<bool, VaultError> {
    let (vaults, deleted) = (owner.vaults().await?, owner.deleted_vaults().await?);
    let [vault] = vaults.as_slice() else { return Ok(false) };
    let properties = &vault["properties"];
    let is_open = properties["publicNetworkAccess"] == "Enabled"
        && (properties["networkAcls"].is_null()
            || properties["networkAcls"]["defaultAction"] == "Allow");
    let is_as_made = vault["name"] == LOCAL
        && deleted.is_empty()
        && is_open
        && properties["sku"]["name"] == sku()["name"]
        && properties["enableRbacAuthorization"] == false
        && same_policies(&properties["accessPolicies"]);
    if !is_as_made {
        return Ok(false);
    }
    let keys = owner.key_names(key.vault()).await?;
    let versions = owner.list_versions(key).await?;
    Ok(keys == [key.name().to_string()]
        && versions.len() == 1
        && versions.iter().all(|version| version.enabled && !version.is_limited)
        && !owner.rotates(key).await?)
}

fn registry_key(config: &Config) -> Result<KeyId, VaultError> {
    let wrong = |_| VaultError::new(None, "the name of the registry's key is invalid");
    let vault: VaultName = LOCAL.parse().map_err(wrong)?;
    Ok(KeyId::new(vault, config.key_name.parse().map_err(wrong)?, None))
}

/// The resource groups with a vault.
pub(super) async fn groups(owner: &OwnerVault) -> Result<Vec<ResourceGroup>, VaultError> {
    let group = |vault: &Value| text(&vault["id"]).split('/').nth(4)?.parse().ok();
    Ok(owner.vaults().await?.iter().filter_map(group).collect())
}

async fn remove_principals(owner: &OwnerVault) -> Result<(), VaultError> {
    let listed = owner.admin(Method::GET, "principals", None).await?;
    let ids = listed["value"].as_array().into_iter().flatten();
    for id in ids.filter_map(|principal| principal["clientId"].as_str()) {
        if id != OWNER_CLIENT_ID && id != MANAGED_IDENTITY_CLIENT_ID {
            owner.admin(Method::DELETE, &format!("principals/{id}"), None).await?;
        }
    }
    Ok(())
}

async fn remove_roles(owner: &OwnerVault) -> Result<(), VaultError> {
    let path =
        format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments");
    let own = format!("/subscriptions/{SUBSCRIPTION}");
    for assignment in owner.resources(&path, &[ROLES_API]).await? {
        let properties = &assignment["properties"];
        let is_first = properties["principalId"] == OWNER_OBJECT_ID && properties["scope"] == own;
        if !is_first {
            owner.resource(Method::DELETE, text(&assignment["id"]), &[ROLES_API], None).await?;
        }
    }
    Ok(())
}

/// The policies of a first start.
fn policies() -> Value {
    let policy = |object: &str, permissions: &[KeyPermission]| {
        let keys: Vec<&str> = permissions.iter().map(|permission| permission.as_str()).collect();
        json!({ "tenantId": TENANT, "objectId": object, "permissions": { "keys": keys } })
    };
    json!([
        policy(OWNER_OBJECT_ID, KeyPermission::ALL),
        policy(MANAGED_IDENTITY_OBJECT_ID, KeyPermission::FOR_ENCRYPTION),
    ])
}

/// Whether these are the policies of a first start, in any order.
fn same_policies(found: &Value) -> bool {
    let sorted = |policies: &Value| {
        let mut all: Vec<(String, Vec<String>)> = policies
            .as_array()
            .into_iter()
            .flatten()
            .map(|policy| {
                let keys = policy["permissions"]["keys"].as_array();
                let keys = keys.into_iter().flatten().filter_map(Value::as_str);
                let mut keys: Vec<String> = keys.map(str::to_ascii_lowercase).collect();
                keys.sort();
                (text(&policy["objectId"]).to_owned(), keys)
            })
            .collect();
        all.sort();
        all
    };
    sorted(found) == sorted(&policies())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
