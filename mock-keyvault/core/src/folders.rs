//! Creates folders, and makes the entries of a folder durable.
//!
//! Called by all code that keeps files. This module knows nothing of the content of the folders.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk_calls as fs;

/// Creates a folder and its missing parents, and syncs each new entry of a parent.
pub fn make_dir_durably(path: &Path) -> io::Result<()> {
    let mut missing: Vec<PathBuf> = Vec::new();
    let mut at = path;
    while !at.exists() {
        missing.push(at.to_owned());
        match at.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => at = parent,
            _ => break,
        }
    }
    for folder in missing.iter().rev() {
        fs::create_dir_all(folder)?;
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
    }
    Ok(())
}

/// Creates a folder that only the owner can read.
pub fn make_private_dir(path: &Path) -> io::Result<()> {
    fs::create_private_dir(path).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot make the folder {}: {error}", path.display()))
    })
}

/// Syncs the entries of a folder, so that a file created or renamed in it is still there after a power cut.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}
