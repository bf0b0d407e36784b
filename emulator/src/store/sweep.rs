//! Files without a row: left by a kill, or the rest of rows that were lost.
//!
//! They stay until the rows are checked. If rows may have been lost, such files move to the quarantine, where
//! `sealyard verify` lists them and `sealyard repair` restores them; otherwise they are removed.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use azure_emulator_core::durable::{Durability, Notice, sync_dir};
use fs_err as fs;

use super::disk::remove_if_there;
use super::encoding::decode;
use super::error::StoreError;
use super::file_id::FileId;
use super::handle::Store;
use super::rows::UploadRow;
use super::tables::Table;

impl Store {
    /// Removes the [`Store::orphans`] and the left-overs of the last process in `uploads/`, or moves both to the quarantine.
    /// Returns the number of orphans. Waits for the check of the rows; does nothing if they are damaged. For the background.
    pub fn sweep_orphans(&self) -> Result<u64, StoreError> {
        let rows = self.database.durable();
        if !rows.wait_for_proof().is_complete() {
            return Ok(0);
        }
        self.finish_uploads()?;
        let is_loss = rows.has_loss()?;
        self.sweep_left_behind()?;
        let orphans = self.orphans()?;
        self.take_away(orphans.iter().map(|id| self.layout.file(*id)).collect())?;
        if is_loss {
            self.sync_quarantine()?;
            self.replace_damaged_mirrors()?;
            // From now on a file without a row was made after the loss.
            rows.loss_is_settled()?;
        }
        Ok(orphans.len() as u64)
    }

    /// Removes the files in `uploads/` that the last process left and that no row names. The rows are checked.
    pub(super) fn sweep_left_behind(&self) -> Result<(), StoreError> {
        let unnamed = self.unnamed_uploads()?;
        self.take_away(unnamed)
    }

    /// Removes files, or moves them to the quarantine if rows may have been lost.
    fn take_away(&self, files: Vec<PathBuf>) -> Result<(), StoreError> {
        if files.is_empty() {
            return Ok(());
        }
        let is_loss = self.database.durable().has_loss()?;
        // The change that left a file without a row may not be durable yet.
        self.database.commit()?;
        let count = files.len();
        for path in files {
            if is_loss { self.move_to_quarantine(&path)? } else { remove_if_there(&path)? }
        }
        if is_loss {
            self.database.durable().note(Notice::Quarantined { files: count });
        }
        Ok(())
    }

    /// The files that the last process left in `uploads/` and that no row names. Each is returned only once.
    fn unnamed_uploads(&self) -> Result<Vec<PathBuf>, StoreError> {
        let left = self.left_behind.lock().map_or_else(
            |poisoned| std::mem::take(&mut *poisoned.into_inner()),
            |mut left| std::mem::take(&mut *left),
        );
        if left.is_empty() {
            return Ok(left);
        }
        let mut known: HashSet<FileId> = HashSet::new();
        for row in self.database.scan(Table::Uploads, &[]) {
            let row: UploadRow = decode(&row?.1)?;
            known.insert(row.file);
        }
        let id = |path: &PathBuf| path.file_name()?.to_str()?.parse::<FileId>().ok();
        let is_unnamed =
            |path: &PathBuf| id(path).is_none_or(|id| !known.contains(&id) && !self.claims.has(id));
        Ok(left.into_iter().filter(is_unnamed).collect())
    }

    fn move_to_quarantine(&self, path: &Path) -> Result<(), StoreError> {
        let quarantine = self.layout.quarantine();
        if !quarantine.try_exists()? {
            fs::create_dir(&quarantine)?;
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(&quarantine, private)?;
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        // A published file keeps its name; an unfinished upload gets another extension.
        if path.parent() == Some(&self.layout.uploads()) && path.extension().is_none() {
            name.push(".upload");
        }
        match fs::rename(path, quarantine.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn sync_quarantine(&self) -> Result<(), StoreError> {
        if self.durability == Durability::Full && self.layout.quarantine().try_exists()? {
            sync_dir(&self.layout.quarantine())?;
            sync_dir(self.layout.root())?;
        }
        Ok(())
    }
}
