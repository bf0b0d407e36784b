//! The rows as a transaction sees them, with the records that a change of rows updates: counters and the uses of data keys.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::encoding::{damage_key, decode, encode, key, limited};
use super::error::StoreError;
use super::file_id::FileId;
use super::objects::Finished;
use super::row_engine::RowView;
use super::rows::{FileRow, Stats};
use super::tables::Table;
use crate::names::RegistryName;

/// The rows as a transaction sees them.
pub(super) struct View<'a>(&'a dyn RowView);

impl<'a> View<'a> {
    pub(super) fn new(rows: &'a dyn RowView) -> Self {
        Self(rows)
    }

    pub(super) fn row<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        self.0.get(table as u8, key)?.map(|bytes| decode(&bytes)).transpose()
    }

    pub(super) fn has(&self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.0.has(table as u8, key)?)
    }

    pub(super) fn put<T: Serialize>(
        &self,
        table: Table,
        key: Vec<u8>,
        row: &T,
    ) -> Result<(), StoreError> {
        self.put_bytes(table, key, encode(row)?)
    }

    /// Changes a row. Returns false if there is none.
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
        self.0.put(table as u8, key, limited(value)?);
        Ok(())
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "callers chain it with `put`, which can refuse a row"
    )]
    pub(super) fn remove(&self, table: Table, key: Vec<u8>) -> Result<(), StoreError> {
        self.0.remove(table as u8, key);
        Ok(())
    }

    /// Stores the bytes of an object that its engine does not keep durably, until it has done that. A transaction that
    /// names a finished object in a row must call it.
    pub(super) fn attach(&self, object: &Finished) {
        if let Some(content) = object.carried() {
            self.0.attach(object.id().to_string(), content.to_vec());
        }
    }

    /// The counters of a registry.
    pub(super) fn stats(&self, registry: &RegistryName) -> Result<Stats, StoreError> {
        Ok(self.row(Table::Counters, &key(&[registry]))?.unwrap_or_default())
    }

    /// Changes the counters of a registry.
    pub(super) fn count(
        &self,
        registry: &RegistryName,
        change: impl Fn(&mut Stats),
    ) -> Result<(), StoreError> {
        let mut stats = self.stats(registry)?;
        change(&mut stats);
        self.put(Table::Counters, key(&[registry]), &stats)
    }

    /// Records that a file is sealed under a data key, which must be in the ring.
    pub(super) fn own_file(
        &self,
        registry: &RegistryName,
        file: FileId,
        data_key: [u8; 16],
    ) -> Result<(), StoreError> {
        self.require_data_key(registry, data_key)?;
        let row = FileRow { registry: registry.to_string(), data_key };
        self.put(Table::Files, file.as_bytes().to_vec(), &row)?;
        self.put_bytes(Table::Uses, use_key(registry, file, data_key), Vec::new())
    }

    /// Removes the record of a file and its mark of damage. The file is unlinked after the commit.
    pub(super) fn disown_file(
        &self,
        registry: &RegistryName,
        file: FileId,
        data_key: [u8; 16],
    ) -> Result<(), StoreError> {
        self.remove(Table::Files, file.as_bytes().to_vec())?;
        let damage = damage_key(registry, file);
        if self.has(Table::Damages, &damage)? {
            self.remove(Table::Damages, damage)?;
        }
        self.remove(Table::Uses, use_key(registry, file, data_key))
    }

    /// Fails if a data key is not in the ring of the registry.
    pub(super) fn require_data_key(
        &self,
        registry: &RegistryName,
        data_key: [u8; 16],
    ) -> Result<(), StoreError> {
        if !self.has(Table::RingKeys, &key(&[registry, &hex::encode(data_key)]))? {
            return Err(StoreError::DataKeyRetired);
        }
        Ok(())
    }
}

fn use_key(registry: &RegistryName, file: FileId, data_key: [u8; 16]) -> Vec<u8> {
    key(&[registry, &hex::encode(data_key), &file])
}
