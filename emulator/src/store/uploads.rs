//! Unfinished uploads: a row and an object that grows.
//!
//! The row is durable before the client learns of the upload, so that it can be resumed. Its object uses the
//! data key from the beginning. Growth is not recorded durably: after a kill the object itself has the position.
//! `objects/mod.rs` describes uploads in an engine that cannot continue an object.
//! The domain limits the number of uploads and knows which of them are live.

use azure_emulator_core::disk_space::Purpose;

use super::encoding::{decode, key, prefix};
use super::error::StoreError;
use super::file_id::FileId;
use super::handle::Store;
use super::objects::{Continue, ObjectReader, ObjectWriter};
use super::rows::UploadRow;
use super::tables::Table;
use crate::names::{RegistryName, UploadId};

/// The number and the size of unfinished uploads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldByUploads {
    /// How many there are.
    pub uploads: u64,
    /// Bytes of their objects.
    pub bytes: u64,
}

impl Store {
    /// Makes the empty object of an upload, and its row. From then on the data key is in use.
    ///
    /// [`StoreError::DataKeyRetired`] if the data key is not in the ring, [`StoreError::TooManyUploads`] if the registry
    /// has `limit` uploads of any client and any age, [`StoreError::UploadExists`].
    pub fn create_upload(
        &self,
        registry: &RegistryName,
        row: &UploadRow,
        limit: usize,
    ) -> Result<ObjectWriter, StoreError> {
        self.ensure_space()?;
        let writer = match self.objects.continuing() {
            Some(continuing) => continuing.begin(row.file)?,
            None => self.objects.create(row.file)?,
        };
        let inserted = self.database.transact(|view| {
            let key = key(&[registry, &row.id]);
            if view.has(Table::Uploads, &key)? {
                return Err(StoreError::UploadExists);
            }
            // In the transaction, so that concurrent requests cannot exceed the limit.
            let open = view.stats(registry)?.uploads;
            if usize::try_from(open).is_ok_and(|open| open >= limit) {
                return Err(StoreError::TooManyUploads(limit));
            }
            view.own_file(registry, row.file, row.data_key)?;
            view.put(Table::Uploads, key, row)?;
            view.count(registry, |stats| stats.uploads += 1)
        });
        if let Err(error) = inserted {
            writer.abandon()?;
            return Err(error);
        }
        self.database.commit()?;
        Ok(writer)
    }

    /// An upload by its id.
    pub fn upload(
        &self,
        registry: &RegistryName,
        id: UploadId,
    ) -> Result<Option<UploadRow>, StoreError> {
        self.database.row(Table::Uploads, &key(&[registry, &id]))
    }

    /// All uploads of a registry, in the order of their ids.
    pub fn uploads(&self, registry: &RegistryName) -> Result<Vec<UploadRow>, StoreError> {
        let rows = self.database.scan(Table::Uploads, &prefix(&[registry]));
        rows.map(|row| decode(&row?.1)).collect()
    }

    /// Records that the upload grew at `now`. Not durable. Returns false if there is no such upload.
    pub fn touch_upload(
        &self,
        registry: &RegistryName,
        id: UploadId,
        now: i64,
    ) -> Result<bool, StoreError> {
        let at = key(&[registry, &id]);
        let noted = self.database.note(|view| {
            let change = |row: &mut UploadRow| row.touched = row.touched.max(now);
            view.change(Table::Uploads, at.clone(), change)
        })?;
        noted.map_or_else(|| self.database.has(Table::Uploads, &at), Ok)
    }

    /// Opens the object of an upload for reading, as after a restart. [`StoreError::NotFound`] if the upload has ended
    /// since its row was read.
    pub fn read_upload(&self, row: &UploadRow) -> Result<ObjectReader, StoreError> {
        self.continuing(row.file)?.open_unfinished(row.file)
    }

    /// Continues the object of an upload after its first `len` bytes, and cuts off the rest. It has no other writer.
    /// [`StoreError::NotFound`] if the upload has ended since its row was read.
    pub fn resume_upload(&self, row: &UploadRow, len: u64) -> Result<ObjectWriter, StoreError> {
        self.continuing(row.file)?.resume(row.file, len)
    }

    /// The length of the object of an upload; 0 if there is none.
    pub fn upload_len(&self, row: &UploadRow) -> u64 {
        let len = self.continuing(row.file).and_then(|engine| engine.unfinished_len(row.file));
        len.ok().flatten().unwrap_or_default()
    }

    /// Removes the unfinished object of an upload, if there is one.
    pub(super) fn remove_unfinished(&self, id: FileId) -> Result<(), StoreError> {
        self.objects.continuing().map_or(Ok(()), |engine| engine.remove_unfinished(id))
    }

    fn continuing(&self, id: FileId) -> Result<&dyn Continue, StoreError> {
        self.objects.continuing().ok_or(StoreError::CannotContinue(id))
    }

    /// The number of uploads of a registry, and the size of their objects. It looks at each object.
    pub fn held_by_uploads(&self, registry: &RegistryName) -> Result<HeldByUploads, StoreError> {
        let mut held = HeldByUploads::default();
        for row in self.uploads(registry)? {
            held.uploads += 1;
            held.bytes = held.bytes.saturating_add(self.upload_len(&row));
        }
        Ok(held)
    }

    /// Removes an upload and its file. Returns false if there is no such upload. Not durable: after a kill the row may
    /// return without a file, and is removed at the next start.
    pub fn remove_upload(&self, registry: &RegistryName, id: UploadId) -> Result<bool, StoreError> {
        self.remove_upload_if(registry, &id.to_string(), |_| true)
    }

    /// Removes an upload if its current row satisfies the condition. `id` is the id in the row.
    pub(super) fn remove_upload_if(
        &self,
        registry: &RegistryName,
        id: &str,
        should: impl Fn(&UploadRow) -> bool,
    ) -> Result<bool, StoreError> {
        let removed = self.database.transact_for(Purpose::Removal, |view| {
            let key = key(&[registry, &id]);
            let Some(row) = view.row::<UploadRow>(Table::Uploads, &key)?.filter(&should) else {
                return Ok(None);
            };
            view.remove(Table::Uploads, key)?;
            view.disown_file(registry, row.file, row.data_key)?;
            view.count(registry, |stats| stats.uploads = stats.uploads.saturating_sub(1))?;
            Ok(Some(row.file))
        })?;
        let Some(file) = removed else {
            return Ok(false);
        };
        self.remove_unfinished(file)?;
        Ok(true)
    }
}
