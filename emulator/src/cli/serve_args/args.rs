//! The flags, as typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use azure_emulator_core::durable::Durability;
use azure_emulator_core::listen::parse_address;
use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};
use mock_keyvault::AddressRange;
use url::Url;

use crate::config::{
    ArmOperations, DEFAULT_AZURE_LISTEN, DEFAULT_KEY_NAME, DEFAULT_LISTEN, Origin,
};
use crate::password::Password;

/// The variable with the password of registries that have no logins. There is no such flag, because the list of processes would
/// show it.
pub(super) const PASSWORD_ENV: &str = "SEALYARD_PASSWORD";

/// The flags of `sealyard serve`, each with an environment variable.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of serve")]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent flag")]
pub struct ServeArgs {
    /// The address of the registry and the admin API: ADDRESS:PORT, or only a port on the loopback; port 0 chooses a free port
    #[arg(long, value_name = "ADDRESS", env = "SEALYARD_LISTEN", default_value_t = DEFAULT_LISTEN, value_parser = parse_address)]
    pub listen: SocketAddr,
    /// The address of the Azure side, which serves the vault, logins and Azure Resource Manager over TLS
    #[arg(long, value_name = "ADDRESS", env = "SEALYARD_AZURE_LISTEN", default_value_t = DEFAULT_AZURE_LISTEN, value_parser = parse_address)]
    pub azure_listen: SocketAddr,
    /// The data folder. It is an option of all commands, which the command line copies to this field
    #[arg(skip)]
    pub data_dir: Option<PathBuf>,
    /// The data folder of the embedded vault [default: `vault` in the data folder]
    #[arg(long, value_name = "FOLDER", env = "SEALYARD_VAULT_DATA_DIR")]
    pub vault_data_dir: Option<PathBuf>,
    /// Store all data in a temporary folder that is removed at exit
    #[arg(long, env = "SEALYARD_EPHEMERAL", value_parser = FalseyValueParser::new())]
    pub ephemeral: bool,
    /// Use this vault instead of the embedded one: a mock-keyvault, or a real Azure Key Vault
    #[arg(long, value_name = "URL", env = "SEALYARD_VAULT_URL")]
    pub vault_url: Option<Url>,
    /// The authority that issues tokens for that vault [default: the authority in the vault's challenge]
    #[arg(long, value_name = "URL", env = "SEALYARD_AUTHORITY")]
    pub authority: Option<Url>,
    /// The tenant of the registry's identity
    #[arg(long, value_name = "ID", env = "SEALYARD_TENANT")]
    pub tenant: Option<String>,
    /// The client id of the registry's identity
    #[arg(long, value_name = "ID", env = "SEALYARD_CLIENT_ID")]
    pub client_id: Option<String>,
    /// The file with the secret of the registry's identity
    #[arg(long, value_name = "FILE", env = "SEALYARD_CLIENT_SECRET_FILE")]
    pub client_secret_file: Option<PathBuf>,
    /// A PEM file with a CA to trust for that vault and its authority
    #[arg(long, value_name = "FILE", env = "SEALYARD_AZURE_CA")]
    pub azure_ca: Option<PathBuf>,
    /// The name of the registry's key in the vault; the first start creates the key
    #[arg(long, value_name = "NAME", env = "SEALYARD_KEY_NAME", default_value = DEFAULT_KEY_NAME)]
    pub key_name: String,
    /// The size of that key in bits
    #[arg(long, value_name = "BITS", env = "SEALYARD_KEY_SIZE", default_value_t = KeySize::Rsa2048)]
    pub key_size: KeySize,
    /// How long the registry uses an unwrapped data key before it asks the vault again: a revocation takes effect within this time
    #[arg(long, value_name = "DURATION", env = "SEALYARD_KEY_LEASE", default_value = "5s", value_parser = humantime::parse_duration)]
    pub key_lease: Duration,
    /// The time between two checks for a new version of the key, by the emulator's clock
    #[arg(long, value_name = "DURATION", env = "SEALYARD_ROTATION_CHECK", default_value = "15m", value_parser = humantime::parse_duration)]
    pub rotation_check: Duration,
    /// When a push is answered; with `relaxed`, a power cut can lose the data
    #[arg(long, value_name = "LEVEL", env = "SEALYARD_DURABILITY", default_value = "full")]
    pub durability: DurabilityArg,
    /// Require no password although the listener is not on the loopback; for a private network of containers
    #[arg(long, env = "SEALYARD_TRUSTED_NETWORK", value_parser = FalseyValueParser::new())]
    pub trusted_network: bool,
    /// The password from the environment, which the command line copies to this field
    #[arg(skip)]
    pub password: Option<Password>,
    /// A file with the password that clients need if the listener is not on the loopback [default:
    /// `SEALYARD_PASSWORD`, or a random one]
    #[arg(long, value_name = "FILE", env = "SEALYARD_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// Also write the endpoints to this file, when the emulator is ready and when an endpoint changes
    #[arg(long, value_name = "FILE", env = "SEALYARD_ENDPOINTS_FILE")]
    pub endpoints_file: Option<PathBuf>,
    /// Another host name of the emulator; can be repeated
    #[arg(long, value_name = "NAME", env = "SEALYARD_HOSTNAME_ALIAS", value_delimiter = ',')]
    pub hostname_alias: Vec<String>,
    /// A reverse proxy (ADDRESS, or a range ADDRESS/BITS) whose X-Forwarded-Proto and X-Forwarded-Host headers are trusted;
    /// proxies on the loopback always are; can be repeated
    #[arg(long, value_name = "ADDRESS", env = "SEALYARD_TRUSTED_PROXY", value_delimiter = ',')]
    pub trusted_proxy: Vec<AddressRange>,
    /// The origin of a web page that may use the registries, such as `http://localhost:8080`; can be repeated
    #[arg(long, value_name = "URL", env = "SEALYARD_CORS_ORIGIN", value_delimiter = ',')]
    pub cors_origin: Vec<Origin>,
    /// Accept an index even if the repository lacks manifests that the index lists
    #[arg(long, env = "SEALYARD_SPARSE_INDEXES", value_parser = FalseyValueParser::new())]
    pub sparse_indexes: bool,
    /// Behave exactly like Azure: turn off features that Azure lacks with a customer-managed key, and refuse vaults without
    /// purge protection
    #[arg(long, env = "SEALYARD_STRICT_PARITY", value_parser = FalseyValueParser::new())]
    pub strict_parity: bool,
    /// Make new vaults use access policies although 'az keyvault create' asks for roles, so that 'az keyvault set-policy' works
    #[arg(long, env = "SEALYARD_LEGACY_ACCESS_POLICIES", value_parser = FalseyValueParser::new())]
    pub legacy_access_policies: bool,
    /// When a change through Azure Resource Manager is reported as done: at once, or after the client has polled, as in Azure
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, env = "SEALYARD_ARM_OPERATIONS")]
    pub arm_operations: ArmOperationsArg,
}

