//! The trait of an engine, and its optional part.

use std::fmt;

use super::{ObjectReader, ObjectWriter};
use crate::store::error::StoreError;
use crate::store::file_id::FileId;

/// An engine for sealed objects. All methods block.
///
/// Errors: a missing object is [`StoreError::NotFound`], a full device [`StoreError::DiskFull`]. Any other error of the system
/// keeps its number, itself or in its chain of causes. Callers search the chain for it, because they must tell a fault of the
/// disk from a limit of the process: only the first marks an object as damaged.
pub(in crate::store) trait ObjectEngine:
    Quarantine + fmt::Debug + Send + Sync
{
    /// Makes an object with one writer, for this request. Dropping the writer abandons the object. Fails if
    /// there is one with this id.
    fn create(&self, id: FileId) -> Result<ObjectWriter, StoreError>;

    /// The ability to continue an unfinished object in a later request. `None`: an upload is a list of finished
    /// objects, one or more for each request.
    fn continuing(&self) -> Option<&dyn Continue>;

    /// Opens a finished object. An open object can be read even after it was deleted.
    fn open(&self, id: FileId) -> Result<ObjectReader, StoreError>;

    /// Whether there is a finished object, and its length, without opening it.
    fn look(&self, id: FileId) -> Result<Presence, StoreError>;

    /// Deletes a finished object. Succeeds if there is none.
    fn delete(&self, id: FileId) -> Result<(), StoreError>;

    /// The ids of all finished objects, in any order. Concurrent changes may or may not be included. A part that cannot be
    /// listed is an error, and the listing goes on after it.
    fn list(&self) -> Box<dyn Iterator<Item = Result<FileId, ListFault>> + '_>;

    /// The unfinished objects that existed when the engine was opened. Each is returned only once.
    fn take_left_behind(&self) -> Vec<LeftBehind>;

    /// Removes an unfinished object that an earlier process left. Succeeds if there is none.
    fn remove_left_behind(&self, left: &LeftBehind) -> Result<(), StoreError>;
}

/// Continues unfinished objects in later requests, also after a restart. An upload is then a list of one object.
///
/// Growth is not durable: the length of the unfinished object is the only record of it.
pub(in crate::store) trait Continue {
    /// Makes an unfinished object with one writer. Dropping the writer leaves the object. Fails if
    /// there is one with this id, finished or not.
    fn begin(&self, id: FileId) -> Result<ObjectWriter, StoreError>;

    /// Opens an unfinished object for reading, even while it has a writer. [`StoreError::NotFound`] if there is none.
    fn open_unfinished(&self, id: FileId) -> Result<ObjectReader, StoreError>;

    /// Cuts an unfinished object off after `len` bytes, and continues it there. It has no other writer.
    /// [`StoreError::NotFound`] if there is none.
    fn resume(&self, id: FileId, len: u64) -> Result<ObjectWriter, StoreError>;

    /// The length of an unfinished object, if there is one.
    fn unfinished_len(&self, id: FileId) -> Result<Option<u64>, StoreError>;

    /// Removes an unfinished object. Succeeds if there is none.
    fn remove_unfinished(&self, id: FileId) -> Result<(), StoreError>;

    /// Makes a finished object unfinished again: a kill came between its end and its row. Returns false if there is none.
    fn unfinish(&self, id: FileId) -> Result<bool, StoreError>;
}

/// Keeps objects that no row names while rows may be lost, so that a repair can read them. [`ObjectEngine`] does not find an
/// object that is only in quarantine.
pub(in crate::store) trait Quarantine {
    /// Moves an object or what an earlier process left to the quarantine. Succeeds if there is none.
    fn quarantine(&self, object: &Unnamed) -> Result<(), StoreError>;

    /// Makes all earlier moves durable.
    fn sync_quarantine(&self) -> Result<(), StoreError>;

    /// Keeps a finished object in quarantine as well. Durable.
    fn put_into_quarantine(&self, id: FileId) -> Result<(), StoreError>;

    /// Makes an object in quarantine a finished object as well. Durable. Returns false if there is one with its id.
    fn bring_back(&self, id: FileId) -> Result<bool, StoreError>;

    /// Removes an object from the quarantine. Succeeds if there is none.
    fn leave_quarantine(&self, id: FileId) -> Result<(), StoreError>;

    /// The finished objects in quarantine, in order.
    fn quarantined(&self) -> Result<Vec<FileId>, StoreError>;

    /// Whether nothing is in quarantine.
    fn is_quarantine_empty(&self) -> Result<bool, StoreError>;
}

/// Whether there is a finished object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Presence {
    /// There is one, of this length in bytes.
    Len(u64),
    /// There is something else in its place, as in a damaged file system.
    NotAnObject,
    /// There is none.
    Missing,
}

/// A part of an engine that cannot be listed completely.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the {place}: {error}")]
pub struct ListFault {
    /// The name of the part.
    pub place: String,
    /// The error.
    #[source]
    pub error: std::io::Error,
}

/// The chain keeps the number of the error.
impl From<ListFault> for StoreError {
    fn from(fault: ListFault) -> Self {
        std::io::Error::new(fault.error.kind(), fault).into()
    }
}

/// An unfinished object that an earlier process left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct LeftBehind {
    /// Its name in the engine.
    pub(super) name: std::ffi::OsString,
}

/// An object that no row names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Unnamed {
    /// A finished one.
    Object(FileId),
    /// An unfinished one.
    LeftBehind(LeftBehind),
}

impl LeftBehind {
    /// The id of the object, if its writer would have left it for a later request.
    pub(in crate::store) fn id(&self) -> Option<FileId> {
        self.name.to_str()?.parse().ok()
    }
}
