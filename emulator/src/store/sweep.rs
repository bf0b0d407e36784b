//! Objects without a row: left by a kill, or the rest of rows that were lost.
//!
//! They stay until the rows are checked. If rows may have been lost, such objects move to the quarantine, where
//! `sealyard verify` lists them and `sealyard repair` restores them; otherwise they are removed.

use std::collections::HashSet;

use azure_emulator_core::durable::Notice;

use super::encoding::decode;
use super::error::StoreError;
use super::file_id::FileId;
use super::handle::Store;
use super::objects::{LeftBehind, Unnamed};
use super::rows::UploadRow;
use super::tables::Table;

impl Store {
    /// Removes the [`Store::orphans`] and the unfinished objects of the last process, or moves both to the quarantine.
    /// Returns the number of orphans. Waits for the check of the rows; does nothing if they are damaged. For the background.
    pub fn sweep_orphans(&self) -> Result<u64, StoreError> {
        let rows = self.database.integrity();
        if !rows.wait_for_proof() {
            return Ok(0);
        }
        self.finish_uploads()?;
        let is_loss = rows.has_loss()?;
        self.sweep_left_behind()?;
        let orphans = self.orphans()?;
        self.remove_unnamed(orphans.iter().copied().map(Unnamed::Object).collect())?;
        if is_loss {
            self.objects.sync_quarantine()?;
            self.replace_damaged_mirrors()?;
            // From now on an object without a row was made after the loss.
            rows.clear_loss()?;
        }
        Ok(orphans.len() as u64)
    }

    /// Removes the unfinished objects that the last process left and that no row names. The rows are checked.
    pub(super) fn sweep_left_behind(&self) -> Result<(), StoreError> {
        let unnamed = self.unnamed_uploads()?;
        self.remove_unnamed(unnamed.into_iter().map(Unnamed::LeftBehind).collect())
    }

    /// Removes objects, or moves them to the quarantine if rows may have been lost.
    fn remove_unnamed(&self, objects: Vec<Unnamed>) -> Result<(), StoreError> {
        if objects.is_empty() {
            return Ok(());
        }
        let is_loss = self.database.integrity().has_loss()?;
        // The change that left an object without a row may not be durable yet.
        self.database.commit()?;
        let count = objects.len();
        for object in objects {
            match &object {
                object if is_loss => self.objects.quarantine(object)?,
                Unnamed::Object(id) => self.objects.delete(*id)?,
                Unnamed::LeftBehind(left) => self.objects.remove_left_behind(left)?,
            }
        }
        if is_loss {
            self.database.integrity().note(Notice::Quarantined { files: count });
        }
        Ok(())
    }

    /// The unfinished objects that the last process left and that no row names. Each is returned only once.
    fn unnamed_uploads(&self) -> Result<Vec<LeftBehind>, StoreError> {
        let left = self.objects.take_left_behind();
        if left.is_empty() {
            return Ok(left);
        }
        let mut known: HashSet<FileId> = HashSet::new();
        for row in self.database.scan(Table::Uploads, &[]) {
            let row: UploadRow = decode(&row?.1)?;
            known.insert(row.file);
        }
        let is_unnamed = |left: &LeftBehind| {
            left.id().is_none_or(|id| !known.contains(&id) && !self.claims.has(id))
        };
        Ok(left.into_iter().filter(is_unnamed).collect())
    }
}
