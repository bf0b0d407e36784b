//! The flags of `sealyard serve` and their environment variables, checked.
//!
//! [`ServeArgs`] has the command line as typed, and makes a [`Config`] of it. This is the only place that names environment
//! variables of `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use azure_emulator_core::durable::Durability;
use azure_emulator_core::listen::parse_address;
use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};
use mock_keyvault::AddressRange;
use thiserror::Error;
use url::Url;

use crate::config::{
    ArmOperations, Config, DEFAULT_AZURE_LISTEN, DEFAULT_KEY_NAME, DEFAULT_LISTEN, ExternalVault,
    Origin, VaultChoice,
};
use crate::password::{Password, PasswordSource};

/// The variable with the password of registries that have no logins. There is no such flag, because the list of processes would
/// show it.
const PASSWORD_ENV: &str = "SEALYARD_PASSWORD";

/// The shortest lease: below it the vault would be asked all the time.
const MIN_KEY_LEASE: Duration = Duration::from_millis(100);
/// The longest lease: a revocation has to be seen in reasonable time.
const MAX_KEY_LEASE: Duration = Duration::from_hours(1);
/// The longest time between two checks for a new version: Azure promises one hour.
const MAX_ROTATION_CHECK: Duration = Duration::from_hours(1);

/// A setting that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// An option of an external vault without one.
    #[error("{0} is only for another vault: name the vault with --vault-url")]
    WithoutVaultUrl(&'static str),
    /// An option of the embedded vault together with an external vault.
    #[error(
        "{0} is only for the embedded vault, but --vault-url names another one: omit one of the two"
    )]
    WithVaultUrl(&'static str),
    /// A URL that is not HTTPS, or not a base URL. Tokens must not be sent over plain HTTP.
    #[error("{flag} must be an https URL without a path, such as {example}")]
    BaseUrl {
        /// The flag.
        flag: &'static str,
        /// A valid example.
        example: &'static str,
    },
    /// A duration outside of its bounds.
    #[error(
        "{flag} must be between {} and {}",
        humantime::format_duration(*least),
        humantime::format_duration(*most)
    )]
    Duration {
        /// The flag.
        flag: &'static str,
        /// The lower bound.
        least: Duration,
        /// The upper bound.
        most: Duration,
    },
    /// A key name that no vault accepts.
    #[error("--key-name {0:?} is not a key name: 1 to 127 letters, digits and dashes")]
    KeyName(String),
    /// A text that is not a host name.
    #[error(
        "--hostname-alias {0:?} is not a host name: letters, digits, dots and dashes, and no port"
    )]
    HostName(String),
    /// A password together with `--trusted-network`, where clients need none.
    #[error(
        "with --trusted-network clients need no password, but {PASSWORD_ENV} or --password-file sets one: omit one of the two"
    )]
    PasswordOfTrusted,
    /// Two sources of a password.
    #[error("{PASSWORD_ENV} and --password-file both set a password: omit one of the two")]
    TwoPasswords,
    /// No home folder, and no `--data-dir`.
    #[error("cannot choose a data folder: there is no home folder; name a folder with --data-dir")]
    NoDataDir,
}

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

impl TryFrom<ServeArgs> for Config {
    type Error = ConfigError;

