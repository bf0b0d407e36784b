//! Why a vault cannot be started.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::folder::FolderError;
use crate::store::StoreError;
use azure_emulator_core::tls::TlsError;

/// Why a vault cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another program listens on the address.
    #[error(
        "cannot listen on {address}: another program uses it; choose another address with --listen, such as --listen 127.0.0.1:0 for any free port"
    )]
    PortTaken {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// Another process uses the data folder.
    #[error(
        "the data folder {folder} is in use by another mock-keyvault; stop it, or choose another folder with --data-dir"
    )]
    FolderInUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The key that opens the private keys of a used data folder is missing.
    #[error(
        "the file {file} is missing, and the private keys in this folder cannot be opened without it; restore the file, or choose another folder with --data-dir"
    )]
    NoSealingKey {
        /// The missing file of the key.
        file: PathBuf,
    },
    /// The data folder cannot be read or written.
    #[error("the data folder cannot be used: {0}")]
    Io(#[from] io::Error),
    /// The rows of the vaults cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Every client that reaches the listener would be the owner of everything.
    #[error(
        "--accept-any-token is refused on {address}, which other machines can reach; listen on the loopback, or use --trusted-network if you trust every machine on that network"
    )]
    AnyTokenOffLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// A part of the start ended without a result.
    #[error("a part of the start ended early: {0}")]
    CutShort(String),
}

impl StartError {
    /// Names another command to repair the rows: that of the program which embeds this vault.
    #[must_use]
    pub fn repaired_by(self, command: &str) -> Self {
        match self {
            Self::Store(StoreError::Open(error)) => {
                Self::Store(StoreError::Open(error.repaired_by(command)))
            }
            other => other,
        }
    }
}

impl From<FolderError> for StartError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::InUse(folder) => Self::FolderInUse { folder },
            FolderError::Io(error) => Self::Io(error),
        }
    }
}
