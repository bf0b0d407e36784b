//! The quarantine: sealed objects that no row names, kept because the rows could be wrong.
//!
//! A repair reads them, restores those that rows name or that it can make a row for, and puts unreadable objects into
//! quarantine.
//!
//! A repair opens such objects with data keys that no row uses, and with the mirrors of registries that have no row. Neither is
//! removed before [`Store::is_whole`].

use super::error::StoreError;
use super::file_id::FileId;
use super::handle::Store;

impl Store {
    /// Whether no row is missing and the quarantine is empty. Otherwise a repair may still need a data key or a
    /// mirror that no row names.
    pub fn is_whole(&self) -> Result<bool, StoreError> {
        // In this order: the sweep fills the quarantine before it removes the record of the loss.
        if !self.database.integrity().are_complete() {
            return Ok(false);
        }
        self.objects.is_quarantine_empty()
    }

    /// The objects in quarantine.
    pub fn quarantined(&self) -> Result<Vec<FileId>, StoreError> {
        self.objects.quarantined()
    }

    /// Makes an object in quarantine a finished object as well. Returns false if there is one with its id.
    pub fn bring_back(&self, id: FileId) -> Result<bool, StoreError> {
        self.objects.bring_back(id)
    }

    /// Keeps a finished object in quarantine as well, where the sweep ignores it.
    pub fn put_into_quarantine(&self, id: FileId) -> Result<(), StoreError> {
        self.objects.put_into_quarantine(id)
    }

    /// Removes an object from quarantine: it is finished and has a row, or is not needed.
    pub fn leave_quarantine(&self, id: FileId) -> Result<(), StoreError> {
        self.objects.leave_quarantine(id)
    }
}