    fn try_from(args: ServeArgs) -> Result<Self, ConfigError> {
        let vault = args.vault()?;
        let password = args.password()?;
        within("--key-lease", args.key_lease, MIN_KEY_LEASE, MAX_KEY_LEASE)?;
        within(
            "--rotation-check",
            args.rotation_check,
            Duration::from_secs(1),
            MAX_ROTATION_CHECK,
        )?;
        if !is_key_name(&args.key_name) {
            return Err(ConfigError::KeyName(args.key_name));
        }
        if let Some(name) = args.hostname_alias.iter().find(|name| !is_host_name(name)) {
            return Err(ConfigError::HostName(name.clone()));
        }
        Ok(Self {
            listen: args.listen,
            azure_listen: args.azure_listen,
            found_by_data_dir: args.data_dir.is_some(),
            // Absolute, because commands and a background emulator run in other folders.
            data_dir: args
                .data_dir
                .map(absolute)
                .or_else(Self::default_data_dir)
                .ok_or(ConfigError::NoDataDir)?,
            vault_data_dir: args.vault_data_dir.map(absolute),
            ephemeral: args.ephemeral,
            vault,
            key_name: args.key_name,
            key_size: args.key_size.bits(),
            key_lease: args.key_lease,
            rotation_check: args.rotation_check,
            durability: args.durability.into(),
            trusted_network: args.trusted_network,
            password,
            endpoints_file: args.endpoints_file,
            hostname_alias: args.hostname_alias,
            trusted_proxy: args.trusted_proxy,
            cors_origin: args.cors_origin,
            sparse_indexes: args.sparse_indexes,
            strict_parity: args.strict_parity,
            legacy_access_policies: args.legacy_access_policies,
            arm_operations: args.arm_operations.into(),
        })
    }
}

impl ServeArgs {
    /// The password from the environment. An empty variable counts as none, because compose files set empty variables.
    pub fn password_from_environment() -> Option<Password> {
        std::env::var(PASSWORD_ENV).ok().and_then(Password::new)
    }

    fn password(&self) -> Result<PasswordSource, ConfigError> {
        let source = match (&self.password, &self.password_file) {
            (None, None) => return Ok(PasswordSource::Generated),
            (Some(_), Some(_)) => return Err(ConfigError::TwoPasswords),
            (Some(password), None) => PasswordSource::Given(password.clone()),
            (None, Some(file)) => PasswordSource::File(file.clone()),
        };
        if self.trusted_network { Err(ConfigError::PasswordOfTrusted) } else { Ok(source) }
    }

    fn vault(&self) -> Result<VaultChoice, ConfigError> {
        let Some(url) = &self.vault_url else {
            let external_options = [
                ("--authority", self.authority.is_some()),
                ("--tenant", self.tenant.is_some()),
                ("--client-id", self.client_id.is_some()),
                ("--client-secret-file", self.client_secret_file.is_some()),
                ("--azure-ca", self.azure_ca.is_some()),
            ];
            return match external_options.into_iter().find(|(_, given)| *given) {
                Some((flag, _)) => Err(ConfigError::WithoutVaultUrl(flag)),
                None => Ok(VaultChoice::Embedded),
            };
        };
        if self.vault_data_dir.is_some() {
            return Err(ConfigError::WithVaultUrl("--vault-data-dir"));
        }
        if self.legacy_access_policies {
            return Err(ConfigError::WithVaultUrl("--legacy-access-policies"));
        }
        if !is_base_url(url) {
            return Err(ConfigError::BaseUrl {
                flag: "--vault-url",
                example: "https://myvault.vault.azure.net",
            });
        }
        if self.authority.as_ref().is_some_and(|authority| !is_base_url(authority)) {
            return Err(ConfigError::BaseUrl {
                flag: "--authority",
                example: "https://login.microsoftonline.com",
            });
        }
        Ok(VaultChoice::External(ExternalVault {
            url: url.clone(),
            authority: self.authority.clone(),
            tenant: self.tenant.clone(),
            client_id: self.client_id.clone(),
            client_secret_file: self.client_secret_file.clone(),
            ca: self.azure_ca.clone(),
        }))
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

/// An absolute path. A path that cannot be made absolute stays as it is, and is refused where it is used.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn within(
    flag: &'static str,
    value: Duration,
    least: Duration,
    most: Duration,
) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(ConfigError::Duration { flag, least, most })
    }
}

/// Whether this is an HTTPS base URL: tokens and wrapped keys must not be sent over plain HTTP.
fn is_base_url(url: &Url) -> bool {
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    url.scheme() == "https"
        && url.has_host()
        && is_bare
        && url.username().is_empty()
        && url.password().is_none()
}

