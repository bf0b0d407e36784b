//! Reading and writing rows: the trees of sled, one writer at a time, and transactions over all trees.
//!
//! sled's transactions exclude each other anyhow (0.34 has one lock for the process) and can only read single rows.
//! A [`Writer`] takes a lock of our own around them, so that what it scanned before its transaction is still true in
//! it. The closure of a transaction must not scan: sled would wait for itself. A transaction is in memory until
//! [`Database::commit`]; that is called without the lock, so that commits share one sync.

use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mock_keyvault::durable::{Durability, DurableDb};
use mock_keyvault::room::Room;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sled::transaction::{
    ConflictableTransactionError, TransactionError, TransactionalTree, UnabortableTransactionError,
};
use sled::{IVec, Transactional, Tree};

use super::error::StoreError;
use super::layout::Table;
use super::rows::{FileId, FileRow, decode, encode, key, last_part, limited, prefix};
use super::stats::Stats;

/// The rows of all registries.
#[derive(Debug)]
pub(super) struct Database {
    trees: Vec<Tree>,
    db: DurableDb,
    writing: Mutex<()>,
}

/// The right to write. While it lives, no row changes but by it.
pub(super) struct Writer<'a> {
    database: &'a Database,
    _lock: MutexGuard<'a, ()>,
}

/// The rows as a transaction sees them.
pub(super) struct View<'a>(&'a [TransactionalTree]);

impl Database {
    pub(super) fn open(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let db = DurableDb::open(path, durability)?;
        let trees =
            Table::ALL.iter().map(|table| db.tree(table.name())).collect::<Result<_, _>>()?;
        Ok(Self { trees, db, writing: Mutex::default() })
    }

    /// Returns when every transaction that ended before the call is durable.
    pub(super) fn commit(&self) -> Result<(), StoreError> {
        Ok(self.db.commit()?)
    }

    /// The device that the database is on.
    pub(super) fn room(&self) -> &Room {
        self.db.room()
    }

    /// Waits for the right to write.
    pub(super) fn writer(&self) -> Writer<'_> {
        // The lock guards no value: a panic of its holder leaves nothing half done, since sled aborts.
        let lock = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        Writer { database: self, _lock: lock }
    }

    /// One transaction, with nothing scanned before it.
    pub(super) fn transact<A>(
        &self,
        body: impl Fn(&View<'_>) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        self.writer().transact(body)
    }

    pub(super) fn row<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        self.bytes(table, key)?.map(|bytes| decode(&bytes)).transpose()
    }

    pub(super) fn bytes(&self, table: Table, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        Ok(self.tree(table).get(key)?)
    }

    pub(super) fn has(&self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.tree(table).contains_key(key)?)
    }

    /// The rows whose keys begin with `prefix`, in order.
    pub(super) fn scan(
        &self,
        table: Table,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(IVec, IVec), StoreError>> + use<> {
        self.tree(table).scan_prefix(prefix).map(|row| Ok(row?))
    }

    /// The rows whose keys begin with `prefix` and come after `prefix` and `after`, in order.
    pub(super) fn scan_after(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&str>,
    ) -> impl Iterator<Item = Result<(IVec, IVec), StoreError>> + use<> {
        let mut from = prefix.to_vec();
        from.extend_from_slice(after.unwrap_or_default().as_bytes());
        // A prefix ends in a zero byte, so that the keys with another prefix begin at the one that ends in 1.
        let mut to = prefix.to_vec();
        if let Some(last) = to.last_mut() {
            *last += 1;
        }
        self.tree(table)
            .range::<Vec<u8>, _>((Bound::Excluded(from), Bound::Excluded(to)))
            .map(|row| Ok(row?))
    }

    /// The last parts of the keys that begin with these parts, in order.
    pub(super) fn last_parts(
        &self,
        table: Table,
        parts: &[&str],
    ) -> impl Iterator<Item = Result<String, StoreError>> + use<> {
        self.scan(table, &prefix(parts)).map(|row| last_part(&row?.0))
    }

    fn tree(&self, table: Table) -> &Tree {
        &self.trees[table as usize]
    }
}

