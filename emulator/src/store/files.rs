//! The life of a file in the data folder: from its temporary name to its publication and removal.
//!
//! A file is written under a temporary name ([`NewFile`], or the file of an upload), then synced and renamed
//! ([`Placed`]), then a transaction names it in a row and it is kept. A small file is not synced: its content goes into
//! the journal with that transaction, which is synced anyway, and a start after a power cut restores the file
//! (`carried.rs`). A file that is dropped in an earlier state moves to its old name or is deleted: no incomplete file ever
//! has a published name. A claim (`claims.rs`) tells the sweeper that a file without a row is about to get one.
//!
//! The caller seals the content of files.

use std::io;
use std::path::PathBuf;

use azure_emulator_core::disk_space::Purpose;
use azure_emulator_core::durable::{Durability, sync_dir};
use fs_err as fs;

use super::carried;
use super::claims::NewFile;
use super::database::View;
use super::disk::{create_private, not_found, remove_if_there};
use super::error::StoreError;
use super::file_id::FileId;
use super::handle::Store;
use super::tables::Table;

/// A file under its published name that no row names yet. It is synced, unless it is small. Dropping it restores its old name.
#[must_use = "dropping it restores the old name; keep it once a row names it"]
pub(super) struct Placed {
    id: FileId,
    /// The content of a small file, which goes into the journal.
    carried: Option<Vec<u8>>,
    from: PathBuf,
    to: PathBuf,
    kept: bool,
}

impl Store {
    /// Makes a file to seal a manifest into, in the file system of the published files.
    pub fn new_file(&self) -> Result<NewFile, StoreError> {
        self.ensure_space()?;
        let id = FileId::random();
        let claim = self.claims.claim(id);
        let file = create_private(&self.layout.new_file(id))?;
        Ok(NewFile::new(file, claim))
    }

    /// Opens a published file for reading. An open file can be read even after it was deleted.
    ///
    /// [`StoreError::NotFound`] if it has been deleted since its row was read: read the row again.
    ///
    /// It returns the plain file type of the system for its errors: `fs-err` hides their numbers, and the caller must tell
    /// a fault of the disk from a limit of the process.
    pub fn open_file(&self, id: FileId) -> Result<std::fs::File, StoreError> {
        std::fs::File::open(self.layout.file(id)).map_err(|error| not_found(error, id))
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

    /// Gives a file its published name. A large file is synced first, and its folder afterwards. The transaction that names the
    /// file in a row must call [`Placed::attach`].
    pub(super) fn place(
        &self,
        id: FileId,
        file: &fs::File,
        from: PathBuf,
    ) -> Result<Placed, StoreError> {
        let carried = carried::content(file)?;
        let syncs = self.durability == Durability::Full && carried.is_none();
        if syncs {
            file.sync_data()?;
        }
        let to = self.layout.file(id);
        fs::rename(&from, &to).map_err(|error| not_found(error, id))?;
        let placed = Placed { id, carried, from, to, kept: false };
        // The folder that the file left is not synced: if its old name returns after a power cut, it is swept.
        if syncs {
            sync_dir(&self.layout.shard(id))?;
        }
        Ok(placed)
    }

    /// Whether a failed transaction may be in the journal nevertheless: then its changes exist after the next start,
    /// and the files that they name must stay.
    pub(super) fn is_outcome_unknown(&self) -> bool {
        self.database.durable().check_writable().is_err()
    }

    /// Unlinks a published file, after the removal of its row was committed.
    pub(super) fn unlink(&self, id: FileId) -> Result<(), StoreError> {
        let path = self.layout.file(id);
        match remove_if_there(&path) {
            // A damaged file system can show a folder in place of the file. No row names it any more.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(fs::remove_dir(path)?),
            unlinked => Ok(unlinked?),
        }
    }

    /// Unlinks a file that another one has replaced. A failure is only logged: the replacement is committed, and the old
    /// file is an orphan.
    pub(super) fn unlink_replaced(&self, id: FileId) {
        if let Err(error) = self.unlink(id) {
            tracing::warn!(file.id = %id, %error, "could not remove a file that was replaced; `gc` tries again");
        }
    }
}

impl Placed {
    /// Stores the content of a small file in the journal with the transaction that names it in a row.
    pub(super) fn attach(&self, view: &View<'_>) {
        if let Some(content) = &self.carried {
            view.attach(self.id, content.clone());
        }
    }

    /// Keeps the file: a row names it.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::rename(&self.to, &self.from)
        {
            tracing::warn!(%error, "could not restore the old name of a file that was not published");
        }
    }
}
