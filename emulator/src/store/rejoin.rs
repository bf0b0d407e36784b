//! Uploads whose row and object the last process separated: a start joins them again, or removes the row.

use std::sync::{MutexGuard, PoisonError};

use super::encoding::{decode, nth_part, registry_or_skip};
use super::error::StoreError;
use super::handle::Store;
use super::rows::UploadRow;
use super::tables::Table;
use crate::names::RegistryName;

impl Store {
    /// Rejoins the rows of uploads and their files that the last process separated. The rows are checked.
    pub(super) fn finish_uploads(&self) -> Result<(), StoreError> {
        match self.finish_those_without_file() {
            // On a full disk the left-overs wait for another start, because the content must stay readable.
            Err(StoreError::DiskFull(error)) => {
                tracing::warn!(%error, "the left-overs of unfinished work stay until the disk has room");
                Ok(())
            }
            finished => finished,
        }
    }

    fn finish_those_without_file(&self) -> Result<(), StoreError> {
        let left = std::mem::take(&mut *self.lock_without_file());
        if left.is_empty() {
            return Ok(());
        }
        let Some(continuing) = self.objects.continuing() else { return Ok(()) };
        // An upload of this process has no unfinished object for a moment while it is published: it is not among those.
        let found = self.uploads_without_file()?;
        for (registry, row) in found.into_iter().filter(|one| left.contains(one)) {
            // Killed between the end of the object and its row. The client got no answer, so it can still finish.
            if !continuing.unfinish(row.file)? {
                self.remove_upload_if(&registry, &row.id, |_| true)?;
            }
        }
        Ok(())
    }

    pub(super) fn lock_without_file(&self) -> MutexGuard<'_, Vec<(RegistryName, UploadRow)>> {
        self.without_file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn uploads_without_file(
        &self,
    ) -> Result<Vec<(RegistryName, UploadRow)>, StoreError> {
        let mut found = Vec::new();
        let Some(continuing) = self.objects.continuing() else { return Ok(found) };
        for entry in self.database.scan(Table::Uploads, &[]) {
            let (key, bytes) = entry?;
            let registry = registry_or_skip(Table::Uploads, nth_part(&key, 0));
            let Some(registry) = registry else { continue };
            let row: UploadRow = decode(&bytes)?;
            if continuing.unfinished_len(row.file)?.is_none() {
                found.push((registry, row));
            }
        }
        Ok(found)
    }
}