/// `^[0-9a-zA-Z-]{1,127}$` of the Key Vault documentation.
fn is_key_name(name: &str) -> bool {
    (1..=127).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn config(args: &[&str]) -> Result<Config, ConfigError> {
        let args = ["sealyard", "--key-lease", "5s"].iter().chain(args);
        Config::try_from(Line::try_parse_from(args).unwrap().serve)
    }

    #[test]
    fn with_no_flags_the_configuration_is_the_default() {
        assert_eq!(config(&[]).unwrap(), Config::default());
    }

    #[test]
    fn options_of_another_vault_need_its_url() {
        for flag in ["--authority", "--tenant", "--client-id", "--client-secret-file", "--azure-ca"]
        {
            assert_eq!(
                config(&[flag, "https://x"]).unwrap_err(),
                ConfigError::WithoutVaultUrl(flag)
            );
        }
    }

    #[test]
    fn another_vault_is_reached_only_over_https() {
        for url in [
            "http://vault.test",
            "https://vault.test/keys",
            "https://u@vault.test",
            "ftp://vault.test",
        ] {
            let error = config(&["--vault-url", url]).unwrap_err();
            assert!(matches!(error, ConfigError::BaseUrl { flag: "--vault-url", .. }), "{url}");
        }

        let config = config(&["--vault-url", "https://vault:8443", "--client-id", "abc"]).unwrap();

        let VaultChoice::External(vault) = config.vault else { panic!("the vault is external") };
        assert_eq!(
            (vault.url.as_str(), vault.client_id.as_deref()),
            ("https://vault:8443/", Some("abc"))
        );
    }

    #[test]
    fn durations_have_bounds() {
        let message = config(&["--rotation-check", "2h"]).unwrap_err().to_string();

        assert_eq!(message, "--rotation-check must be between 1s and 1h");
    }

    #[test]
    fn invalid_names_are_refused() {
        assert_eq!(
            config(&["--key-name", "a/b"]).unwrap_err(),
            ConfigError::KeyName("a/b".to_owned())
        );
        let error = config(&["--hostname-alias", "registry,bad:5000"]).unwrap_err();
        assert_eq!(error, ConfigError::HostName("bad:5000".to_owned()));
    }

    #[test]
    fn any_listener_but_the_loopback_is_closed_unless_the_network_is_trusted() {
        assert!(config(&[]).unwrap().is_open());
        assert!(!config(&["--listen", "0.0.0.0:5000"]).unwrap().is_open());
        assert!(config(&["--listen", "0.0.0.0:5000", "--trusted-network"]).unwrap().is_open());
    }

    #[test]
    fn clients_need_the_password_if_one_of_the_listeners_is_not_on_the_loopback() {
        let asks = |args: &[&str]| config(args).unwrap().asks_for_password();

        assert!(!asks(&[]));
        assert!(asks(&["--listen", "0.0.0.0:5000"]));
        assert!(asks(&["--azure-listen", "0.0.0.0:8443"]));
        let elsewhere = ["--azure-listen", "0.0.0.0:8443", "--vault-url", "https://vault:8443"];
        assert!(!asks(&elsewhere), "the vault has no listener here");
    }

    #[test]
    fn two_passwords_or_a_password_for_a_trusted_network_are_refused() {
        let password = || Password::new("given");
        let with = |args: &[&str], password| {
            let args = ["sealyard"].iter().chain(args);
            let mut serve = Line::try_parse_from(args).unwrap().serve;
            serve.password = password;
            Config::try_from(serve)
        };
        let file = ["--password-file", "/run/secrets/p"];

        assert_eq!(with(&[], None).unwrap().password, PasswordSource::Generated);
        let given = PasswordSource::Given(password().unwrap());
        assert_eq!(with(&[], password()).unwrap().password, given);
        let from_file = PasswordSource::File(PathBuf::from("/run/secrets/p"));
        assert_eq!(with(&file, None).unwrap().password, from_file);
        assert_eq!(with(&file, password()).unwrap_err(), ConfigError::TwoPasswords);
        let trusted = with(&["--trusted-network"], password()).unwrap_err();
        assert_eq!(trusted, ConfigError::PasswordOfTrusted);
    }
}
