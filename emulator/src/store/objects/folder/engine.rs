//! The engine of a data folder.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use azure_emulator_core::disk_calls as fs;
use azure_emulator_core::durable::Durability;

use super::reader::FileReader;
use super::writer::{AfterDrop, FileWriter};
use crate::store::disk::{not_found, remove_if_there};
use crate::store::error::StoreError;
use crate::store::file_id::FileId;
use crate::store::layout::Layout;
use crate::store::objects::{
    Continue, LeftBehind, ListFault, ObjectEngine, ObjectReader, ObjectWriter, Presence,
};

/// Objects as files of a data folder.
#[derive(Debug)]
pub(in crate::store) struct FolderObjects {
    pub(super) layout: Layout,
    pub(super) durability: Durability,
    /// Names in `uploads/` that existed at the opening and were not checked yet.
    left_behind: Mutex<Vec<OsString>>,
}

impl FolderObjects {
    /// The objects of a folder that this process has locked. The folders exist.
    pub(in crate::store) fn open(layout: Layout, durability: Durability) -> io::Result<Self> {
        let entries = fs::read_dir(layout.uploads())?;
        let left: io::Result<_> = entries.map(|entry| Ok(entry?.file_name())).collect();
        Ok(Self { layout, durability, left_behind: Mutex::new(left?) })
    }

    pub(super) fn left_behind_path(&self, left: &LeftBehind) -> PathBuf {
        self.layout.uploads().join(&left.name)
    }

    /// The objects of one of the 256 folders.
    fn in_shard(&self, shard: &Path) -> Vec<Result<FileId, ListFault>> {
        let fault = |error| {
            let folder = shard.strip_prefix(self.layout.root()).unwrap_or(shard);
            Err(ListFault { place: format!("folder {}", folder.display()), error })
        };
        // The plain function of the system: `place` names the folder already.
        let entries = match std::fs::read_dir(shard) {
            Ok(entries) => entries,
            Err(error) => return vec![fault(error)],
        };
        let mut found = Vec::new();
        for entry in entries {
            match entry {
                // A name of another form is not ours: it stays.
                Ok(entry) => {
                    let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
                    found.extend(id.map(Ok));
                }
                Err(error) => {
                    // The next entry could fail with the same error for ever.
                    found.push(fault(error));
                    break;
                }
            }
        }
        found
    }
}

impl ObjectEngine for FolderObjects {
    fn create(&self, id: FileId) -> Result<ObjectWriter, StoreError> {
        let path = self.layout.new_file(id);
        FileWriter::create(&self.layout, self.durability, id, &path, AfterDrop::Removed)
    }

    fn continuing(&self) -> Option<&dyn Continue> {
        Some(self)
    }

    fn open(&self, id: FileId) -> Result<ObjectReader, StoreError> {
        FileReader::open(&self.layout.file(id)).map_err(|error| not_found(error, id))
    }

    fn look(&self, id: FileId) -> Result<Presence, StoreError> {
        match std::fs::metadata(self.layout.file(id)) {
            Ok(metadata) if metadata.is_file() => Ok(Presence::Len(metadata.len())),
            Ok(_) => Ok(Presence::NotAnObject),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Presence::Missing),
            Err(error) => Err(error.into()),
        }
    }

    fn delete(&self, id: FileId) -> Result<(), StoreError> {
        let path = self.layout.file(id);
        match remove_if_there(&path) {
            // A damaged file system can show a folder in place of the file. No row names it any more.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(fs::remove_dir(path)?),
            removed => Ok(removed?),
        }
    }

    fn list(&self) -> Box<dyn Iterator<Item = Result<FileId, ListFault>> + '_> {
        Box::new(self.layout.shards().flat_map(|shard| self.in_shard(&shard)))
    }

    fn take_left_behind(&self) -> Vec<LeftBehind> {
        let mut left = self.left_behind.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *left).into_iter().map(|name| LeftBehind { name }).collect()
    }

    fn remove_left_behind(&self, left: &LeftBehind) -> Result<(), StoreError> {
        Ok(remove_if_there(&self.left_behind_path(left))?)
    }
}
