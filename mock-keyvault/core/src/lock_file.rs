//! The lock of a data folder: a file that only one process at a time can lock.
//!
//! Called by both services before they read any other file of their folder.

use std::io::{self, Read, Seek, Write};
use std::path::Path;

use crate::disk_calls as fs;

/// The held lock. Dropping it releases the lock at once.
#[derive(Debug)]
pub struct LockFile(fs::File);

/// Why a lock could not be acquired.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds the lock: the process with this id, if the file names it.
    Held(Option<u32>),
    /// The file cannot be created or locked.
    Io(io::Error),
}

impl LockFile {
    /// Acquires the lock, and creates a missing file with access only for the owner. Does not wait.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(LockError::Io)?;
        match file.file().try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut id = String::new();
                let id = file.read_to_string(&mut id).ok().and_then(|_| id.trim().parse().ok());
                Err(LockError::Held(id))
            }
            Err(std::fs::TryLockError::Error(error)) => Err(LockError::Io(error)),
        }
    }

    /// Writes the id of this process into the file, for the error message of a process that tries to lock it later.
    pub fn name_this_process(&mut self) -> io::Result<()> {
        // The new id reuses the block of the old one, so that this works on a full disk.
        self.0.rewind()?;
        writeln!(self.0, "{:<10}", std::process::id())
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Closing the file is not enough: between `fork` and `exec`, a child process has it open too.
        if let Err(error) = self.0.file().unlock() {
            tracing::warn!(%error, file = %self.0.path().display(), "cannot release the lock; it stays until the file is closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_names_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let mut held = LockFile::acquire(&path).unwrap();
        held.name_this_process().unwrap();

        let refused = LockFile::acquire(&path).unwrap_err();

        assert!(
            matches!(refused, LockError::Held(Some(id)) if id == std::process::id()),
            "{refused:?}"
        );
    }

    #[test]
    fn a_released_lock_is_free_even_if_a_child_process_has_the_file_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = LockFile::acquire(&path).unwrap();
        let of_child = held.0.file().try_clone().unwrap();

        drop(held);

        LockFile::acquire(&path).unwrap();
        drop(of_child);
    }
}
