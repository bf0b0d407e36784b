//! Removes the content of a registry: rows and files, in batches.
//!
//! One record of the journal holds 64 MiB, which a registry of 150,000 blobs exceeds. So the caller first makes sure, in a
//! transaction, that nothing new can be stored: it removes or replaces the ring. An interrupted operation is in
//! the intents and empties the registry again. Files are removed first: on a full disk each batch makes room for the next
//! record of the journal. There are no readers meanwhile, because the caller has closed the content of the registry.

use azure_emulator_core::disk_space::Purpose;

use super::encoding::{key, last_part, prefix};
use super::error::StoreError;
use super::file_id::{FileId, InvalidFileId};
use super::handle::Store;
use super::tables::Table;
use crate::names::RegistryName;

/// How many rows are removed in one transaction.
const BATCH: usize = 256;

impl Store {
    /// Removes the content of a registry. The ring and the rows of [`own_rows`] stay. It can be repeated.
    pub(super) fn empty(&self, registry: &RegistryName) -> Result<(), StoreError> {
        while self.remove_files_of(registry)? {}
        for table in content() {
            while self.remove_rows_of(registry, table)? {}
        }
        Ok(())
    }

    /// Whether a registry has no content.
    pub(super) fn is_empty(&self, registry: &RegistryName) -> Result<bool, StoreError> {
        for table in content().chain([Table::Uses]) {
            if self.database.scan(table, &prefix(&[registry])).next().transpose()?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes a batch of rows. Returns false if none was left.
    fn remove_rows_of(&self, registry: &RegistryName, table: Table) -> Result<bool, StoreError> {
        let writer = self.database.writer()?;
        let rows = self.database.scan(table, &prefix(&[registry])).take(BATCH);
        let batch: Vec<Vec<u8>> =
            rows.map(|row| Ok(row?.0.to_vec())).collect::<Result<_, StoreError>>()?;
        writer.transact_for(Purpose::Removal, |view| {
            batch.iter().try_for_each(|key| view.remove(table, key.clone()))
        })?;
        Ok(!batch.is_empty())
    }

    /// Removes a batch of files. Returns false if none was left.
    fn remove_files_of(&self, registry: &RegistryName) -> Result<bool, StoreError> {
        let writer = self.database.writer()?;
        let mut batch: Vec<(Vec<u8>, FileId)> = Vec::new();
        for row in self.database.scan(Table::Uses, &prefix(&[registry])).take(BATCH) {
            let (key, _) = row?;
            batch.push((key.to_vec(), used_file(&key)?));
        }
        writer.transact_for(Purpose::Removal, |view| {
            batch.iter().try_for_each(|(key, file)| {
                view.remove(Table::Files, file.as_bytes().to_vec())?;
                view.remove(Table::Uses, key.clone())
            })
        })?;
        drop(writer);
        // A file is removed after the removal of its row is on the disk.
        self.database.commit()?;
        for (_, file) in &batch {
            self.objects.delete(*file)?;
            self.remove_unfinished(*file)?;
        }
        Ok(!batch.is_empty())
    }
}

/// The content tables whose keys contain the registry. The rows of files were removed before, and the ring is not content.
fn content() -> impl Iterator<Item = Table> {
    let others = |table: &Table| !matches!(table, Table::Uses | Table::RingKeys);
    Table::ALL.into_iter().filter(|table| table.is_content()).filter(others)
}

/// The rows of the content of a registry whose key is its name.
pub(super) fn own_rows(registry: &RegistryName) -> [(Table, Vec<u8>); 2] {
    [Table::Counters, Table::TaskRuns].map(|table| (table, key(&[registry])))
}

/// The file that a key of [`Table::Uses`] names.
fn used_file(key: &[u8]) -> Result<FileId, StoreError> {
    let damaged = |error: InvalidFileId| StoreError::Damaged(error.to_string());
    last_part::<String>(key)?.parse().map_err(damaged)
}
