//! Reads and writes rows: tables and encoded rows over the trees of a [`RowEngine`].
//!
//! The body of a transaction may run more than once: `row_engine/mod.rs` says what follows. A [`Writer`] has the exclusive right
//! to write: what it read before its transaction is still true in the transaction. A transaction is in memory until
//! [`Database::commit`]; call that without the right, so that commits share one sync.

use std::fmt::Display;
use std::ops::Bound;
use std::str::FromStr;
use std::sync::Arc;

use azure_emulator_core::disk_space::Purpose;
use azure_emulator_core::durable::{OpenOptions, RowBytes, Rows};
use serde::de::DeserializeOwned;

use super::encoding::{decode, last_part, prefix};
use super::error::StoreError;
use super::row_engine::{Body, JournalRows, RowEngine, RowIntegrity, RowWriter, Still};
use super::tables::Table;
use super::view::View;

/// The rows of all registries.
#[derive(Debug)]
pub(super) struct Database {
    engine: Box<dyn RowEngine>,
    /// The rows of the data folder, for tests that simulate their faults.
    #[cfg(any(test, feature = "internals"))]
    journal: Arc<Rows>,
}

/// The right to write. While it lives, only it can change rows.
pub(super) struct Writer<'a>(Box<dyn RowWriter + 'a>);

impl Database {
    pub(super) fn open(options: &OpenOptions<'_>) -> Result<Self, StoreError> {
        let journal = Arc::new(Rows::open(options)?);
        let engine = JournalRows::new(Arc::clone(&journal));
        #[cfg(test)]
        let engine = super::row_engine::Retrying(engine);
        Ok(Self {
            engine: Box::new(engine),
            #[cfg(any(test, feature = "internals"))]
            journal,
        })
    }

    /// Whether the rows are right and complete.
    pub(super) fn integrity(&self) -> &dyn RowIntegrity {
        &*self.engine
    }

    /// The rows of the data folder, for tests that simulate their faults.
    #[cfg(any(test, feature = "internals"))]
    pub(super) fn journal(&self) -> &Rows {
        &self.journal
    }

    /// The engine, for its tests.
    #[cfg(test)]
    pub(super) fn engine(&self) -> &dyn RowEngine {
        &*self.engine
    }

    /// Writes a record of use, if that is possible at once. The record is dropped while the rows are not checked.
    pub(super) fn note<A>(
        &self,
        body: impl Fn(&View<'_>) -> Result<A, StoreError>,
    ) -> Result<Option<A>, StoreError> {
        if !self.engine.is_proven() {
            return Ok(None);
        }
        self.transact(body).map(Some)
    }

    /// Returns when every transaction that ended before the call is durable.
    pub(super) fn commit(&self) -> Result<(), StoreError> {
        Ok(self.engine.commit()?)
    }

    /// Waits for the right to write. [`StoreError::NotProven`] if the check of the rows takes too long.
    pub(super) fn writer(&self) -> Result<Writer<'_>, StoreError> {
        Ok(Writer(self.engine.writer()?))
    }

    /// Waits until there is no writer. All reads are consistent while the returned guard lives.
    pub(super) fn hold_still(&self) -> Still<'_> {
        self.engine.hold_still()
    }

    /// Runs one transaction that needs no earlier reads.
    pub(super) fn transact<A>(
        &self,
        body: impl Fn(&View<'_>) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        self.transact_for(Purpose::Rows, body)
    }

    /// The same for another purpose: if the disk is full, a removal uses the reserve.
    pub(super) fn transact_for<A>(
        &self,
        purpose: Purpose,
        body: impl Fn(&View<'_>) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        answered(|run| self.engine.transact(purpose, run), body)
    }

    pub(super) fn row<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        self.bytes(table, key)?.map(|bytes| decode(&bytes)).transpose()
    }

    pub(super) fn bytes(&self, table: Table, key: &[u8]) -> Result<Option<RowBytes>, StoreError> {
        Ok(self.engine.get(table as u8, key)?)
    }

    pub(super) fn has(&self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.engine.has(table as u8, key)?)
    }

    /// The rows whose keys begin with `prefix`, in order.
    pub(super) fn scan(
        &self,
        table: Table,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(RowBytes, RowBytes), StoreError>> + use<> {
        self.engine.scan(table as u8, prefix).map(|row| Ok(row?))
    }

    /// The rows whose keys begin with `prefix` and come after `prefix` and `after`, in order.
    pub(super) fn scan_after(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&str>,
    ) -> impl Iterator<Item = Result<(RowBytes, RowBytes), StoreError>> + use<> {
        let mut from = prefix.to_vec();
        from.extend_from_slice(after.unwrap_or_default().as_bytes());
        // A prefix ends in a zero byte, so that the keys with another prefix begin after the key that ends in 1.
        let mut to = prefix.to_vec();
        if let Some(last) = to.last_mut() {
            *last += 1;
        }
        self.engine
            .range(table as u8, Bound::Excluded(from), Bound::Excluded(to))
            .map(|row| Ok(row?))
    }

    /// The last parts of the keys that begin with these parts, in order, as texts or as names.
    pub(super) fn last_parts<T: FromStr + Display>(
        &self,
        table: Table,
        parts: &[&dyn Display],
    ) -> impl Iterator<Item = Result<T, StoreError>> + use<T> {
        self.scan(table, &prefix(parts)).map(|row| last_part(&row?.0))
    }
}

impl Writer<'_> {
    /// Applies all changes of `body`, or none of them if `body` fails. Not durable before a commit.
    /// [`StoreError::DiskFull`] if too little room is left: then nothing was changed.
    pub(super) fn transact<A>(
        &self,
        body: impl Fn(&View<'_>) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        self.transact_for(Purpose::Rows, body)
    }

    /// The same for another purpose: if the disk is full, a removal uses the reserve.
    pub(super) fn transact_for<A>(
        &self,
        purpose: Purpose,
        body: impl Fn(&View<'_>) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        answered(|run| self.0.transact(purpose, run), body)
    }
}

/// Runs a transaction, and returns the answer of the last run of its body.
fn answered<A>(
    transact: impl FnOnce(&mut Body<'_>) -> Result<(), StoreError>,
    body: impl Fn(&View<'_>) -> Result<A, StoreError>,
) -> Result<A, StoreError> {
    let mut answer = None;
    transact(&mut |view| {
        answer = Some(body(&View::new(view))?);
        Ok(())
    })?;
    Ok(answer.expect("a transaction that succeeds has run its body"))
}