/// The sizes of RSA keys that Key Vault creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeySize {
    /// 2048 bits.
    #[value(name = "2048")]
    Rsa2048,
    /// 3072 bits.
    #[value(name = "3072")]
    Rsa3072,
    /// 4096 bits.
    #[value(name = "4096")]
    Rsa4096,
}

/// [`Durability`] as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DurabilityArg {
    /// After the disk has the data.
    Full,
    /// After the operating system has the data.
    Relaxed,
}

/// [`ArmOperations`] as it is typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ArmOperationsArg {
    /// At once.
    #[default]
    Immediate,
    /// After the client has polled, as in Azure.
    Polled,
}

impl ServeArgs {
    /// The password from the environment. An empty variable counts as none, because compose files set empty variables.
    pub fn password_from_environment() -> Option<Password> {
        std::env::var(PASSWORD_ENV).ok().and_then(Password::new)
    }
}

impl KeySize {
    /// The size as a number.
    pub fn bits(self) -> u32 {
        match self {
            Self::Rsa2048 => 2048,
            Self::Rsa3072 => 3072,
            Self::Rsa4096 => 4096,
        }
    }
}

impl std::fmt::Display for KeySize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.bits())
    }
}

impl From<DurabilityArg> for Durability {
    fn from(arg: DurabilityArg) -> Self {
        match arg {
            DurabilityArg::Full => Self::Full,
            DurabilityArg::Relaxed => Self::Relaxed,
        }
    }
}

impl From<ArmOperationsArg> for ArmOperations {
    fn from(arg: ArmOperationsArg) -> Self {
        match arg {
            ArmOperationsArg::Immediate => Self::Immediate,
            ArmOperationsArg::Polled => Self::Polled,
        }
    }
}
