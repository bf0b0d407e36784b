//! The settings of an emulator, checked. The command line makes them of its flags in `cli/serve_args.rs`.
//!
//! This module opens no file, and looks up only the home folder.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use azure_emulator_core::durable::Durability;
use azure_emulator_core::durable::repair::RepairCommand;
use directories::ProjectDirs;
use http::HeaderValue;
use mock_keyvault::AddressRange;
use thiserror::Error;
use url::Url;

use crate::password::PasswordSource;

/// The default address of the registry `local`. People type its port after `localhost:`.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);
/// The default address of the Azure side.
pub const DEFAULT_AZURE_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);
/// The default name of the key of the registry `local`.
pub const DEFAULT_KEY_NAME: &str = "registry-key";
/// The default size of that key in bits.
pub const DEFAULT_KEY_SIZE: u32 = 2048;

/// The configuration of an emulator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent flag")]
pub struct Config {
    /// Where the registry `local`, the admin API and the dashboard listen.
    pub listen: SocketAddr,
    /// Where the Azure side of the embedded vault listens.
    pub azure_listen: SocketAddr,
    /// The data folder of the registry.
    pub data_dir: PathBuf,
    /// The data folder of the embedded vault, if it is not in the registry's data folder.
    pub vault_data_dir: Option<PathBuf>,
    /// Whether all data is removed at exit.
    pub ephemeral: bool,
    /// Whether an ephemeral emulator writes its endpoints file into [`Config::data_dir`], because the user named that folder.
    /// It never replaces the file of another running emulator.
    pub found_by_data_dir: bool,
    /// The vault that holds the key.
    pub vault: VaultChoice,
    /// The name of the key of `local`, without a version, so that it rotates automatically.
    pub key_name: String,
    /// The size of that key in bits, if the emulator creates it.
    pub key_size: u32,
    /// How long an unwrapped data key may be used without asking the vault.
    pub key_lease: Duration,
    /// How often an unversioned key is checked for a new version, in emulator time.
    pub rotation_check: Duration,
    /// How durable a change is before it is answered.
    pub durability: Durability,
    /// Whether the network is trusted although the listener is not on the loopback: the well-known identities are valid, and
    /// `local` and the admin API need no credentials.
    pub trusted_network: bool,
    /// The source of the password that clients need if the listener is not on the loopback.
    pub password: PasswordSource,
    /// A second endpoints file, written when the emulator is ready and when an endpoint changes.
    pub endpoints_file: Option<PathBuf>,
    /// Further host names of the emulator, such as the alias of a container.
    pub hostname_alias: Vec<String>,
    /// The proxies, besides those on the loopback, whose `X-Forwarded-*` headers are trusted.
    pub trusted_proxy: Vec<AddressRange>,
    /// The origins whose pages may use the registries.
    pub cors_origin: Vec<Origin>,
    /// Whether an index may list manifests that the repository does not have.
    pub sparse_indexes: bool,
    /// Whether registries with a customer-managed key lack the features that Azure's lack.
    pub strict_parity: bool,
    /// Whether every new vault uses access policies, although `az keyvault create` asks for roles.
    pub legacy_access_policies: bool,
    /// Whether clients have to poll for operations of the control plane.
    pub arm_operations: ArmOperations,
}

/// When the control plane answers that a change is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArmOperations {
    /// At once.
    #[default]
    Immediate,
    /// After the client has polled, as in Azure.
    Polled,
}

/// The origin of a web page: scheme, host and port (RFC 6454, section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// The text is not an origin.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "an origin is an http or https URL with a host and a port and without a path, such as http://localhost:8080"
)]
pub struct OriginError;

/// The vault that holds the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum VaultChoice {
    /// The vault that this process embeds.
    #[default]
    Embedded,
    /// Another vault, reached over the Key Vault protocol.
    External(ExternalVault),
}

