//! The error of the local authority.

use std::io;
use std::path::PathBuf;

/// The reason that the local authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the authority cannot be read or written.
    #[error("the files of the local certificate authority cannot be used: {0}")]
    Io(#[from] io::Error),
    /// A certificate or a key cannot be created or parsed.
    #[error("the local certificate authority in {folder} cannot be used: {source}")]
    Certificate {
        /// The folder of the authority.
        folder: PathBuf,
        /// The error of rcgen.
        source: rcgen::Error,
    },
    /// A TLS configuration cannot be created.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}
