//! Checks the flags, and makes the configuration of them.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::args::ServeArgs;
use super::error::ConfigError;
use crate::config::{Config, ExternalVault, VaultChoice};
use crate::password::PasswordSource;

/// The shortest lease: below it the vault would be asked all the time.
const MIN_KEY_LEASE: Duration = Duration::from_millis(100);
/// The longest lease: a revocation has to be seen in reasonable time.
const MAX_KEY_LEASE: Duration = Duration::from_hours(1);
/// The longest time between two checks for a new version: Azure promises one hour.
const MAX_ROTATION_CHECK: Duration = Duration::from_hours(1);

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
