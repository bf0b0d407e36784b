//! The errors of flags that cannot be used.

use std::time::Duration;

use thiserror::Error;

use super::args::PASSWORD_ENV;

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
