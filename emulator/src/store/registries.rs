//! The registries of the data folder: what each is beside its content, and how one comes and goes as a whole.
//!
//! A registry is one row, one row for each tag and one for each assigned identity: together they can be larger than sled
//! keeps durably in one. They are written in one transaction, the first time with the ring of data keys, so that a kill
//! leaves a whole registry or none.
//!
//! A registry goes in two steps. One transaction takes its row and its ring, and notes that it is leaving: from then on
//! nothing can be stored in it, since no data key of it is known any more. Then its rows and files go, batch by batch;
//! after a kill the rest goes at the next opening. Until the note is gone its name is not free.
//!
//! What the fields mean, and which values are right, is the domain's to know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::database::View;
use super::error::StoreError;
use super::files::remove_if_there;
use super::layout::Table;
use super::open::Store;
use super::ring::write_ring;
use super::rows::{FileId, InvalidFileId, RingRow, decode, key, last_part, prefix};

/// How many rows go in one transaction.
const BATCH: usize = 256;

/// What a registry is beside its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRecord {
    /// Its name.
    pub name: String,
    /// All that is short.
    pub row: RegistryRow,
    /// Its tags, as Azure knows them: names and values.
    pub tags: BTreeMap<String, String>,
    /// The user-assigned identities that it has, by resource id in lower case.
    pub identities: BTreeMap<String, AssignedRow>,
}

/// The row of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryRow {
    /// When it was made: seconds since 1970, emulator time.
    pub created: i64,
    /// The price class.
    pub sku: String,
    /// The place.
    pub location: String,
    /// The resource group.
    pub group: String,
    /// The customer-managed key that it was made with, opaque to the store. Which one it has now, the ring tells.
    pub key: Option<serde_json::Value>,
    /// Its system-assigned identity.
    pub system_identity: Option<PrincipalRow>,
    /// Whether content trust is on.
    pub content_trust: bool,
    /// Whether anybody may use its content.
    pub anonymous: bool,
    /// Whether it lacks what a real one lacks.
    pub strict: bool,
    /// The port that it had last.
    pub port: Option<u16>,
}

/// An identity, as tokens and permissions know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrincipalRow {
    /// Whom tokens name.
    pub client_id: String,
    /// What permissions go by.
    pub principal_id: String,
}

/// A user-assigned identity of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignedRow {
    /// The resource, as it was written.
    pub resource_id: String,
    /// Who it is.
    #[serde(flatten)]
    pub principal: PrincipalRow,
}

impl Store {
    /// All registries, in the order of their names.
    pub fn registries(&self) -> Result<Vec<RegistryRecord>, StoreError> {
        let rows = self.database.scan(Table::Registries, &[]);
        rows.map(|row| {
            let (key, bytes) = row?;
            self.record(last_part(&key)?, decode(&bytes)?)
        })
        .collect()
    }

    /// A registry by its name.
    pub fn registry(&self, name: &str) -> Result<Option<RegistryRecord>, StoreError> {
        let row = self.database.row(Table::Registries, &key(&[name]))?;
        row.map(|row| self.record(name.to_owned(), row)).transpose()
    }

    /// Stores a new registry with its first ring, both or neither. Durable on return.
    ///
    /// With no ring, the one that is there already is the registry's. [`StoreError::RegistryExists`] if there is one of
    /// this name, or one is leaving still.
    pub fn create_registry(
        &self,
        record: &RegistryRecord,
        ring: Option<&RingRow>,
    ) -> Result<(), StoreError> {
        let name = record.name.as_str();
        self.database.transact(|view| {
            let at = key(&[name]);
            let taken = view.has(Table::Registries, &at)?
                || view.has(Table::Leaving, &at)?
                || (ring.is_some() && view.has(Table::Rings, &at)?);
            if taken {
                return Err(StoreError::RegistryExists);
            }
            if let Some(ring) = ring {
                write_ring(view, name, ring, &[])?;
            }
            write_record(view, record)
        })?;
        self.database.commit()
    }

    /// Replaces what a registry is. Durable on return. False: there is none of this name, and nothing was done.
    pub fn replace_registry(&self, record: &RegistryRecord) -> Result<bool, StoreError> {
        let name = record.name.as_str();
        let writer = self.database.writer();
        if !self.database.has(Table::Registries, &key(&[name]))? {
            return Ok(false);
        }
        let old = self.side_rows(name)?;
        writer.transact(|view| {
            old.iter().try_for_each(|(table, key)| view.remove(*table, key.clone()))?;
            write_record(view, record)
        })?;
        drop(writer);
        self.database.commit()?;
        Ok(true)
    }

    /// Takes a registry away with everything in it. False: there is none of this name.
    ///
    /// When the first of its steps is durable it is gone for good; this returns when its files are, too.
    pub fn delete_registry(&self, name: &str) -> Result<bool, StoreError> {
        let was_there = self.begin_leaving(name)?;
        if was_there {
            self.finish_leaving(name)?;
        }
        Ok(was_there)
    }

