//! What can go wrong between the domain and its data folder.
//!
//! Each floor has one error type; this is the lowest one. `registry/` turns it into answers: the text of an I/O error
//! names paths of the machine and is for the log, never for a client. Bad input does not end here: names and digests
//! were parsed before.

use std::io;
use std::path::PathBuf;

use azure_emulator_core::durable::OpenError;
use thiserror::Error;

use super::rows::FileId;

/// Why the store did not do what it was asked for. Nothing was changed, unless the variant says otherwise.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the data folder open.
    #[error("{} is in use by process {}; stop that one first, or choose another folder", path.display(), Pid(*pid))]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// Who has it, as its lock file says; none if that could not be read.
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
        /// What the folder says.
        found: u64,
        /// What this program reads and writes.
        supported: u64,
    },
    /// The folder has no journal yet: there is nothing that a repair could work with.
    #[error("{} has the format of an older version: start the emulator once, which brings it to the present one", path.display())]
    OldFormat {
        /// The data folder.
        path: PathBuf,
    },
    /// The folder has something in it, and that is not a data folder of ours.
    #[error("{} is not empty and is not a data folder of Sealyard; choose another folder", path.display())]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
    },
    /// There is no room left on the device, or too little to go on safely. Reading still works.
    #[error("the disk is full: {0}")]
    DiskFull(io::Error),
    /// The file of an object or an upload is not there. It may have been deleted since its row was read: read the row
    /// again; if that still names the file, it is lost.
    #[error("there is no file {0}")]
    NotFound(FileId),
    /// There is no such upload: it was cancelled, it ended, or it expired.
    #[error("there is no such upload")]
    UnknownUpload,
    /// An upload with this id is there already.
    #[error("an upload with this id exists already")]
    UploadExists,
    /// There are as many uploads as there may be: this many.
    #[error("there are {0} uploads already")]
    TooManyUploads(usize),
    /// The data key is not in the ring of the registry: nothing may be sealed under it any more.
    #[error("the data key is not in the ring any more")]
    DataKeyRetired,
    /// A ring without this data key was to be stored, but something is still sealed under it.
    #[error("a data key that is still in use cannot be left out of the ring")]
    DataKeyInUse,
    /// A registry of this name is there already, or is still being taken away.
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
    /// The data folder has something in it that cannot be read.
    #[error("the data folder is damaged: {0}")]
    Damaged(String),
    /// The service-managed key is missing: without it neither rows nor content can be read.
    #[error("{} is missing, and the rows and the content of this folder cannot be read without it; bring it back from a copy of the folder", file.display())]
    NoServiceKey {
        /// Where it should be.
        file: PathBuf,
    },
    /// The rows cannot be opened. The words say what repairs them.
    #[error(transparent)]
    Rows(OpenError),
    /// The rows are still being checked after the start: what changes them waits for that.
    #[error("{0}")]
    NotProven(io::Error),
    /// The rows are damaged in a way that still allows to read them.
    #[error("{0}")]
    ReadOnly(io::Error),
    /// Reading or writing failed. If it was a sync that failed, what was being stored may or may not be there.
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
