//! The access to the vault: as the registry's identity, which may only use its key, and as the owner, which may change it.
//!
//! [`VaultConnection`] has the addresses of the vault and the issuer, for any choice of vault. The
//! `key` commands and the first start use [`OwnerVault`]; it uses the same REST protocol as all clients. An external vault,
//! such as Azure's, has no owner here.

mod changes;
mod identities;
mod resources;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::identity::{
    IMDS_PATH, MANAGED_IDENTITY_CLIENT_ID, MANAGED_IDENTITY_OBJECT_ID, OWNER_CLIENT_ID, TENANT,
    WELL_KNOWN_SECRET,
};
use http::Method;
use mock_keyvault::MockKeyVault;
use serde_json::{Value, json};
use thiserror::Error;
use time::OffsetDateTime;
use url::Url;
use zeroize::Zeroizing;

pub(crate) use self::changes::{ChangeFeed, NotSubscribed, Subscription, Told};
pub(crate) use self::resources::{ROLES_API, VAULTS_API};
use crate::config::{Config, ExternalVault, VaultChoice};
use crate::keys::{
    Cause, ClientSecret, HttpSettings, IdentityId, KeyId, KeyVault, KeyVersion, ManagementClient,
    Proof, VaultClient, VaultClientConfig, VaultError, VaultName,
};

/// The addresses of the vault and the issuer, and the registry's identity.
#[derive(Clone)]
pub struct VaultConnection {
    name: VaultName,
    vault: Url,
    authority: Url,
    tenant: String,
    client_id: String,
    secret: Zeroizing<String>,
    owner_secret: Option<Zeroizing<String>>,
    /// The path of the owner's secret, if it is not the well-known one.
    owner_secret_file: Option<PathBuf>,
    /// The authority to trust in addition to the system's.
    ca_pem: Option<String>,
    is_ours: bool,
    clock: Clock,
}

/// The vault cannot be reached with the given settings.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// A setting is missing or wrong.
    #[error("the vault cannot be used: {0}")]
    Unusable(String),
    /// A file of a secret or a certificate cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

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

impl VaultConnection {
    /// The access to the embedded vault, or to the vault that was named.
    pub fn of(
        config: &Config,
        embedded: Option<&MockKeyVault>,
        clock: &Clock,
    ) -> Result<Self, ConnectionError> {
        match (&config.vault, embedded) {
            (VaultChoice::External(external), _) => Self::external(config, external, clock),
            (VaultChoice::Embedded, Some(vault)) => Ok(Self {
                name: VaultName::local(),
                vault: parse(&vault.uri())?,
                authority: parse(&vault.authority_uri())?,
                tenant: vault.tenant().to_owned(),
                client_id: vault.managed_identity().client_id.to_owned(),
                secret: Zeroizing::new(vault.managed_identity().secret.expose().to_owned()),
                owner_secret: Some(Zeroizing::new(vault.owner().secret.expose().to_owned())),
                owner_secret_file: vault.owner().secret_file.clone(),
                ca_pem: Some(fs_err::read_to_string(vault.ca_path())?),
                is_ours: true,
                clock: clock.clone(),
            }),
            (VaultChoice::Embedded, None) => Err(config_error("no vault was started")),
        }
    }

    fn external(
        config: &Config,
        external: &ExternalVault,
        clock: &Clock,
    ) -> Result<Self, ConnectionError> {
        let host = external.url.host_str().unwrap_or_default();
        let is_azure = is_azure(host);
        // `NAME.vault.…` names a vault; at any other host, such as a container's, the vault called `local` answers.
        let name = match host.split_once('.') {
            Some((name, rest)) if rest.starts_with("vault.") => {
                name.parse().map_err(|error| config_error(format!("--vault-url: {error}")))?
            }
            _ => VaultName::local(),
        };
        let default_authority = if is_azure {
            parse("https://login.microsoftonline.com")?
        } else {
            external.url.clone()
        };
        // Well-known secrets are only for a vault that no other machine can reach.
        let well_known = !is_azure && config.is_open();
        let secret = match &external.client_secret_file {
            Some(path) => Zeroizing::new(fs_err::read_to_string(path)?.trim().to_owned()),
            None if well_known => Zeroizing::new(WELL_KNOWN_SECRET.to_owned()),
            None => {
                return Err(config_error(
                    "--client-secret-file is missing: the file with the secret of the registry's identity",
                ));
            }
        };
        Ok(Self {
            name,
            vault: external.url.clone(),
            authority: external.authority.clone().unwrap_or(default_authority),
            tenant: external.tenant.clone().unwrap_or_else(|| TENANT.to_owned()),
            client_id: external
                .client_id
                .clone()
                .unwrap_or_else(|| MANAGED_IDENTITY_CLIENT_ID.to_owned()),
            secret,
            owner_secret: well_known.then(|| Zeroizing::new(WELL_KNOWN_SECRET.to_owned())),
            owner_secret_file: None,
            ca_pem: external.ca.as_ref().map(fs_err::read_to_string).transpose()?,
            is_ours: false,
            clock: clock.clone(),
        })
    }