    /// The first step: the registry is known no more, and nothing can be stored in it.
    pub(super) fn begin_leaving(&self, name: &str) -> Result<bool, StoreError> {
        let writer = self.database.writer();
        if !self.database.has(Table::Registries, &key(&[name]))? {
            return Ok(false);
        }
        let mut gone = self.side_rows(name)?;
        for row in self.database.scan(Table::RingKeys, &prefix(&[name])) {
            gone.push((Table::RingKeys, row?.0.to_vec()));
        }
        gone.push((Table::Rings, key(&[name])));
        gone.push((Table::Registries, key(&[name])));
        writer.transact(|view| {
            gone.iter().try_for_each(|(table, key)| view.remove(*table, key.clone()))?;
            view.put_bytes(Table::Leaving, key(&[name]), Vec::new())
        })?;
        drop(writer);
        self.database.commit()?;
        Ok(true)
    }

    /// Goes on with the registries whose going was cut short. To be called once, at the opening of the folder.
    pub(super) fn finish_all_leaving(&self) -> Result<(), StoreError> {
        let leaving: Vec<String> = self
            .database
            .scan(Table::Leaving, &[])
            .map(|row| last_part(&row?.0))
            .collect::<Result<_, _>>()?;
        leaving.iter().try_for_each(|name| self.finish_leaving(name))
    }

    fn finish_leaving(&self, name: &str) -> Result<(), StoreError> {
        while self.remove_files_of(name)? {}
        for table in Table::ALL.into_iter().filter(|table| table.is_content()) {
            while self.remove_rows_of(name, table)? {}
        }
        self.database.transact(|view| {
            own_rows(name).into_iter().try_for_each(|(table, at)| view.remove(table, at))?;
            view.remove(Table::Leaving, key(&[name]))
        })?;
        self.database.commit()
    }

    /// Takes a batch of files away. False: there was none left.
    fn remove_files_of(&self, name: &str) -> Result<bool, StoreError> {
        let writer = self.database.writer();
        let mut batch: Vec<(Vec<u8>, FileId)> = Vec::new();
        for row in self.database.scan(Table::Uses, &prefix(&[name])).take(BATCH) {
            let (key, _) = row?;
            batch.push((key.to_vec(), used_file(&key)?));
        }
        writer.transact(|view| {
            batch.iter().try_for_each(|(key, file)| {
                view.remove(Table::Files, file.as_bytes().to_vec())?;
                view.remove(Table::Uses, key.clone())
            })
        })?;
        drop(writer);
        self.database.commit()?;
        self.unlink_all(batch.iter().map(|(_, file)| *file))?;
        Ok(!batch.is_empty())
    }

    /// Takes a batch of rows away. False: there was none left.
    fn remove_rows_of(&self, name: &str, table: Table) -> Result<bool, StoreError> {
        let writer = self.database.writer();
        let rows = self.database.scan(table, &prefix(&[name])).take(BATCH);
        let batch: Vec<Vec<u8>> =
            rows.map(|row| Ok(row?.0.to_vec())).collect::<Result<_, StoreError>>()?;
        writer.transact(|view| batch.iter().try_for_each(|key| view.remove(table, key.clone())))?;
        Ok(!batch.is_empty())
    }

    /// Unlinks files of a registry, published ones and those of uploads. Their rows are gone, and that is committed.
    pub(super) fn unlink_all(
        &self,
        files: impl IntoIterator<Item = FileId>,
    ) -> Result<(), StoreError> {
        files.into_iter().try_for_each(|file| {
            self.unlink(file)?;
            remove_if_there(&self.layout.upload(file))
        })
    }

    fn record(&self, name: String, row: RegistryRow) -> Result<RegistryRecord, StoreError> {
        let mut record =
            RegistryRecord { row, tags: BTreeMap::new(), identities: BTreeMap::new(), name };
        let at = prefix(&[&record.name]);
        for row in self.database.scan(Table::RegistryTags, &at) {
            let (key, bytes) = row?;
            record.tags.insert(last_part(&key)?, decode(&bytes)?);
        }
        for row in self.database.scan(Table::RegistryIdentities, &at) {
            let (key, bytes) = row?;
            record.identities.insert(last_part(&key)?, decode(&bytes)?);
        }
        Ok(record)
    }

    /// The rows of tags and identities.
    fn side_rows(&self, name: &str) -> Result<Vec<(Table, Vec<u8>)>, StoreError> {
        let mut rows = Vec::new();
        for table in [Table::RegistryTags, Table::RegistryIdentities] {
            for row in self.database.scan(table, &prefix(&[name])) {
                rows.push((table, row?.0.to_vec()));
            }
        }
        Ok(rows)
    }
}

/// What belongs to the content of a registry and is under its name alone, beside the tables that
/// [`Table::is_content`] names.
pub(super) fn own_rows(registry: &str) -> [(Table, Vec<u8>); 2] {
    [Table::Counters, Table::TaskRuns].map(|table| (table, key(&[registry])))
}

/// The file that a key of [`Table::Uses`] names.
pub(super) fn used_file(key: &[u8]) -> Result<FileId, StoreError> {
    let damaged = |error: InvalidFileId| StoreError::Damaged(error.to_string());
    last_part(key)?.parse().map_err(damaged)
}

fn write_record(view: &View<'_>, record: &RegistryRecord) -> Result<(), StoreError> {
    let name = record.name.as_str();
    for (tag, value) in &record.tags {
        view.put(Table::RegistryTags, key(&[name, tag]), value)?;
    }
    for (id, identity) in &record.identities {
        view.put(Table::RegistryIdentities, key(&[name, id]), identity)?;
    }
    view.put(Table::Registries, key(&[name]), &record.row)
}
