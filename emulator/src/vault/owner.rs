//! The vault as its owner reaches it: the owner makes and changes keys, vaults and permissions.
//!
//! The `key` commands and the first start use [`OwnerVault`]; it uses the same REST protocol as all clients. This file
//! changes keys and sends the requests; `resources.rs` and `identities.rs` have the requests about vaults and permissions.

use std::fmt;
use std::sync::Arc;

use azure_emulator_core::identity::{MANAGED_IDENTITY_CLIENT_ID, MANAGED_IDENTITY_OBJECT_ID};
use http::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::client::VaultClient;
use super::management::ManagementClient;
use crate::keys::{Cause, IdentityId, KeyId, KeyVault, KeyVersion, VaultError, VaultName};

/// The owner's access to the vault. Clones share the clients.
#[derive(Clone)]
pub struct OwnerVault {
    vault: Arc<VaultClient>,
    management: Arc<ManagementClient>,
    /// The client id of the identity that the program was started with.
    identity: String,
}

/// A version of a key, as the owner sees it.
#[derive(Clone, Debug)]
pub struct KeyVersionInfo {
    /// The key with this version.
    pub id: KeyId,
    /// Whether it may be used.
    pub enabled: bool,
    /// When it was made.
    pub created: OffsetDateTime,
    /// Whether its validity has a begin or an end.
    pub is_limited: bool,
}

impl OwnerVault {
    /// The owner's access through these clients. `identity`: the client id of the identity that the program was started with.
    pub(super) fn new(vault: VaultClient, management: ManagementClient, identity: String) -> Self {
        Self { vault: Arc::new(vault), management: Arc::new(management), identity }
    }

