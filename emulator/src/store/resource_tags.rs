//! The tags of resources, as Azure knows them: one row for each, since all tags of a resource may be longer than a row
//! may be. They are unrelated to the tags of images.
//!
//! The files of the resources that have tags call this, and pass the table and the key.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::database::Database;
use super::encoding::{decode, key, last_part, prefix};
use super::error::StoreError;
use super::tables::Table;
use super::view::View;

/// Where the tags of one resource are.
#[derive(Clone, Debug)]
pub(super) struct ResourceTags {
    table: Table,
    /// The first parts of their keys.
    parts: Vec<String>,
}

impl ResourceTags {
    /// The tags of the resource with this key, in any case.
    pub(super) fn new(table: Table, parts: &[&str]) -> Self {
        Self { table, parts: parts.iter().map(|part| part.to_lowercase()).collect() }
    }

    pub(super) fn read(&self, database: &Database) -> Result<BTreeMap<String, String>, StoreError> {
        let rows = database.scan(self.table, &prefix(&self.parts()));
        rows.map(|row| {
            let (key, bytes) = row?;
            Ok((last_part(&key)?, decode(&bytes)?))
        })
        .collect()
    }

    /// The keys of the existing tags. Remove them in a transaction of the writer that was held since.
    pub(super) fn keys(&self, database: &Database) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = database.scan(self.table, &prefix(&self.parts()));
        rows.map(|row| Ok(row?.0.to_vec())).collect()
    }

    /// Removes the tags of these keys.
    pub(super) fn remove(&self, view: &View<'_>, keys: &[Vec<u8>]) -> Result<(), StoreError> {
        keys.iter().try_for_each(|key| view.remove(self.table, key.clone()))
    }

    pub(super) fn write(
        &self,
        view: &View<'_>,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        tags.iter().try_for_each(|(tag, value)| {
            let mut parts = self.parts();
            parts.push(tag);
            view.put(self.table, key(&parts), value)
        })
    }

    fn parts(&self) -> Vec<&dyn Display> {
        self.parts.iter().map(|part| part as _).collect()
    }
}
