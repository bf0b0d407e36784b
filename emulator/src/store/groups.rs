//! The resource groups: one row each, by name in lower case, and one for each of their tags.
//!
//! A resource names its group in its own row; this file does not know the members of a group.

use std::collections::BTreeMap;

use azure_emulator_core::disk_space::Purpose;
use serde::{Deserialize, Serialize};

use super::encoding::{decode, key};
use super::error::StoreError;
use super::handle::Store;
use super::intents::End;
use super::resource_tags::ResourceTags;
use super::tables::Table;

/// A resource group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupRow {
    /// Its name, as it was written.
    pub name: String,
    /// The location.
    pub location: String,
    /// Names and values that users give it. They have rows of their own.
    #[serde(skip)]
    pub tags: BTreeMap<String, String>,
}

impl Store {
    /// All groups, in the order of their names.
    pub fn groups(&self) -> Result<Vec<GroupRow>, StoreError> {
        let rows = self.database.scan(Table::Groups, &[]);
        rows.map(|row| self.group_with_tags(decode(&row?.1)?)).collect()
    }

    /// The group of this name.
    pub fn group(&self, name: &str) -> Result<Option<GroupRow>, StoreError> {
        let row = self.database.row(Table::Groups, &group_key(name))?;
        row.map(|row| self.group_with_tags(row)).transpose()
    }

    /// Stores a new group. Durable on return. Returns false, and changes nothing, if the name is in use.
    pub fn create_group(&self, row: &GroupRow) -> Result<bool, StoreError> {
        let at = group_key(&row.name);
        // Every start asks for some groups: it need not wait for the right to write.
        if self.database.has(Table::Groups, &at)? {
            self.database.commit()?;
            return Ok(false);
        }
        let created = self.database.transact(|view| {
            if view.has(Table::Groups, &at)? {
                return Ok(false);
            }
            view.put(Table::Groups, at.clone(), row)?;
            tags_of(&row.name).write(view, &row.tags)?;
            Ok(true)
        })?;
        self.database.commit()?;
        Ok(created)
    }

    /// Replaces the tags of a group. Durable on return. Returns false if there is no such group.
    pub fn replace_group_tags(
        &self,
        name: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<bool, StoreError> {
        let at = group_key(name);
        let rows = tags_of(name);
        let writer = self.database.writer()?;
        let old = rows.keys(&self.database)?;
        // A removal of tags must work even if the disk is full.
        let purpose = if tags.is_empty() { Purpose::Removal } else { Purpose::Rows };
        let is_there = writer.transact_for(purpose, |view| {
            if !view.has(Table::Groups, &at)? {
                return Ok(false);
            }
            rows.remove(view, &old)?;
            rows.write(view, tags)?;
            Ok(true)
        })?;
        drop(writer);
        self.database.commit()?;
        Ok(is_there)
    }

    /// Deletes a group, and ends an operation. Durable on return. Succeeds if there is no group of this name.
    pub fn delete_group(&self, name: &str, end: &End) -> Result<(), StoreError> {
        let at = group_key(name);
        let rows = tags_of(name);
        let writer = self.database.writer()?;
        let tags = rows.keys(&self.database)?;
        writer.transact_for(Purpose::Removal, |view| {
            view.remove(Table::Groups, at.clone())?;
            rows.remove(view, &tags)?;
            view.end(end)
        })?;
        drop(writer);
        self.database.commit()
    }

    fn group_with_tags(&self, mut row: GroupRow) -> Result<GroupRow, StoreError> {
        row.tags = tags_of(&row.name).read(&self.database)?;
        Ok(row)
    }
}

fn tags_of(name: &str) -> ResourceTags {
    ResourceTags::new(Table::GroupTags, &[name])
}

fn group_key(name: &str) -> Vec<u8> {
    key(&[&name.to_lowercase()])
}
