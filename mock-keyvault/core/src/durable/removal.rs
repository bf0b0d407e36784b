//! Removes files and folders that may be missing.

use std::io;
use std::path::Path;

use crate::disk_calls as fs;

/// Removes a folder, if it exists.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes a file, if it exists.
pub(super) fn remove_file(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A damaged file system can show a folder instead of the file.
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::remove_dir_all(file),
        removed => removed,
    }
}
