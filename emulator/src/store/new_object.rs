//! Objects that are being written and have no row yet. A claim tells the sweeper that an object is about to get one.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::file_id::FileId;
use super::objects::ObjectWriter;

/// An object that is written in one request and has no row yet. Dropping it removes the object.
#[derive(Debug)]
pub struct NewObject {
    // Dropped first: the object is removed before its claim ends.
    writer: ObjectWriter,
    claim: Claim,
}

/// The objects that will get a row soon.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(Arc<Mutex<HashSet<FileId>>>);

/// While it lives, the object is not an orphan.
#[derive(Debug)]
pub(super) struct Claim {
    id: FileId,
    claims: Claims,
}

impl NewObject {
    /// An object that was made for the id of the claim.
    pub(super) fn new(writer: ObjectWriter, claim: Claim) -> Self {
        Self { writer, claim }
    }

    /// The id of the object.
    pub fn id(&self) -> FileId {
        self.claim.id
    }

    /// The writer, and the claim: it must live until the object has a row.
    pub(super) fn into_parts(self) -> (Claim, ObjectWriter) {
        (self.claim, self.writer)
    }
}

impl Write for NewObject {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Claims {
    pub(super) fn claim(&self, id: FileId) -> Claim {
        self.lock().insert(id);
        Claim { id, claims: self.clone() }
    }

    pub(super) fn has(&self, id: FileId) -> bool {
        self.lock().contains(&id)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<FileId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// The id of the claimed object.
    pub(super) fn id(&self) -> FileId {
        self.id
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.lock().remove(&self.id);
    }
}
