//! The quarantine: sealed files that no row names, kept because the rows could be wrong.
//!
//! A repair reads them, restores those that rows name or that it can make a row for, and puts unreadable files into
//! quarantine. A file is moved by a hard link, so that a kill leaves it in both places and never in none.
//!
//! A repair opens such files with data keys that no row uses, and with the mirrors of registries that have no row. Neither is
//! removed before [`Store::is_whole`].

use std::io;

use azure_emulator_core::durable::{Durability, sync_dir};
use fs_err as fs;

use super::disk::make_dir;
use super::disk::remove_if_there;
use super::error::StoreError;
use super::file_id::FileId;
use super::handle::Store;

impl Store {
    /// Whether no row is missing and the quarantine is empty. Otherwise a repair may still need a data key or a
    /// mirror that no row names.
    pub fn is_whole(&self) -> Result<bool, StoreError> {
        // In this order: the sweep fills the quarantine before it removes the record of the loss.
        if !self.database.durable().are_complete() {
            return Ok(false);
        }
        match fs::read_dir(self.layout.quarantine()) {
            Ok(mut entries) => Ok(entries.next().transpose()?.is_none()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The files in quarantine.
    pub fn quarantined(&self) -> Result<Vec<FileId>, StoreError> {
        let entries = match fs::read_dir(self.layout.quarantine()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut files = Vec::new();
        for entry in entries {
            // A name of another form belongs to an upload or is not ours.
            if let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
                files.push(id);
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    /// Gives a file in quarantine its published name as well. Returns false if there is a file of that name.
    pub fn bring_back(&self, id: FileId) -> Result<bool, StoreError> {
        let to = self.layout.file(id);
        if to.try_exists()? {
            return Ok(false);
        }
        link_or_copy(&self.layout.quarantined(id), &to)?;
        self.sync_entry(&self.layout.shard(id))?;
        Ok(true)
    }

    /// Keeps a published file in quarantine as well, where the sweep ignores it.
    pub fn put_into_quarantine(&self, id: FileId) -> Result<(), StoreError> {
        if make_dir(&self.layout.quarantine())? {
            make_private(&self.layout.quarantine())?;
            self.sync_entry(self.layout.root())?;
        }
        let to = self.layout.quarantined(id);
        if !to.try_exists()? {
            link_or_copy(&self.layout.file(id), &to)?;
            self.sync_entry(&self.layout.quarantine())?;
        }
        Ok(())
    }

    /// Removes a file from quarantine: it is published.
    pub fn leave_quarantine(&self, id: FileId) -> Result<(), StoreError> {
        Ok(remove_if_there(&self.layout.quarantined(id))?)
    }

    fn sync_entry(&self, folder: &std::path::Path) -> Result<(), StoreError> {
        if self.durability == Durability::Full {
            sync_dir(folder)?;
        }
        Ok(())
    }
}

fn link_or_copy(from: &std::path::Path, to: &std::path::Path) -> Result<(), StoreError> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Some file systems have no links.
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::debug!(%error, "a file cannot be linked and is copied");
            let new = super::layout::Layout::replacement(to);
            remove_if_there(&new)?;
            fs::copy(from, &new)?;
            fs::File::open(&new)?.sync_all()?;
            Ok(fs::rename(&new, to)?)
        }
        linked => Ok(linked?),
    }
}

fn make_private(path: &std::path::Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?)
}
