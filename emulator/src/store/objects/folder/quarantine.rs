//! The quarantine of a data folder: files in `quarantine/`.
//!
//! A file is put there or brought back by a hard link, so that a kill leaves it in both places and never in none.

use std::io;
use std::path::Path;

use azure_emulator_core::disk_calls as fs;
use azure_emulator_core::durable::{Durability, sync_dir};

use super::engine::FolderObjects;
use crate::store::disk::{make_dir, remove_if_there};
use crate::store::error::StoreError;
use crate::store::file_id::FileId;
use crate::store::layout::Layout;
use crate::store::objects::{Quarantine, Unnamed};

impl Quarantine for FolderObjects {
    fn quarantine(&self, object: &Unnamed) -> Result<(), StoreError> {
        let quarantine = self.layout.quarantine();
        if !quarantine.try_exists()? {
            fs::create_dir(&quarantine)?;
            make_private(&quarantine)?;
        }
        // A published file keeps its name; an unfinished upload gets another extension.
        let (path, name) = match object {
            Unnamed::Object(id) => (self.layout.file(*id), id.to_string().into()),
            Unnamed::LeftBehind(left) => {
                let path = self.left_behind_path(left);
                let mut name = left.name.clone();
                if path.extension().is_none() {
                    name.push(".upload");
                }
                (path, name)
            }
        };
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

    fn put_into_quarantine(&self, id: FileId) -> Result<(), StoreError> {
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

    fn bring_back(&self, id: FileId) -> Result<bool, StoreError> {
        let to = self.layout.file(id);
        if to.try_exists()? {
            return Ok(false);
        }
        link_or_copy(&self.layout.quarantined(id), &to)?;
        self.sync_entry(&self.layout.shard(id))?;
        Ok(true)
    }

    fn leave_quarantine(&self, id: FileId) -> Result<(), StoreError> {
        Ok(remove_if_there(&self.layout.quarantined(id))?)
    }

    fn quarantined(&self) -> Result<Vec<FileId>, StoreError> {
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

    fn is_quarantine_empty(&self) -> Result<bool, StoreError> {
        match fs::read_dir(self.layout.quarantine()) {
            Ok(mut entries) => Ok(entries.next().transpose()?.is_none()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

impl FolderObjects {
    fn sync_entry(&self, folder: &Path) -> Result<(), StoreError> {
        if self.durability == Durability::Full {
            sync_dir(folder)?;
        }
        Ok(())
    }
}

fn link_or_copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Some file systems have no links.
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::debug!(%error, "a file cannot be linked and is copied");
            let new = Layout::replacement(to);
            remove_if_there(&new)?;
            fs::copy(from, &new)?;
            fs::File::open(&new)?.sync_all()?;
            Ok(fs::rename(&new, to)?)
        }
        linked => Ok(linked?),
    }
}

fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?)
}
