//! Unfinished uploads: a row and a file that grows.
//!
//! The row is durable before the client learns of the upload, so that it can be resumed. Its file uses the
//! data key from the beginning. Growth is not recorded durably: after a kill the file itself has the position.
//! The domain limits the number of uploads and knows which of them are live.

use azure_emulator_core::disk_space::Purpose;
use fs_err as fs;

use super::disk::{create_private, not_found, remove_if_there};
use super::encoding::{decode, key, prefix};
use super::error::StoreError;
use super::handle::Store;
use super::rows::UploadRow;
use super::tables::Table;

/// The number and the size of unfinished uploads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldByUploads {
    /// How many there are.
    pub uploads: u64,
    /// Bytes of their files on the disk.
    pub bytes: u64,
}

impl Store {
    /// Makes the empty file of an upload, for reading and writing, and its row. From then on the data key is in use.
    ///
    /// [`StoreError::DataKeyRetired`] if the data key is not in the ring, [`StoreError::TooManyUploads`] if the registry
    /// has `limit` uploads of any client and any age, [`StoreError::UploadExists`].
    pub fn create_upload(
        &self,
        registry: &str,
        row: &UploadRow,
        limit: usize,
    ) -> Result<fs::File, StoreError> {
        self.ensure_space()?;
        let path = self.layout.upload(row.file);
        let file = create_private(&path)?;
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
            remove_if_there(&path)?;
            return Err(error);
        }
        self.database.commit()?;
        Ok(file)
    }

    /// An upload by its id.
    pub fn upload(&self, registry: &str, id: &str) -> Result<Option<UploadRow>, StoreError> {
        self.database.row(Table::Uploads, &key(&[registry, id]))
    }

    /// All uploads of a registry, in the order of their ids.
    pub fn uploads(&self, registry: &str) -> Result<Vec<UploadRow>, StoreError> {
        let rows = self.database.scan(Table::Uploads, &prefix(&[registry]));
        rows.map(|row| decode(&row?.1)).collect()
    }

    /// Records that the upload grew at `now`. Not durable. Returns false if there is no such upload.
    pub fn touch_upload(&self, registry: &str, id: &str, now: i64) -> Result<bool, StoreError> {
        let at = key(&[registry, id]);
        let noted = self.database.note(|view| {
            let change = |row: &mut UploadRow| row.touched = row.touched.max(now);
            view.change(Table::Uploads, at.clone(), change)
        })?;
        noted.map_or_else(|| self.database.has(Table::Uploads, &at), Ok)
    }

    /// Opens the file of an upload again, for reading and writing, as after a restart. [`StoreError::NotFound`] if it has
    /// ended since its row was read.
    pub fn open_upload(&self, row: &UploadRow) -> Result<fs::File, StoreError> {
        fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.layout.upload(row.file))
            .map_err(|error| not_found(error, row.file))
    }

    /// The length of the file of an upload; 0 if there is none.
    pub fn upload_file_len(&self, row: &UploadRow) -> u64 {
        fs::metadata(self.layout.upload(row.file)).map_or(0, |file| file.len())
    }

    /// The number of uploads of a registry, and the size of their files. It looks at each file.
    pub fn held_by_uploads(&self, registry: &str) -> Result<HeldByUploads, StoreError> {
        let mut held = HeldByUploads::default();
        for row in self.uploads(registry)? {
            held.uploads += 1;
            held.bytes = held.bytes.saturating_add(self.upload_file_len(&row));
        }
        Ok(held)
    }

    /// Removes an upload and its file. Returns false if there is no such upload. Not durable: after a kill the row may
    /// return without a file, and is removed at the next start.
    pub fn remove_upload(&self, registry: &str, id: &str) -> Result<bool, StoreError> {
        self.forget_upload(registry, id, |_| true)
    }

    /// Removes an upload if its current row satisfies the condition.
    pub(super) fn forget_upload(
        &self,
        registry: &str,
        id: &str,
        should: impl Fn(&UploadRow) -> bool,
    ) -> Result<bool, StoreError> {
        let removed = self.database.transact_for(Purpose::Removal, |view| {
            let key = key(&[registry, id]);
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
        remove_if_there(&self.layout.upload(file))?;
        Ok(true)
    }
}
