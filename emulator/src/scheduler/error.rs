//! The errors of a move.

use std::io;

use azure_emulator_core::clock::ClockRequestError;
use mock_keyvault::VaultError;
use thiserror::Error;

use crate::registry::Error;

/// The reasons why the clock was not moved, or not to the end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchedulerError {
    /// The request is invalid. Nothing was moved.
    #[error(transparent)]
    Request(#[from] ClockRequestError),
    /// The vault is external and has its own time. Nothing was moved.
    #[error(
        "the clock can be moved only with a mock vault: {0} keeps its own time, and keys and registry would no longer agree on expiry"
    )]
    ForeignVault(String),
    /// The vault in another process failed. The clock stays at the moment when that was noticed.
    #[error("the vault's clock could not be moved: {0}")]
    RemoteVault(String),
    /// The embedded vault could not run its due work. The clock stays at the moment of that work.
    #[error("the vault could not run its due work: {0}")]
    Vault(#[from] VaultError),
    /// A registry could not determine its due work.
    #[error("the registry could not run its due work: {0}")]
    Registry(#[from] Error),
    /// The state of the clock could not be saved.
    #[error("the clock could not be saved: {0}")]
    Io(#[from] io::Error),
    /// The emulator is stopping; the move continues at the next start.
    #[error("the emulator is stopping; due work continues at the next start")]
    Stopped,
}
