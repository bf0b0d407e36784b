//! The user-assigned identities that were made: one row each, by resource group and name in lower case, and one for
//! each of their tags.
//!
//! Who an identity is to the vault is kept by whoever issues its tokens; this is what a registry's control plane knows of
//! it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::database::View;
use super::error::StoreError;
use super::layout::Table;
use super::open::Store;
use super::registries::PrincipalRow;
use super::rows::{decode, key, last_part, prefix};

/// A user-assigned identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityRow {
    /// Its name, as it was written.
    pub name: String,
    /// Its resource group, as it was written.
    pub group: String,
    /// The place.
    pub location: String,
    /// When it was made: seconds since 1970, emulator time.
    pub created: i64,
    /// The tenant.
    pub tenant: String,
    /// Who it is.
    #[serde(flatten)]
    pub principal: PrincipalRow,
    /// Names and values that people give it. They have rows of their own.
    #[serde(skip)]
    pub tags: BTreeMap<String, String>,
}

impl Store {
    /// All identities, in the order of group and name.
    pub fn identities(&self) -> Result<Vec<IdentityRow>, StoreError> {
        let rows = self.database.scan(Table::Identities, &[]);
        rows.map(|row| self.with_tags(decode(&row?.1)?)).collect()
    }

    /// The identity of this group and name.
    pub fn identity(&self, group: &str, name: &str) -> Result<Option<IdentityRow>, StoreError> {
        let row = self.database.row(Table::Identities, &identity_key(group, name))?;
        row.map(|row| self.with_tags(row)).transpose()
    }

    /// Stores a new identity. Durable on return. False: there is one of this group and name.
    pub fn create_identity(&self, row: &IdentityRow) -> Result<bool, StoreError> {
        let at = identity_key(&row.group, &row.name);
        let created = self.database.transact(|view| {
            if view.has(Table::Identities, &at)? {
                return Ok(false);
            }
            view.put(Table::Identities, at.clone(), row)?;
            write_tags(view, row)?;
            Ok(true)
        })?;
        self.database.commit()?;
        Ok(created)
    }

    /// Replaces the tags of an identity. Durable on return. False: there is none, and nothing was done.
    pub fn replace_identity_tags(&self, row: &IdentityRow) -> Result<bool, StoreError> {
        let at = identity_key(&row.group, &row.name);
        let writer = self.database.writer();
        let old = self.tag_keys(&row.group, &row.name)?;
        let is_there = writer.transact(|view| {
            if !view.has(Table::Identities, &at)? {
                return Ok(false);
            }
            old.iter().try_for_each(|key| view.remove(Table::IdentityTags, key.clone()))?;
            write_tags(view, row)?;
            Ok(true)
        })?;
        drop(writer);
        self.database.commit()?;
        Ok(is_there)
    }

    /// Forgets an identity. Durable on return. False: there is none.
    pub fn delete_identity(&self, group: &str, name: &str) -> Result<bool, StoreError> {
        let at = identity_key(group, name);
        let writer = self.database.writer();
        let tags = self.tag_keys(group, name)?;
        let deleted = writer.transact(|view| {
            let is_there = view.has(Table::Identities, &at)?;
            view.remove(Table::Identities, at.clone())?;
            tags.iter().try_for_each(|key| view.remove(Table::IdentityTags, key.clone()))?;
            Ok(is_there)
        })?;
        drop(writer);
        self.database.commit()?;
        Ok(deleted)
    }

    fn with_tags(&self, mut row: IdentityRow) -> Result<IdentityRow, StoreError> {
        for tag in self.database.scan(Table::IdentityTags, &tags_of(&row.group, &row.name)) {
            let (key, bytes) = tag?;
            row.tags.insert(last_part(&key)?, decode(&bytes)?);
        }
        Ok(row)
    }

    fn tag_keys(&self, group: &str, name: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = self.database.scan(Table::IdentityTags, &tags_of(group, name));
        rows.map(|row| Ok(row?.0.to_vec())).collect()
    }
}

fn write_tags(view: &View<'_>, row: &IdentityRow) -> Result<(), StoreError> {
    let (group, name) = (row.group.to_lowercase(), row.name.to_lowercase());
    row.tags.iter().try_for_each(|(tag, value)| {
        view.put(Table::IdentityTags, key(&[&group, &name, tag]), value)
    })
}

fn tags_of(group: &str, name: &str) -> Vec<u8> {
    prefix(&[&group.to_lowercase(), &name.to_lowercase()])
}

fn identity_key(group: &str, name: &str) -> Vec<u8> {
    key(&[&group.to_lowercase(), &name.to_lowercase()])
}
