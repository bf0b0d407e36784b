//! The mark of small files that a repair has still to read.
//!
//! A damaged journal may have held the only copy of a small file. After the rows are repaired, the journal is sound and says
//! nothing about that any more. So the repair writes this mark before it changes the rows, and removes it when it has read the
//! files. If it is killed in between, or cannot reach the vault, the next repair reads them.

use std::io;
use std::path::{Path, PathBuf};

use azure_emulator_core::disk_calls as fs;
use azure_emulator_core::durable::sync_dir;
use azure_emulator_core::files::{Access, write_whole};

const MARK: &str = "repair.unread-small-files";

fn path(folder: &Path) -> PathBuf {
    folder.join(MARK)
}

/// Whether an earlier repair has not read the small files.
pub(super) fn is_set(folder: &Path) -> io::Result<bool> {
    path(folder).try_exists()
}

/// Sets the mark, durably.
pub(super) fn set(folder: &Path) -> io::Result<()> {
    write_whole(&path(folder), b"", Access::Private)
}

/// Removes the mark, durably.
pub(super) fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_file(path(folder)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_dir(folder),
    }
}
