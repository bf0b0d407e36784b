//! The reasons why a start fails.

use std::net::SocketAddr;
use std::path::PathBuf;

use azure_emulator_core::tls::TlsError;
use mock_keyvault::StartError as VaultStartError;
use thiserror::Error;

use crate::registry::{ManageError, RegistryName};
use crate::store::StoreError;
use crate::vault::ConnectionError;

/// The reasons why an emulator did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken or cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The data folder cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The embedded vault did not start.
    #[error("the embedded vault did not start")]
    Vault(#[from] VaultStartError),
    /// The given settings do not lead to a usable vault.
    #[error(transparent)]
    VaultAccess(#[from] ConnectionError),
    /// The registries cannot be opened.
    #[error("the registry cannot be opened")]
    Registry(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Cannot happen: `local` is opened or the start fails.
    #[error("there is no registry {}", RegistryName::LOCAL)]
    NoLocal,
    /// The certificates of the listeners cannot be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An emulator that deletes its data at exit has no folder for it.
    #[error(
        "neither {} nor {} is writable, and the data needs a folder until the exit: make one of them writable, or name another with TMPDIR (docker run --tmpfs /tmp)",
        temporary.display(),
        data_dir.display()
    )]
    NoTemporaryFolder {
        /// The system's folder for temporary files.
        temporary: PathBuf,
        /// The data folder, which would be used instead.
        data_dir: PathBuf,
        /// The reason why the folder for temporary files cannot be used.
        source: std::io::Error,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<ManageError> for StartError {
    fn from(error: ManageError) -> Self {
        Self::Registry(error.into())
    }
}
