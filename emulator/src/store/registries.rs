//! The registries of the data folder: their properties without the content, and their creation and deletion.
//!
//! A registry is one row, one row for each tag and one for each assigned identity: together they can be larger than sled
//! keeps durably in one row. They are written in one transaction, the first time with the ring of data keys, so that a kill
//! leaves a whole registry or none.
//!
//! A registry is deleted in three steps. [`Store::begin_leaving`]: one transaction removes its row and its ring, and records that
//! it is leaving. From then on nothing can be stored in it, because none of its data keys is known. [`Store::empty_leaving`]:
//! its rows and files are removed, batch by batch. [`Store::end_leaving`]: the record is removed, and the name is free. The domain
//! keeps an intent from before the first step to the end of the last one, so it resumes an interrupted deletion.

use std::collections::BTreeMap;

use azure_emulator_core::disk_space::Purpose;

use super::access::write_access;
use super::emptying::own_rows;
use super::encoding::{decode, key, last_part, prefix, registry_or_skip};
use super::error::StoreError;
use super::handle::Store;
use super::intents::End;
use super::registry_rows::{NewRegistryRows, RegistryRecord, RegistryRow};
use super::ring::write_ring;
use super::rows::RingRow;
use super::tables::Table;
use super::view::View;
use crate::names::RegistryName;

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
    pub fn registry(&self, name: &RegistryName) -> Result<Option<RegistryRecord>, StoreError> {
        let row = self.database.row(Table::Registries, &key(&[name]))?;
        row.map(|row| self.record(name.to_string(), row)).transpose()
    }

    /// Stores a new registry with its first ring, both or neither. Durable on return.
    ///
    /// Without a ring, the registry uses the ring that is stored. [`StoreError::RegistryExists`] if there is a registry of
    /// this name, or its deletion has not ended.
    pub fn create_registry(
        &self,
        new: &NewRegistryRows,
        ring: Option<&RingRow>,
    ) -> Result<(), StoreError> {
        let NewRegistryRows { record, access, end } = new;
        let name = &record.registry_name()?;
        let writer = self.database.writer()?;
        let at = key(&[name]);
        let taken = self.database.has(Table::Registries, &at)?
            || self.database.has(Table::Leaving, &at)?
            || (ring.is_some() && self.database.has(Table::Rings, &at)?);
        if taken {
            return Err(StoreError::RegistryExists);
        }
        let mirrored = match ring {
            Some(ring) => Some(ring.clone()),
            None => self.read_ring(name, &writer)?,
        };
        self.mirror_record(&writer, record, mirrored, Purpose::Rows)?;
        writer.transact(|view| {
            if let Some(ring) = ring {
                write_ring(view, name, ring, &[])?;
            }
            if let Some(access) = access {
                write_access(view, name, access)?;
            }
            write_record(view, name, record)?;
            view.end(end)
        })?;
        drop(writer);
        self.database.commit()
    }

    /// Replaces the properties of a registry, and ends an operation. Durable on return. `purpose` decides whether it may use the
    /// reserve. Returns false, and changes nothing, if there is no registry of this name.
    pub fn replace_registry(
        &self,
        record: &RegistryRecord,
        end: &End,
        purpose: Purpose,
    ) -> Result<bool, StoreError> {
        let name = &record.registry_name()?;
        let writer = self.database.writer()?;
        if !self.database.has(Table::Registries, &key(&[name]))? {
            return Ok(false);
        }
        let old = self.side_rows(name)?;
        self.mirror_record(&writer, record, self.read_ring(name, &writer)?, purpose)?;
        writer.transact_for(purpose, |view| {
            old.iter().try_for_each(|(table, key)| view.remove(*table, key.clone()))?;
            write_record(view, name, record)?;
            view.end(end)
        })?;
        drop(writer);
        self.database.commit()?;
        Ok(true)
    }

    /// The first step of a deletion: the registry is no longer known, and nothing can be stored in it. Durable on return.
    /// Returns false if there is no registry of this name.
    pub fn begin_leaving(&self, name: &RegistryName) -> Result<bool, StoreError> {
        let writer = self.database.writer()?;
        if !self.database.has(Table::Registries, &key(&[name]))? {
            return Ok(false);
        }
        let mut gone = self.side_rows(name)?;
        for row in self.database.scan(Table::RingKeys, &prefix(&[name])) {
            gone.push((Table::RingKeys, row?.0.to_vec()));
        }
        gone.push((Table::Rings, key(&[name])));
        gone.push((Table::Registries, key(&[name])));
        writer.transact_for(Purpose::Removal, |view| {
            gone.iter().try_for_each(|(table, key)| view.remove(*table, key.clone()))?;
            view.put_bytes(Table::Leaving, key(&[name]), Vec::new())
        })?;
        drop(writer);
        self.database.commit()?;
        Ok(true)
    }

    /// The registries whose deletion has begun and not ended.
    pub fn leaving(&self) -> Result<Vec<RegistryName>, StoreError> {
        let rows = self.database.scan(Table::Leaving, &[]).map(|row| Ok(last_part(&row?.0)));
        let names = rows.map(|row| row.map(|read| registry_or_skip(Table::Leaving, read)));
        names.filter_map(Result::transpose).collect()
    }

    /// Whether the deletion of a registry of this name has begun and not ended.
    pub fn is_leaving(&self, name: &RegistryName) -> Result<bool, StoreError> {
        self.database.has(Table::Leaving, &key(&[name]))
    }

    /// The second step: removes the rows and files of a registry that is leaving. It can be repeated.
    pub fn empty_leaving(&self, name: &RegistryName) -> Result<(), StoreError> {
        if !self.is_leaving(name)? {
            return Ok(());
        }
        self.empty(name)?;
        self.remove_mirror(name)
    }

    /// The last step: the name is free, and the operation ends. Durable on return.
    pub fn end_leaving(&self, name: &RegistryName, end: &End) -> Result<(), StoreError> {
        self.database.transact_for(Purpose::Removal, |view| {
            if view.has(Table::Leaving, &key(&[name]))? {
                own_rows(name).into_iter().try_for_each(|(table, at)| view.remove(table, at))?;
                view.remove(Table::Leaving, key(&[name]))?;
            }
            view.end(end)
        })?;
        self.database.commit()
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
    fn side_rows(&self, name: &RegistryName) -> Result<Vec<(Table, Vec<u8>)>, StoreError> {
        let mut rows = Vec::new();
        for table in [Table::RegistryTags, Table::RegistryIdentities] {
            for row in self.database.scan(table, &prefix(&[name])) {
                rows.push((table, row?.0.to_vec()));
            }
        }
        Ok(rows)
    }
}

fn write_record(
    view: &View<'_>,
    name: &RegistryName,
    record: &RegistryRecord,
) -> Result<(), StoreError> {
    for (tag, value) in &record.tags {
        view.put(Table::RegistryTags, key(&[name, &tag]), value)?;
    }
    for (id, identity) in &record.identities {
        view.put(Table::RegistryIdentities, key(&[name, &id]), identity)?;
    }
    view.put(Table::Registries, key(&[name]), &record.row)
}
