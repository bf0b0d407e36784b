//! The life of an object without its row: making, opening and deleting it, and the space for it.
//!
//! An object is finished, then a transaction names it in a row, then it is kept: `objects/mod.rs` describes these steps. A
//! claim (`new_object.rs`) tells the sweeper that an object without a row is about to get one.
//!
//! The caller seals the content of objects.

use azure_emulator_core::disk_space::Purpose;

use super::error::StoreError;
use super::file_id::FileId;
use super::handle::Store;
use super::new_object::NewObject;
use super::objects::ObjectReader;
use super::tables::Table;

impl Store {
    /// Makes an object to seal a manifest or a log into, in one request.
    pub fn new_object(&self) -> Result<NewObject, StoreError> {
        self.ensure_space()?;
        let id = FileId::random();
        let claim = self.claims.claim(id);
        Ok(NewObject::new(self.objects.create(id)?, claim))
    }

    /// Opens a finished object for reading. An open object can be read even after it was deleted.
    ///
    /// [`StoreError::NotFound`] if it has been deleted since its row was read: read the row again. Errors of the system
    /// keep their numbers: the caller must tell a fault of the disk from a limit of the process.
    pub fn open_object(&self, id: FileId) -> Result<ObjectReader, StoreError> {
        self.objects.open(id)
    }

    /// Whether a row names this file. If so and the file is missing, it is lost; otherwise it was deleted.
    pub fn owns_file(&self, id: FileId) -> Result<bool, StoreError> {
        self.database.has(Table::Files, id.as_bytes())
    }

    /// Fails with [`StoreError::DiskFull`] if so little room is left that the database itself could run out of it. Code
    /// that writes much must call it now and then: sled does not recover from a full disk, the registry must.
    pub fn ensure_space(&self) -> Result<(), StoreError> {
        Ok(self.disk_space.spend(0, Purpose::Content)?)
    }

    /// Whether a failed transaction may be in the journal nevertheless: then its changes exist after the next start,
    /// and the objects that they name must stay.
    pub fn is_outcome_unknown(&self) -> bool {
        self.database.integrity().check_writable().is_err()
    }

    /// Deletes an object that another one has replaced. A failure is only logged: the replacement is committed, and the old
    /// object is an orphan.
    pub(super) fn delete_replaced(&self, id: FileId) {
        if let Err(error) = self.objects.delete(id) {
            tracing::warn!(file.id = %id, %error, "could not remove a file that was replaced; `gc` tries again");
        }
    }
}
