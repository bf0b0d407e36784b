//! The rows that a vault stores on disk, each below 4 KiB. Only this module knows their form.
//!
//! `layout` has the trees and the form of row keys, `load` reads all rows at a start, and the rows of vaults and of keys each have
//! a file. Called by [`crate::vault`] on blocking threads. Every write returns when it is durable. All rows of one change, with
//! the sealed private parts, are one transaction. No row holds a host or a port.
//! A write for which the disk has too little space is refused before any of it is done.

mod error;
mod folder;
mod handle;
mod keys;
mod layout;
mod load;
pub(crate) mod repair;
mod row;
mod vaults;

pub use error::StoreError;
pub(crate) use handle::Store;
pub(crate) use layout::AUTHORIZATION;
pub(crate) use load::LoadedVault;
pub(crate) use row::{KeyRow, PublicRow, RestoredVersion, VersionAt, VersionRow};
