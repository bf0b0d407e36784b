//! The errors of the fault rules.

use azure_emulator_core::faults::FaultError;
use thiserror::Error;

use crate::keys::VaultError;

/// The reason why a rule was not added or not removed. Each message is a sentence for people.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FaultRulesError {
    /// The rule is invalid.
    #[error("{0}")]
    Rule(#[from] FaultError),
    /// The rule is invalid; the message is from its parser.
    #[error("{0}")]
    Malformed(String),
    /// The class is of the vault, which is external.
    #[error(
        "cannot inject faults into an external vault: {on:?} is a class of the vault; the classes of the registry are {known}"
    )]
    ExternalVault {
        /// The requested class.
        on: String,
        /// The classes of the registry.
        known: String,
    },
    /// There is no rule of this name.
    #[error("there is no fault rule {0:?}")]
    Unknown(String),
    /// The mock vault refused the request.
    #[error("{0}")]
    Vault(#[from] VaultError),
}