    /// The key of this name, without a version: the registry follows the newest.
    pub fn key_id(&self, name: &str) -> Result<KeyId, ConnectionError> {
        let name = name.parse().map_err(|error| config_error(format!("--key-name: {error}")))?;
        Ok(KeyId::new(self.name.clone(), name, None))
    }

    /// The client id of the identity that the program was started with.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The tenant of all identities.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The vaults as an identity reaches them: the identity of the start with its secret, any other through the endpoint of
    /// managed identities.
    pub fn client_of(&self, client_id: &str) -> Result<Arc<dyn KeyVault>, ConnectionError> {
        let proof = if client_id.eq_ignore_ascii_case(&self.client_id) {
            Proof::Secret(ClientSecret::new(self.secret.as_str()))
        } else {
            let endpoint = self.authority.join(IMDS_PATH);
            Proof::ManagedIdentity(endpoint.map_err(|error| config_error(error.to_string()))?)
        };
        Ok(Arc::new(self.client(client_id, proof)?))
    }

    /// The vault as its owner reaches it; `None` if it is external.
    pub fn owner(&self) -> Result<Option<OwnerVault>, ConnectionError> {
        let Some(secret) = &self.owner_secret else { return Ok(None) };
        let proof = Proof::Secret(ClientSecret::new(secret.as_str()));
        let vault = self.client(OWNER_CLIENT_ID, proof.clone())?;
        let management = ManagementClient::new(
            self.client_config(OWNER_CLIENT_ID, proof),
            management_url(&self.vault),
            self.clock.clone(),
        );
        let management = management.map_err(|error| config_error(error.to_string()))?;
        Ok(Some(OwnerVault {
            vault: Arc::new(vault),
            management: Arc::new(management),
            identity: self.client_id.clone(),
        }))
    }

    fn client(&self, client_id: &str, proof: Proof) -> Result<VaultClient, ConnectionError> {
        VaultClient::new(self.client_config(client_id, proof), self.clock.clone())
            .map_err(|error| config_error(error.to_string()))
    }

    fn client_config(&self, client_id: &str, proof: Proof) -> VaultClientConfig {
        VaultClientConfig {
            vault: self.name.clone(),
            vault_url: self.vault.clone(),
            authority_url: self.authority.clone(),
            tenant: self.tenant.clone(),
            client_id: client_id.to_owned(),
            proof,
            http: self.http(),
        }
    }

    fn http(&self) -> HttpSettings {
        HttpSettings { ca_pem: self.ca_pem.clone(), resolve: Vec::new() }
    }

    /// Whether the vault is Azure's own.
    pub(crate) fn is_azure(&self) -> bool {
        is_azure(self.vault.host_str().unwrap_or_default())
    }

    /// An HTTP client that trusts the vault, and the vault's base URL.
    pub(crate) fn http_client(&self) -> Result<(reqwest::Client, Url), ConnectionError> {
        let client = self.http().client(&[&self.vault]);
        Ok((client.map_err(|error| config_error(error.to_string()))?, self.vault.clone()))
    }

    /// The base URL of the Azure side, if it is served here.
    pub fn azure_url(&self) -> Option<String> {
        let port = self.vault.port_or_known_default()?;
        self.is_ours.then(|| format!("https://127.0.0.1:{port}"))
    }

    /// The file with the owner's secret at the embedded vault, if it is not the well-known one.
    pub fn owner_secret_file(&self) -> Option<&Path> {
        self.owner_secret_file.as_deref()
    }

    /// The base URL of the vault.
    pub fn vault_url(&self) -> String {
        trimmed(&self.vault)
    }

    /// A key's identifier at the address of its vault.
    pub fn key_identifier(&self, key: &KeyId) -> String {
        identifier(key, &self.vault)
    }

    /// The base URL of the issuer of tokens.
    pub fn login_url(&self) -> Option<String> {
        Some(trimmed(&self.authority))
    }
}

impl OwnerVault {
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

impl fmt::Debug for VaultConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultConnection")
            .field("vault", &self.vault.as_str())
            .finish_non_exhaustive()
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

/// The address of a mock vault's resource providers: a name of their own if the vault has a name, else the address of
/// the vault.
fn management_url(vault: &Url) -> Url {
    let mut url = vault.clone();
    let has_name = vault.host_str().is_some_and(|host| host.ends_with(".vault.localhost"));
    if has_name && url.set_host(Some("management.localhost")).is_err() {
        return vault.clone();
    }
    url
}

/// A key's identifier at the address of its own vault, which is named like the one at `base`.
pub(crate) fn identifier(key: &KeyId, base: &Url) -> String {
    let mut base = base.clone();
    if let Some((_, rest)) = base.host_str().and_then(|host| host.split_once('.'))
        && rest.starts_with("vault.")
    {
        let host = format!("{}.{rest}", key.vault());
        // The name of a vault is a label of a host.
        let _ = base.set_host(Some(&host));
    }
    key.kid(&base)
}

fn is_azure(host: &str) -> bool {
    [".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net"]
        .iter()
        .any(|end| host.ends_with(end))
}

fn parse(url: &str) -> Result<Url, ConnectionError> {
    Url::parse(url).map_err(|error| config_error(format!("{url}: {error}")))
}

fn trimmed(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn config_error(message: impl Into<String>) -> ConnectionError {
    ConnectionError::Unusable(message.into())
}
