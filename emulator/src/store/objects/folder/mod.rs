//! Objects as files of the data folder.
//!
//! A finished object is a file in `files/ab/`, an unfinished one a file in `uploads/`. An object is synced and renamed when it
//! is finished, unless it is small: then the transaction with its row carries its bytes to the journal, which is synced anyway,
//! and a start after a power cut restores the file (`carried.rs`). A dropped [`Finished`](super::Finished) has its old name
//! again or is removed: no incomplete file ever has a published name.
//!
//! The order is fixed: sync the file, rename it, sync the folder, commit the row.

mod carried;
mod engine;
mod quarantine;
mod reader;
mod unfinished;
mod writer;

#[cfg(test)]
pub(in crate::store) use self::carried::MAX_CARRIED_LEN;
pub(in crate::store) use self::carried::{Restorer, carried_file};
pub(in crate::store) use self::engine::FolderObjects;
