//! Stores rows durably, and can prove that they are complete.
//!
//! [`Rows`] keeps the rows of one service in trees. `flush` of sled 0.34 is not an `fsync`: most of the time it ends in
//! `sync_file_range`, which does not reach the device's cache nor the file's size (spacejam/sled#1452). [`Rows::commit`]
//! therefore syncs by itself. Commits that arrive together share one sync.
//!
//! After a failed sync it is unknown which bytes the kernel has kept, so every later commit is refused. A full disk must not
//! cause this, so a transaction asks [`crate::room::Room`] first.
//! This module knows nothing of vaults and registries, which both use it, nor of the content of the rows.

pub mod attachments;
mod bytes;
mod check;
pub mod checkpoint;
mod checkpoints;
mod disk;
pub mod draft;
mod engine;
pub mod error;
#[cfg(test)]
mod format_tests;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod group;
pub mod head;
mod import;
mod index;
mod journal;
pub mod key;
mod layout;
mod look;
mod make;
pub mod marker;
pub mod merge;
mod notices;
pub mod op;
mod outcome;
pub mod position;
mod proof;
mod quiet;
mod reach;
mod rebuild;
pub mod record;
mod refuser;
pub mod repair;
mod rows;
#[cfg(test)]
mod rows_tests;
pub mod scan;
pub mod segment;
pub mod set_sum;
mod sled_folder;
mod start;
mod start_index;
#[cfg(test)]
mod testing;
mod transaction;
mod verdict;
mod worker;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

pub use check::Check;
pub use import::{EachRow, Migrated, begin_journal, give_up_migration, migrate, old_error};
pub use index::RowBytes;
pub use notices::Listener;
pub use outcome::{Notice, OpenError};
pub use proof::Proof;
pub use refuser::Refuser;
pub use rows::{HeldStill, OpenOptions, Restore, Rows};
pub use sled_folder::SledFolder;
pub use transaction::View;
pub use writer::Writer;

/// How durable a commit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A commit waits for the disk: acknowledged changes survive a power cut.
    #[default]
    Full,
    /// A commit only waits for the operating system: acknowledged changes survive the end of the process. For test suites.
    Relaxed,
}

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
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700).create(path).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot make the folder {}: {error}", path.display()))
    })
}

/// Syncs the entries of a folder, so that a file created or renamed in it is still there after a power cut.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}
