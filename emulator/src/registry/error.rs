//! Every error between a request for content and its answer.
//!
//! `oci/domain_errors.rs` and its siblings map these errors to status and code, each in one match without a rest arm.
//! [`Error::Internal`] and [`Error::Damaged`] are logged once, where they are rendered; a client never sees their
//! cause.

use std::io;

use rustix::io::Errno;
use thiserror::Error;

use super::manifest::ManifestError;
use super::object_name::DamagedObject;
use crate::keys::{KeyError, Refusal, RingError};
use crate::names::{
    Digest, DigestError, NameError, Reference, RepositoryName, Tag, TaskRunId, UploadId,
};
use crate::store::{Locked, StoreError};
use sealed_envelope::{OpenError, SealError};

/// Why the registry refuses a request.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The key cannot be used: the registry is dark.
    #[error("{}", .0.message())]
    Refused(Box<Refusal>),
    /// The registry was deleted.
    #[error("the registry is gone")]
    RegistryGone,
    /// A reset was interrupted and has not removed everything yet.
    #[error("{}", describe_reset(why.as_deref()))]
    ResetUnfinished {
        /// Why its last attempt failed.
        why: Option<String>,
    },
    /// A reset or a newer operation has ended the operation before its next step.
    #[error(
        "the operation has not ended, because a reset or a newer operation has replaced it: check the current state, and start it again if you still need it"
    )]
    Replaced,
    /// The repository name is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The repository does not exist.
    #[error("the repository {0} is not known to the registry")]
    RepositoryUnknown(RepositoryName),
    /// The digest is malformed or its algorithm is unsupported.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The content does not have the digest that the client named.
    #[error("the content has the digest {actual}, not {named}")]
    DigestMismatch {
        /// The digest that the client sent.
        named: Digest,
        /// The digest of the content received.
        actual: Digest,
    },
    /// The blob is not in this repository.
    #[error("the blob {0} is not known in this repository")]
    BlobUnknown(Digest),
    /// A manifest refers to the blob.
    #[error("the blob {0} is in use by a manifest of this repository: delete the manifest first")]
    BlobInUse(Digest),
    /// The upload does not exist, was cancelled, finished or has expired.
    #[error("the upload {0} is not known: it was cancelled or finished, or it has expired")]
    UploadUnknown(UploadId),
    /// Another request is writing to the upload.
    #[error("another request is writing to the upload {0}")]
    UploadBusy(UploadId),
    /// A chunk does not begin where the upload ends.
    #[error("the chunk begins at byte {offered}, but the upload stands at byte {expected}")]
    UploadOutOfOrder {
        /// The upload.
        upload: UploadId,
        /// Where the next chunk must begin: the number of bytes received.
        expected: u64,
        /// Where this chunk begins.
        offered: u64,
    },
    /// A chunk is longer or shorter than its `Content-Range` or `Content-Length` says.
    #[error("the chunk has {actual} bytes, but its headers say {named}")]
    ChunkLength {
        /// The length in the headers.
        named: u64,
        /// The number of bytes received. If the chunk is longer, some may not have been.
        actual: u64,
    },
    /// The client disconnected in the middle of a body; the received bytes are kept.
    #[error("the body of the request ended early: {0}")]
    BodyCut(String),
    /// Too many uploads are open, and none was idle long enough to be dropped.
    #[error(
        "cannot begin an upload: {limit} uploads are open, which is the limit, and all of them were used lately; \
         finish or cancel some, or remove them with `gc --now --registry {registry}`"
    )]
    TooManyUploads {
        /// The limit.
        limit: usize,
        /// The registry.
        registry: String,
    },
    /// No manifest has this tag or digest.
    #[error("the manifest {0} is not known in this repository")]
    ManifestUnknown(Reference),
    /// The repository has no such tag.
    #[error("the tag {0} is not known in this repository")]
    TagUnknown(Tag),
    /// A repository, a tag or a manifest is locked against the request.
    #[error("{}", describe_lock(repository, locked))]
    Locked {
        /// The repository.
        repository: RepositoryName,
        /// The locked object.
        locked: Locked,
    },
    /// A registry with a customer-managed key has no list of referrers in strict parity.
    #[error(
        "a registry with a customer-managed key has no referrers API: use the referrers tag schema"
    )]
    NoReferrers,
    /// The manifest is not one.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest is longer than the limit.
    #[error("the manifest is larger than {0} bytes: push its data as blobs and refer to them")]
    ManifestTooLarge(usize),
    /// The manifest refers to blobs or manifests that the repository does not have.
    #[error("the manifest refers to content that is not in this repository: push it first")]
    ReferencesUnknown(Vec<Digest>),
    /// A descriptor's size is not that of its blob.
    #[error("the manifest says that {digest} has {named} bytes, but it has {actual}")]
    SizeMismatch {
        /// The blob.
        digest: Digest,
        /// The size in the manifest.
        named: u64,
        /// The stored size.
        actual: u64,
    },
    /// The disk is full. Nothing was acknowledged; existing content can be read. Docker looks for the first
    /// part of the message and then does not retry.
    #[error("no space left on device: the disk of the registry is full")]
    DiskFull,
    /// The stored rows are still being checked after the start.
    #[error(
        "the registry is still checking its stored rows after a start, and accepts changes only after that: try again"
    )]
    RowsNotProven,
    /// The stored rows are read-only.
    #[error(
        "the stored rows are damaged, so the registry can be read but not changed: the status says how to repair them"
    )]
    RowsReadOnly(#[source] io::Error),
    /// The process has reached the system's limit of open files and connections.
    #[error("too many files are open; try again, or raise the limit of open files")]
    TooManyFiles,
    /// A damaged object cannot be served. It counts as missing until it is pushed again.
    #[error("{0}")]
    DamagedObject(Box<DamagedObject>),
    /// A sealed file does not authenticate.
    #[error("the stored content is damaged")]
    Damaged(#[source] OpenError),
    /// The ring of data keys cannot be opened.
    #[error("the ring of data keys cannot be opened: {0}")]
    Ring(#[from] RingError),
    /// There is no such task run: it was deleted or has expired.
    #[error("the run {0} is not known: it was deleted or has expired")]
    TaskRunUnknown(TaskRunId),
    /// The log of a run is longer than the registry keeps.
    #[error("the log is larger than {0} bytes")]
    LogTooLong(u64),
    /// Names and media types of a manifest are longer than the registry keeps.
    #[error("the media types of the manifest are too long")]
    MetadataTooLong,
    /// Any other failure that the client did not cause.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn describe_reset(why: Option<&str>) -> String {
    let state = "a reset of the emulator was interrupted and has not ended yet";
    match why {
        Some(why) => {
            format!("{state}: it is retried automatically, but the last attempt failed: {why}")
        }
        None => format!("{state}: it continues automatically; try again in a moment"),
    }
}

fn describe_lock(repository: &RepositoryName, locked: &Locked) -> String {
    match locked {
        Locked::Repository => format!("the repository {repository} is locked"),
        Locked::Tag(tag) => format!("the tag {repository}:{tag} is locked"),
        Locked::Manifest(digest) => format!("the manifest {repository}@{digest} is locked"),
    }
}

impl Error {
    pub(super) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Refused(refusal) => Self::Refused(Box::new(refusal)),
            other => Self::internal(other),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull(_) => Self::DiskFull,
            StoreError::NotProven(_) => Self::RowsNotProven,
            StoreError::ReadOnly(error) => Self::RowsReadOnly(error),
            StoreError::RowTooLong { .. } => Self::MetadataTooLong,
            StoreError::Io(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::ReadOnlyFilesystem => Self::RowsReadOnly(error),
            _ if is_too_many_files(&error) => Self::TooManyFiles,
            _ => Self::internal(error),
        }
    }
}

/// Whether the system refused to open one more file.
fn is_too_many_files(error: &io::Error) -> bool {
    matches!(errno_of(error), Some(Errno::MFILE | Errno::NFILE))
}

/// The system's error number. `fs-err` wraps the system's error, so this searches the chain.
pub(super) fn errno_of(error: &io::Error) -> Option<Errno> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        let errno = cause.downcast_ref::<io::Error>().and_then(Errno::from_io_error);
        if errno.is_some() {
            return errno;
        }
        source = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Io(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(error) => error.into(),
            other => Self::Damaged(other),
        }
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ListFault;

    #[test]
    fn the_open_file_limit_is_recognized_in_wrapped_errors() {
        let refused = || io::Error::from(Errno::MFILE);
        let wrapped = io::Error::new(refused().kind(), io::Error::other(refused()));

        assert!(matches!(Error::from(refused()), Error::TooManyFiles));
        assert!(matches!(Error::from(wrapped), Error::TooManyFiles));
        assert!(matches!(Error::from(StoreError::Io(refused())), Error::TooManyFiles));
        assert!(matches!(Error::from(io::Error::other("else")), Error::Internal(_)));
    }

    #[test]
    fn the_error_of_a_folder_that_cannot_be_listed_names_it_and_keeps_the_number() {
        let fault = ListFault { place: "folder files/ab".to_owned(), error: Errno::IO.into() };

        let StoreError::Io(error) = fault.into() else { panic!("another error") };

        assert!(error.to_string().starts_with("cannot list the folder files/ab: "), "{error}");
        assert_eq!(errno_of(&error), Some(Errno::IO));
    }
}