    /// Makes the key if there is none of this name.
    pub async fn ensure_key(&self, key: &KeyId, size: usize) -> Result<(), VaultError> {
        match self.send(Method::GET, key, None, None).await {
            Err(error) if error.status() == Some(404) => {
                self.send(Method::POST, key, Some("create"), Some(rsa(size))).await?;
                tracing::info!(%key, "made the key");
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// All versions of a key, oldest first.
    pub async fn list_versions(&self, key: &KeyId) -> Result<Vec<KeyVersionInfo>, VaultError> {
        let mut versions = Vec::new();
        let mut page = self.send(Method::GET, &key.unversioned(), Some("versions"), None).await?;
        loop {
            for item in page["value"].as_array().into_iter().flatten() {
                versions.push(version_info(key, &item["kid"], &item["attributes"])?);
            }
            let Some(next) = page["nextLink"].as_str() else { break };
            page = self.vault.follow(next).await?;
        }
        // Creation times are in whole seconds: if two are equal, the version that the vault returns by default is the newer.
        let newest = match self.vault.get_key(&key.unversioned()).await {
            // A vault lists no versions of a missing key. Only a request for the key itself reports that it is missing.
            Err(refused) if versions.is_empty() => return Err(refused),
            newest => newest.ok().map(|answer| answer.value.id),
        };
        versions.sort_by_key(|version| (version.created, Some(&version.id) == newest.as_ref()));
        Ok(versions)
    }

    /// The names of all keys of a vault, including deleted ones.
    pub(crate) async fn key_names(&self, vault: &VaultName) -> Result<Vec<String>, VaultError> {
        let mut names = Vec::new();
        for path in ["keys", "deletedkeys"] {
            let mut page = self.vault.manage(vault, Method::GET, &[path], None).await?;
            loop {
                let kids = page["value"].as_array().into_iter().flatten();
                let kids = kids.filter_map(|item| item["kid"].as_str());
                names.extend(kids.filter_map(|kid| kid.rsplit('/').next()).map(str::to_owned));
                let Some(next) = page["nextLink"].as_str() else { break };
                page = self.vault.follow(next).await?;
            }
        }
        Ok(names)
    }

    /// Whether the vault makes new versions of a key by itself.
    pub(crate) async fn rotates(&self, key: &KeyId) -> Result<bool, VaultError> {
        let policy =
            self.send(Method::GET, &key.unversioned(), Some("rotationpolicy"), None).await?;
        let is_rotation = |action: &Value| {
            let kind = action["action"]["type"].as_str();
            kind.is_some_and(|kind| kind.eq_ignore_ascii_case("rotate"))
        };
        Ok(policy["lifetimeActions"].as_array().into_iter().flatten().any(is_rotation))
    }

    /// Makes a new version of a key.
    pub async fn create_version(&self, key: &KeyId) -> Result<KeyId, VaultError> {
        let key = &key.unversioned();
        let size = self.vault.get_key(key).await?.value.key_size.unwrap_or(2048);
        let made = self.send(Method::POST, key, Some("create"), Some(rsa(size))).await?;
        Ok(version_info(key, &made["key"]["kid"], &made["attributes"])?.id)
    }

    /// Enables or disables a version; the newest by default.
    pub async fn set_enabled(&self, key: &KeyId, enabled: bool) -> Result<(), VaultError> {
        let body = json!({ "attributes": { "enabled": enabled } });
        self.send(Method::PATCH, key, None, Some(body)).await.map(drop)
    }

    /// Deletes the key with all its versions; it can be recovered.
    pub async fn delete(&self, key: &KeyId) -> Result<(), VaultError> {
        self.send(Method::DELETE, &key.unversioned(), None, None).await.map(drop)
    }

    /// Whether a version of a key, or its newest, is enabled. `None` if there is no such key, or it is deleted.
    pub async fn is_enabled(&self, key: &KeyId) -> Result<Option<bool>, VaultError> {
        match self.vault.get_key(key).await {
            Ok(answer) => Ok(Some(answer.value.enabled)),
            Err(error) if is_no_key(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The object id of an identity of a registry, for policies and roles of the vault. `None` is the identity that
    /// the program was started with.
    pub(crate) async fn object_id(
        &self,
        registry: &str,
        identity: Option<&IdentityId>,
    ) -> Result<String, VaultError> {
        let client_id = identity.map_or(self.identity.as_str(), IdentityId::as_str);
        if client_id.eq_ignore_ascii_case(MANAGED_IDENTITY_CLIENT_ID) {
            return Ok(MANAGED_IDENTITY_OBJECT_ID.to_owned());
        }
        // Any other identity is a principal of the mock vault; a system-assigned one is found by the name of its registry.
        let is_system = identity.is_some_and(IdentityId::is_system);
        let end = format!("/registries/{registry}").to_ascii_lowercase();
        let is_it = |principal: &&Value| {
            let text =
                |name: &str| principal[name].as_str().unwrap_or_default().to_ascii_lowercase();
            if is_system {
                text("kind") == "systemassignedidentity" && text("resourceId").ends_with(&end)
            } else {
                text("clientId") == client_id.to_ascii_lowercase()
            }
        };
        let principals = self.admin(Method::GET, "principals", None).await?;
        let found = principals["value"].as_array().into_iter().flatten().find(is_it);
        let object_id = found.and_then(|principal| principal["objectId"].as_str());
        let unknown = || VaultError::new(None, "the vault does not know the registry's identity");
        object_id.map(str::to_owned).ok_or_else(unknown)
    }

    /// Recovers the deleted key.
    pub async fn recover(&self, key: &KeyId) -> Result<(), VaultError> {
        let path = ["deletedkeys", key.name().as_str(), "recover"];
        self.vault.manage(key.vault(), Method::POST, &path, None).await.map(drop)
    }

    /// Sends a request to the admin API of the mock vault, such as about `faults`.
    pub(crate) async fn admin(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, VaultError> {
        self.management.admin(method, path, body).await
    }

    /// Sends a request about a resource, such as the vault itself or its permissions, to the resource providers.
    pub(crate) async fn resource(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, VaultError> {
        self.management.send(method, path, query, body).await
    }

    async fn send(
        &self,
        method: Method,
        key: &KeyId,
        operation: Option<&str>,
        body: Option<Value>,
    ) -> Result<Value, VaultError> {
        let version = key.version().map(KeyVersion::as_str);
        let path: Vec<&str> =
            ["keys", key.name().as_str()].into_iter().chain(version).chain(operation).collect();
        self.vault.manage(key.vault(), method, &path, body).await
    }
}

impl fmt::Debug for OwnerVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerVault").finish_non_exhaustive()
    }
}

fn rsa(size: usize) -> Value {
    json!({ "kty": "RSA", "key_size": size })
}

fn version_info(
    key: &KeyId,
    kid: &Value,
    attributes: &Value,
) -> Result<KeyVersionInfo, VaultError> {
    let malformed = || VaultError::new(None, "the vault's answer does not name a key version");
    let version = kid.as_str().and_then(|kid| kid.rsplit('/').next()).ok_or_else(malformed)?;
    let created = attributes["created"].as_i64().unwrap_or_default();
    Ok(KeyVersionInfo {
        id: key.at(version.parse().map_err(|_| malformed())?),
        enabled: attributes["enabled"].as_bool().unwrap_or(true),
        is_limited: !(attributes["nbf"].is_null() && attributes["exp"].is_null()),
        created: OffsetDateTime::from_unix_timestamp(created).unwrap_or(OffsetDateTime::UNIX_EPOCH),
    })
}

/// Whether an answer says that the vault exists, but has no such key.
fn is_no_key(error: &VaultError) -> bool {
    error.status() == Some(404)
        && matches!(error.cause(), Some(Cause::KeyDeleted | Cause::KeyPurged))
}
