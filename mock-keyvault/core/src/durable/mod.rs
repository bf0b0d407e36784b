//! Stores rows durably, and can prove that they are complete.
//!
//! [`Rows`] keeps the rows of one service in trees. `flush` of sled 0.34 is not an `fsync`: most of the time it ends in
//! `sync_file_range`, which does not reach the device's cache nor the file's size (spacejam/sled#1452). [`Rows::commit`]
//! therefore syncs by itself. Commits that arrive together share one sync.
//!
//! After a failed sync it is unknown which bytes the kernel has kept, so every later commit is refused. A full disk must not
//! cause this, so a transaction asks [`crate::disk_space::DiskSpace`] first.
//! This module knows nothing of vaults and registries, which both use it, nor of the content of the rows.

pub mod attachments;
mod bytes;
mod changes;
mod check;
pub mod checkpoint;
mod checkpoints;
mod disk;
pub mod draft;
mod durability;
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
mod options;
mod outcome;
pub mod position;
mod proof;
mod prove;
mod quiet;
mod reach;
mod rebuild;
pub mod record;
mod refuser;
mod removal;
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

pub use crate::folders::{make_dir_durably, make_private_dir, sync_dir};

pub use check::Check;
pub use durability::Durability;
pub use import::{EachRow, Migrated, abandon_migration, begin_journal, migrate, old_error};
pub use index::RowBytes;
pub use notices::Listener;
pub use options::{OpenOptions, Restore};
pub use outcome::{Notice, OpenError};
pub use proof::Proof;
pub use refuser::Refuser;
pub use rows::{HeldStill, Rows};
pub use sled_folder::SledFolder;
pub use transaction::View;
pub use writer::Writer;