impl Writer<'_> {
    /// Applies what `body` does in one piece, or nothing of it if `body` fails. Not durable before a commit.
    /// [`StoreError::DiskFull`] while sled still has the room that it needs.
    pub(super) fn transact<A>(
        &self,
        body: impl Fn(&View<'_>) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        self.database.room().for_rows()?;
        self.database
            .trees
            .as_slice()
            .transaction(|trees: &Vec<TransactionalTree>| {
                body(&View(trees)).map_err(ConflictableTransactionError::Abort)
            })
            .map_err(|error| match error {
                TransactionError::Abort(error) => error,
                TransactionError::Storage(error) => error.into(),
            })
    }
}

impl View<'_> {
    pub(super) fn row<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        self.tree(table).get(key).map_err(storage)?.map(|bytes| decode(&bytes)).transpose()
    }

    pub(super) fn has(&self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.tree(table).get(key).map_err(storage)?.is_some())
    }

    pub(super) fn put<T: Serialize>(
        &self,
        table: Table,
        key: Vec<u8>,
        row: &T,
    ) -> Result<(), StoreError> {
        self.put_bytes(table, key, encode(row)?)
    }

    /// Changes a row. False: there is none.
    pub(super) fn change<T: Serialize + DeserializeOwned>(
        &self,
        table: Table,
        key: Vec<u8>,
        change: impl Fn(&mut T),
    ) -> Result<bool, StoreError> {
        let Some(mut row) = self.row::<T>(table, &key)? else { return Ok(false) };
        change(&mut row);
        self.put(table, key, &row)?;
        Ok(true)
    }

    pub(super) fn put_bytes(
        &self,
        table: Table,
        key: Vec<u8>,
        value: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.tree(table).insert(key, limited(value)?).map_err(storage)?;
        Ok(())
    }

    pub(super) fn remove(&self, table: Table, key: Vec<u8>) -> Result<(), StoreError> {
        self.tree(table).remove(key).map_err(storage)?;
        Ok(())
    }

    /// The counters of a registry.
    pub(super) fn stats(&self, registry: &str) -> Result<Stats, StoreError> {
        Ok(self.row(Table::Counters, &key(&[registry]))?.unwrap_or_default())
    }

    /// Changes the counters of a registry.
    pub(super) fn count(
        &self,
        registry: &str,
        change: impl Fn(&mut Stats),
    ) -> Result<(), StoreError> {
        let mut stats = self.stats(registry)?;
        change(&mut stats);
        self.put(Table::Counters, key(&[registry]), &stats)
    }

    /// Notes that a file is sealed under a data key, which must be in the ring.
    pub(super) fn own_file(
        &self,
        registry: &str,
        file: FileId,
        data_key: [u8; 16],
    ) -> Result<(), StoreError> {
        self.require_data_key(registry, data_key)?;
        let row = FileRow { registry: registry.to_owned(), data_key };
        self.put(Table::Files, file.as_bytes().to_vec(), &row)?;
        self.put_bytes(Table::Uses, use_key(registry, file, data_key), Vec::new())
    }

    /// Notes that a file is not ours any more. It is unlinked after the commit.
    pub(super) fn disown_file(
        &self,
        registry: &str,
        file: FileId,
        data_key: [u8; 16],
    ) -> Result<(), StoreError> {
        self.remove(Table::Files, file.as_bytes().to_vec())?;
        self.remove(Table::Uses, use_key(registry, file, data_key))
    }

    /// Refuses a data key that is not in the ring of the registry.
    pub(super) fn require_data_key(
        &self,
        registry: &str,
        data_key: [u8; 16],
    ) -> Result<(), StoreError> {
        if !self.has(Table::RingKeys, &key(&[registry, &hex::encode(data_key)]))? {
            return Err(StoreError::DataKeyRetired);
        }
        Ok(())
    }

    fn tree(&self, table: Table) -> &TransactionalTree {
        &self.0[table as usize]
    }
}

fn use_key(registry: &str, file: FileId, data_key: [u8; 16]) -> Vec<u8> {
    key(&[registry, &hex::encode(data_key), &file.to_string()])
}

/// sled 0.34 has no conflicts between transactions: they wait for each other.
fn storage(error: UnabortableTransactionError) -> StoreError {
    match error {
        UnabortableTransactionError::Storage(error) => error.into(),
        conflict @ UnabortableTransactionError::Conflict => {
            StoreError::Io(std::io::Error::other(conflict.to_string()))
        }
    }
}
