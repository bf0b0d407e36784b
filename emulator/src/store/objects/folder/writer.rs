//! Writes a file, and gives it its published name.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use azure_emulator_core::disk_calls as fs;
use azure_emulator_core::durable::{Durability, sync_dir};

use super::carried;
use crate::store::disk::{create_private, not_found, remove_if_there};
use crate::store::error::StoreError;
use crate::store::file_id::FileId;
use crate::store::layout::Layout;
use crate::store::objects::writer::WriteObject;
use crate::store::objects::{EarlySync, Finished, ObjectWriter};

/// The state of a file after its writer was dropped, or after no row named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterDrop {
    /// It is removed.
    Removed,
    /// It is unfinished and has its temporary name.
    Unfinished,
    /// It is as it was: the file is published or removed, and dropping the writer does nothing.
    Nothing,
}

/// A file under its temporary name.
pub(super) struct FileWriter {
    id: FileId,
    file: fs::File,
    /// Its temporary name.
    from: PathBuf,
    /// Its published name.
    to: PathBuf,
    /// The folder of its published name.
    shard: PathBuf,
    durability: Durability,
    after_drop: AfterDrop,
    /// Whether a sync has failed. Then it is unknown which bytes the disk has, and a later sync may succeed nevertheless: the
    /// system reports such an error only once to all handles of an open file. So the file is removed, and not continued.
    sync_failed: Arc<AtomicBool>,
}

impl FileWriter {
    /// Makes an empty file. Fails if there is one, also under the published name.
    pub(super) fn create(
        layout: &Layout,
        durability: Durability,
        id: FileId,
        from: &Path,
        after_drop: AfterDrop,
    ) -> Result<ObjectWriter, StoreError> {
        if layout.file(id).try_exists()? {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
        }
        let file = create_private(from)?;
        Ok(Self::for_file(layout, durability, id, file, after_drop))
    }

    /// The writer of an open file under its temporary name.
    pub(super) fn for_file(
        layout: &Layout,
        durability: Durability,
        id: FileId,
        file: fs::File,
        after_drop: AfterDrop,
    ) -> ObjectWriter {
        let from = file.path().to_owned();
        let (to, shard) = (layout.file(id), layout.shard(id));
        let sync_failed = Arc::default();
        ObjectWriter::new(Self { id, file, from, to, shard, durability, after_drop, sync_failed })
    }

    /// Waits until the content is on the disk. Fails also if an early sync has failed.
    fn sync(&self) -> io::Result<()> {
        self.file.sync_data().inspect_err(|_| self.sync_failed.store(true, Ordering::Relaxed))?;
        if self.sync_failed.load(Ordering::Relaxed) {
            let words = "the disk reported an error while the content was written: send it again";
            return Err(io::Error::other(words));
        }
        Ok(())
    }

    /// Undoes the rename.
    fn undo(from: &Path, to: &Path, after_drop: AfterDrop) {
        match after_drop {
            AfterDrop::Unfinished => {
                if let Err(error) = fs::rename(to, from) {
                    tracing::warn!(%error, "could not restore the old name of a file that was not published");
                }
            }
            AfterDrop::Removed => {
                if let Err(error) = remove_if_there(to) {
                    tracing::warn!(%error, "could not remove a file that was not published; `gc` tries again");
                }
            }
            AfterDrop::Nothing => {}
        }
    }
}

impl WriteObject for FileWriter {
    fn early_sync(&self) -> io::Result<Option<EarlySync>> {
        let file = self.file.try_clone()?;
        let failed = Arc::clone(&self.sync_failed);
        Ok(Some(EarlySync::new(move || {
            if let Err(error) = file.sync_data() {
                tracing::warn!(%error, "cannot sync the content of an upload, which is refused");
                failed.store(true, Ordering::Relaxed);
            }
        })))
    }

    /// A large file is synced first, and its folder afterwards.
    fn finish(mut self: Box<Self>) -> Result<Finished, StoreError> {
        let carried = carried::content(&self.file)?;
        let syncs = self.durability == Durability::Full && carried.is_none();
        if syncs {
            self.sync()?;
        }
        fs::rename(&self.from, &self.to).map_err(|error| not_found(error, self.id))?;
        // From here on, only the returned value undoes the rename.
        let after_drop = std::mem::replace(&mut self.after_drop, AfterDrop::Nothing);
        let (from, to) = (self.from.clone(), self.to.clone());
        let finished = Finished::new(self.id, carried, move || Self::undo(&from, &to, after_drop));
        // The folder that the file left is not synced: if its old name returns after a power cut, it is swept.
        if syncs {
            sync_dir(&self.shard)?;
        }
        Ok(finished)
    }

    fn abandon(mut self: Box<Self>) -> Result<(), StoreError> {
        self.after_drop = AfterDrop::Nothing;
        Ok(remove_if_there(&self.from)?)
    }
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        let is_removed = match self.after_drop {
            AfterDrop::Removed => true,
            AfterDrop::Unfinished => self.sync_failed.load(Ordering::Relaxed),
            AfterDrop::Nothing => false,
        };
        if is_removed && let Err(error) = remove_if_there(&self.from) {
            tracing::warn!(file.id = %self.id, %error, "a temporary file could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::make_folders;

    /// Finishes a large file whose folder cannot be synced. Returns whether it has its temporary name, and its published one.
    fn after_failed_sync(after_drop: AfterDrop) -> (bool, bool) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        make_folders(&layout, Durability::Full).unwrap();
        let id = FileId::random();
        let (from, to) = (layout.upload(id), layout.file(id));
        let mut file = create_private(&from).unwrap();
        file.write_all(&vec![7; 100_000]).unwrap();
        let writer = FileWriter {
            id,
            file,
            from: from.clone(),
            to: to.clone(),
            shard: folder.path().join("missing"),
            durability: Durability::Full,
            after_drop,
            sync_failed: Arc::default(),
        };

        assert!(Box::new(writer).finish().is_err());

        (from.exists(), to.exists())
    }

    #[test]
    fn a_failed_sync_of_the_folder_removes_a_new_file_and_restores_the_name_of_an_upload() {
        assert_eq!(after_failed_sync(AfterDrop::Removed), (false, false));
        assert_eq!(after_failed_sync(AfterDrop::Unfinished), (true, false));
    }
}
