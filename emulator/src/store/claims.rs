//! Files that are being written: each has a temporary name, and a claim that tells the sweeper that it is about to get a row.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fs_err as fs;

use super::disk::remove_if_there;
use super::file_id::FileId;

/// A file that is being written and is not published yet. Dropping it deletes the file.
#[derive(Debug)]
pub struct NewFile {
    file: fs::File,
    claim: Claim,
    published: bool,
}

/// The files that will be published soon.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(Arc<Mutex<HashSet<FileId>>>);

/// While it lives, the file is not an orphan.
#[derive(Debug)]
pub(super) struct Claim {
    id: FileId,
    claims: Claims,
}

impl NewFile {
    /// A file that was made for the id of the claim.
    pub(super) fn new(file: fs::File, claim: Claim) -> Self {
        Self { file, claim, published: false }
    }

    /// The id that it will have.
    pub fn id(&self) -> FileId {
        self.claim.id
    }

    /// The open file, to be written.
    pub fn file(&mut self) -> &mut fs::File {
        &mut self.file
    }

    pub(super) fn handle(&self) -> &fs::File {
        &self.file
    }

    /// Ends the claim; the file has a row now.
    pub(super) fn published(mut self) {
        self.published = true;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = remove_if_there(self.file.path())
        {
            tracing::warn!(file.id = %self.claim.id, %error, "a temporary file could not be removed");
        }
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

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.lock().remove(&self.id);
    }
}