/// A vault in another process: a `mock-keyvault`, or a real Azure Key Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalVault {
    /// Its base URL, `https://` without a path.
    pub url: Url,
    /// The base URL of the authority that issues tokens, if it is not the authority in the vault's challenge.
    pub authority: Option<Url>,
    /// The tenant of the identity.
    pub tenant: Option<String>,
    /// The client id of the registry's identity.
    pub client_id: Option<String>,
    /// The file with the identity's secret.
    pub client_secret_file: Option<PathBuf>,
    /// The PEM file of a CA to trust for vault and authority, in addition to the system's.
    pub ca: Option<PathBuf>,
}

impl Config {
    /// The command that repairs a data folder, with the vault that this configuration uses.
    pub(crate) fn repair_command(&self, data_dir: &Path) -> RepairCommand {
        let command = RepairCommand::new("sealyard", data_dir);
        let vault = match &self.vault {
            VaultChoice::Embedded => {
                let folder = self.vault_data_dir.iter();
                return folder.fold(command, |line, at| line.option("--vault-data-dir", at));
            }
            VaultChoice::External(vault) => vault,
        };
        let ExternalVault { url, authority, tenant, client_id, client_secret_file, ca } = vault;
        let text = |url: &Url| OsString::from(url.as_str());
        let path = |path: &PathBuf| path.clone().into_os_string();
        let options = [
            ("--vault-url", Some(text(url))),
            ("--authority", authority.as_ref().map(text)),
            ("--tenant", tenant.as_ref().map(OsString::from)),
            ("--client-id", client_id.as_ref().map(OsString::from)),
            ("--client-secret-file", client_secret_file.as_ref().map(path)),
            ("--azure-ca", ca.as_ref().map(path)),
        ];
        let options = options.iter().filter_map(|(flag, value)| Some((flag, value.as_ref()?)));
        options.fold(command, |line, (flag, value)| line.option(flag, value))
    }
}

impl Config {
    /// The data folder of the platform, below the home folder.
    pub fn default_data_dir() -> Option<PathBuf> {
        ProjectDirs::from("", "", "sealyard").map(|dirs| dirs.data_dir().to_owned())
    }

    /// Whether the listener of `local` needs no password.
    pub fn is_open(&self) -> bool {
        self.is_open_at(self.listen)
    }

    /// Whether clients need the password at one of the listeners.
    pub fn asks_for_password(&self) -> bool {
        let azure_is_open = match self.vault {
            VaultChoice::Embedded => self.is_open_at(self.azure_listen),
            VaultChoice::External(_) => true,
        };
        !(self.is_open() && azure_is_open)
    }

    /// Whether a listener needs no password: only this machine can reach it, or its network is trusted.
    pub fn is_open_at(&self, listener: SocketAddr) -> bool {
        listener.ip().is_loopback() || self.trusted_network
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            azure_listen: DEFAULT_AZURE_LISTEN,
            data_dir: Self::default_data_dir().unwrap_or_else(|| PathBuf::from("sealyard-data")),
            vault_data_dir: None,
            ephemeral: false,
            found_by_data_dir: false,
            vault: VaultChoice::Embedded,
            key_name: DEFAULT_KEY_NAME.to_owned(),
            key_size: DEFAULT_KEY_SIZE,
            key_lease: Duration::from_secs(5),
            rotation_check: Duration::from_mins(15),
            durability: Durability::Full,
            trusted_network: false,
            password: PasswordSource::Generated,
            endpoints_file: None,
            hostname_alias: Vec::new(),
            trusted_proxy: Vec::new(),
            cors_origin: Vec::new(),
            sparse_indexes: false,
            strict_parity: false,
            legacy_access_policies: false,
            arm_operations: ArmOperations::Immediate,
        }
    }
}

impl Origin {
    /// The value of the header `Origin`.
    pub fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let url: Url = text.parse().map_err(|_| OriginError)?;
        let is_bare = ["", "/"].contains(&url.path())
            && url.query().or(url.fragment()).is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && !url.host_str().unwrap_or_default().contains('*');
        if !["http", "https"].contains(&url.scheme()) || !is_bare {
            return Err(OriginError);
        }
        HeaderValue::try_from(url.origin().ascii_serialization()).map(Self).map_err(|_| OriginError)
    }
}
