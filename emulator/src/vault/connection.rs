//! The addresses of the vault and the issuer, for any choice of vault, and the clients that it makes of them.
//!
//! An identity of a registry gets a client that only uses keys. The owner gets an [`OwnerVault`], which changes them. An
//! external vault, such as Azure's, has no owner here. The secrets of both leave this file only inside a [`Proof`]; all are
//! wiped when dropped.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::identity::{
    IMDS_PATH, MANAGED_IDENTITY_CLIENT_ID, OWNER_CLIENT_ID, TENANT, WELL_KNOWN_SECRET,
};
use mock_keyvault::MockKeyVault;
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use super::client::{VaultClient, VaultClientConfig};
use super::credential::{ClientSecret, Proof};
use super::http::HttpSettings;
use super::management::ManagementClient;
use super::owner::OwnerVault;
use crate::config::{Config, ExternalVault, VaultChoice};
use crate::keys::{KeyId, KeyVault, VaultName};

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

impl VaultConnection {
    /// The access to the embedded vault, or to the vault that was named.
    pub fn from_config(
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
        Ok(Some(OwnerVault::new(vault, management, self.client_id.clone())))
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

    /// The certificates to trust.
    pub(super) fn http(&self) -> HttpSettings {
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

    /// The base URL of the vault, for paths below it.
    pub(super) fn base(&self) -> &Url {
        &self.vault
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
    pub fn login_url(&self) -> String {
        trimmed(&self.authority)
    }
}

impl fmt::Debug for VaultConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultConnection")
            .field("vault", &self.vault.as_str())
            .finish_non_exhaustive()
    }
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

pub(super) fn config_error(message: impl Into<String>) -> ConnectionError {
    ConnectionError::Unusable(message.into())
}
