//! The errors between the domain and its data folder.
//!
//! Each floor has one error type; this is the lowest one. `registry/` turns it into answers: the text of an I/O error
//! names paths of the machine and is for the log, never for a client. Bad input causes none of these errors: names and digests
//! were parsed before.

use std::io;
use std::path::PathBuf;

use azure_emulator_core::durable::OpenError;
use thiserror::Error;

use super::file_id::FileId;

/// The reasons why a store operation failed. Nothing was changed, unless the variant says otherwise.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the data folder open.
    #[error("{} is in use by process {}; stop that process, or choose another folder", path.display(), Pid(*pid))]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// The process that has it open, according to its lock file; `None` if that could not be read.
        pid: Option<u32>,
    },
    /// The data folder was written in a format that this program does not know.
    #[error(
        "{} has data of format version {found}, and this program knows version {supported}; open it with the program that wrote it",
        path.display()
    )]
    FormatVersion {
        /// The data folder.
        path: PathBuf,
        /// The version of the folder.
        found: u64,
        /// The version that this program reads and writes.
        supported: u64,
    },
    /// The folder has no journal yet, so a repair has nothing to read.
    #[error("{} has the format of an older version: start the emulator once, which migrates it to the current one", path.display())]
    OldFormat {
        /// The data folder.
        path: PathBuf,
    },
    /// The folder is not empty and is not a data folder of ours.
    #[error("{} is not empty and is not a data folder of Sealyard; choose another folder", path.display())]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
    },
    /// There is no room left on the device, or too little to go on safely. Reading still works.
    #[error("the disk is full: {0}")]
    DiskFull(io::Error),
    /// The file of an object or an upload does not exist. It may have been deleted since its row was read: read the row
    /// again; if that still names the file, it is lost.
    #[error("there is no file {0}")]
    NotFound(FileId),
    /// The engine of objects cannot continue an unfinished object: there, an upload is a list of finished objects.
    #[error("the object {0} cannot be continued: its engine only writes whole objects")]
    CannotContinue(FileId),
    /// There is no such upload: it was cancelled, it ended, or it expired.
    #[error("there is no such upload")]
    UnknownUpload,
    /// An upload with this id exists already.
    #[error("an upload with this id exists already")]
    UploadExists,
    /// The registry has as many uploads as it may have: this many.
    #[error("there are {0} uploads already")]
    TooManyUploads(usize),
    /// The data key is not in the ring of the registry: nothing may be sealed under it any more.
    #[error("the data key is no longer in the ring")]
    DataKeyRetired,
    /// The new ring lacks this data key, but something is still sealed under it.
    #[error("a data key that is still in use cannot be left out of the ring")]
    DataKeyInUse,
    /// A registry of this name exists, or its deletion has not ended.
    #[error("a registry of this name exists already")]
    RegistryExists,
    /// A row would be larger than the database keeps durably. A media type that a client sent may be the reason.
    #[error("a row of {len} bytes is too long; {limit} is the limit")]
    RowTooLong {
        /// Bytes of the encoded row.
        len: usize,
        /// The largest that is accepted.
        limit: usize,
    },
    /// A part of the data folder cannot be read.
    #[error("the data folder is damaged: {0}")]
    Damaged(String),
    /// The service-managed key is missing: without it neither rows nor content can be read.
    #[error("{} is missing, and the rows and the content of this folder cannot be read without it; restore it from a copy of the folder", file.display())]
    NoServiceKey {
        /// The path where it should be.
        file: PathBuf,
    },
    /// The rows cannot be opened. The message names the repair.
    #[error(transparent)]
    Rows(OpenError),
    /// The rows are still being checked after the start: changes wait for that.
    #[error("{0}")]
    NotProven(io::Error),
    /// The rows are damaged but can still be read.
    #[error("{0}")]
    ReadOnly(io::Error),
    /// Reading or writing failed. After a failed sync, the written data may or may not be stored.
    #[error(transparent)]
    Io(io::Error),
}

struct Pid(Option<u32>);

impl std::fmt::Display for Pid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => pid.fmt(f),
            None => f.write_str("(unknown)"),
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(error),
            io::ErrorKind::ResourceBusy => Self::NotProven(error),
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(error),
            io::ErrorKind::InvalidData => Self::Damaged(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(error) => error.into(),
            other => Self::Rows(other),
        }
    }
}
