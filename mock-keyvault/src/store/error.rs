//! Why the rows cannot be used, and the current format.

use std::io;

use azure_emulator_core::durable::OpenError;

/// The current format.
pub(super) const FORMAT_VERSION: u64 = 2;

/// Why the rows cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The rows cannot be read or written.
    #[error("the rows of the vault cannot be used: {0}")]
    Io(#[from] io::Error),
    /// The rows cannot be opened. The message says how to repair them.
    #[error("the rows of the vault cannot be opened: {0}")]
    Open(#[from] OpenError),
    /// The folder was written by another version of this program.
    #[error(
        "the data folder has format {found}, and this program reads formats 1 and {}",
        FORMAT_VERSION
    )]
    Format {
        /// The format in the folder.
        found: String,
    },
    /// A row cannot be read.
    #[error("a row of the database of the vault is damaged: {0}")]
    Damaged(String),
}
