//! The trait of an engine of rows.

use std::fmt;
use std::io;
use std::ops::Bound;

use azure_emulator_core::disk_space::Purpose;
use azure_emulator_core::durable::RowBytes;

use super::integrity::RowIntegrity;
use crate::store::error::StoreError;

/// Rows with their keys, in the order of the keys.
pub(in crate::store) type ScannedRows =
    Box<dyn Iterator<Item = io::Result<(RowBytes, RowBytes)>> + Send>;

/// While it lives, no row changes.
pub(in crate::store) type Still<'a> = Box<dyn fmt::Debug + 'a>;

/// The body of a transaction. It may be called more than once, and only its last call counts.
pub(in crate::store) type Body<'a> = dyn FnMut(&dyn RowView) -> Result<(), StoreError> + 'a;

/// An engine of rows. A tree is named by its number, a row by its key in the tree. All methods block.
pub(in crate::store) trait RowEngine:
    RowIntegrity + fmt::Debug + Send + Sync
{
    /// The value of a row.
    fn get(&self, tree: u8, key: &[u8]) -> io::Result<Option<RowBytes>>;

    /// Whether there is such a row.
    fn has(&self, tree: u8, key: &[u8]) -> io::Result<bool>;

    /// The rows whose keys begin with `prefix`. Concurrent changes may or may not be included.
    fn scan(&self, tree: u8, prefix: &[u8]) -> ScannedRows;

    /// The rows between two keys. Concurrent changes may or may not be included.
    fn range(&self, tree: u8, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> ScannedRows;

    /// Applies all changes of `body`, or none of them if `body` fails. The rows that `body` read are unchanged when its changes
    /// apply; otherwise the engine runs it again. Not durable before [`RowEngine::commit`].
    ///
    /// [`StoreError::DiskFull`] if too little room is left: on a full disk a removal uses the reserve.
    fn transact(&self, purpose: Purpose, body: &mut Body<'_>) -> Result<(), StoreError>;

    /// Waits until there is no writer. No row changes while the returned value lives, so that several reads agree.
    fn hold_still(&self) -> Still<'_>;

    /// Waits for the exclusive right to write.
    fn writer(&self) -> Result<Box<dyn RowWriter + '_>, StoreError>;

    /// Returns when every transaction that ended before the call is durable. Call it without the right to write, so that
    /// commits share one sync.
    fn commit(&self) -> io::Result<()>;
}

/// The exclusive right to write. While it lives, rows change only through it.
pub(in crate::store) trait RowWriter {
    /// See [`RowEngine::transact`].
    fn transact(&self, purpose: Purpose, body: &mut Body<'_>) -> Result<(), StoreError>;
}

/// The rows as a transaction sees them, with its own changes.
pub(in crate::store) trait RowView {
    /// The value of a row.
    fn get(&self, tree: u8, key: &[u8]) -> io::Result<Option<RowBytes>>;

    /// Whether there is such a row.
    fn has(&self, tree: u8, key: &[u8]) -> io::Result<bool>;

    /// Writes a row, and replaces an existing one.
    fn put(&self, tree: u8, key: Vec<u8>, value: Vec<u8>);

    /// Removes a row, if it exists.
    fn remove(&self, tree: u8, key: Vec<u8>);

    /// Keeps the content of an object as durably as the rows, until its own engine has made it durable.
    fn attach(&self, name: String, content: Vec<u8>);
}
