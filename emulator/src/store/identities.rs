//! The user-assigned identities: one row each, by resource group and name in lower case, and one for
//! each of their tags.
//!
//! The issuer of an identity's tokens keeps its ids for the vault; these rows are the view of a registry's control
//! plane.

use std::collections::BTreeMap;

use azure_emulator_core::disk_space::Purpose;
use serde::{Deserialize, Serialize};

use super::encoding::{decode, key};
use super::error::StoreError;
use super::handle::Store;
use super::intents::{End, IntentNote};
use super::registry_rows::PrincipalRow;
use super::resource_tags::ResourceTags;
use super::tables::Table;

/// A user-assigned identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityRow {
    /// Its name, as it was written.
    pub name: String,
    /// Its resource group, as it was written.
    pub group: String,
    /// The location.
    pub location: String,
    /// When it was made: seconds since 1970, emulator time.
    pub created: i64,
    /// The tenant.
    pub tenant: String,
    /// Its client id and principal id.
    #[serde(flatten)]
    pub principal: PrincipalRow,
    /// Names and values that users give it. They have rows of their own.
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

    /// Stores a new identity, ends an operation, and updates the parameters of another one. Durable on return. Returns false,
    /// and changes nothing, if the group has an identity of this name.
    pub fn create_identity(
        &self,
        row: &IdentityRow,
        end: &End,
        note: Option<&IntentNote>,
    ) -> Result<bool, StoreError> {
        let at = identity_key(&row.group, &row.name);
        let created = self.database.transact(|view| {
            if view.has(Table::Identities, &at)? {
                return Ok(false);
            }
            view.put(Table::Identities, at.clone(), row)?;
            tags_of(&row.group, &row.name).write(view, &row.tags)?;
            note.map_or(Ok(()), |note| view.note(note))?;
            view.end(end)?;
            Ok(true)
        })?;
        self.database.commit()?;
        Ok(created)
    }

    /// Replaces the tags of an identity. Durable on return. Returns false if there is no such identity.
    pub fn replace_identity_tags(&self, row: &IdentityRow) -> Result<bool, StoreError> {
        let at = identity_key(&row.group, &row.name);
        let tags = tags_of(&row.group, &row.name);
        let writer = self.database.writer()?;
        let old = tags.keys(&self.database)?;
        let is_there = writer.transact(|view| {
            if !view.has(Table::Identities, &at)? {
                return Ok(false);
            }
            tags.remove(view, &old)?;
            tags.write(view, &row.tags)?;
            Ok(true)
        })?;
        drop(writer);
        self.database.commit()?;
        Ok(is_there)
    }

    /// Deletes an identity, and ends an operation. Durable on return. Returns false if there is no such identity.
    pub fn delete_identity(&self, group: &str, name: &str, end: &End) -> Result<bool, StoreError> {
        let at = identity_key(group, name);
        let tags = tags_of(group, name);
        let writer = self.database.writer()?;
        let old = tags.keys(&self.database)?;
        let deleted = writer.transact_for(Purpose::Removal, |view| {
            let is_there = view.has(Table::Identities, &at)?;
            view.remove(Table::Identities, at.clone())?;
            tags.remove(view, &old)?;
            view.end(end)?;
            Ok(is_there)
        })?;
        drop(writer);
        self.database.commit()?;
        Ok(deleted)
    }

    fn with_tags(&self, mut row: IdentityRow) -> Result<IdentityRow, StoreError> {
        row.tags = tags_of(&row.group, &row.name).read(&self.database)?;
        Ok(row)
    }
}

fn tags_of(group: &str, name: &str) -> ResourceTags {
    ResourceTags::new(Table::IdentityTags, &[group, name])
}

fn identity_key(group: &str, name: &str) -> Vec<u8> {
    key(&[&group.to_lowercase(), &name.to_lowercase()])
}
