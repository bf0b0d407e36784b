//! The user-assigned identities that were made: one row each, by resource group and name in lower case.
//!
//! Who an identity is to the vault is kept by whoever issues its tokens; this is what a registry's control plane knows of
//! it.

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::layout::Table;
use super::open::Store;
use super::registries::PrincipalRow;
use super::rows::{decode, key};

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
}

impl Store {
    /// All identities, in the order of group and name.
    pub fn identities(&self) -> Result<Vec<IdentityRow>, StoreError> {
        self.database.scan(Table::Identities, &[]).map(|row| decode(&row?.1)).collect()
    }

    /// The identity of this group and name.
    pub fn identity(&self, group: &str, name: &str) -> Result<Option<IdentityRow>, StoreError> {
        self.database.row(Table::Identities, &identity_key(group, name))
    }

    /// Stores a new identity. Durable on return. False: there is one of this group and name.
    pub fn create_identity(&self, row: &IdentityRow) -> Result<bool, StoreError> {
        let at = identity_key(&row.group, &row.name);
        let created = self.database.transact(|view| {
            if view.has(Table::Identities, &at)? {
                return Ok(false);
            }
            view.put(Table::Identities, at.clone(), row)?;
            Ok(true)
        })?;
        self.database.commit()?;
        Ok(created)
    }

    /// Forgets an identity. Durable on return. False: there is none.
    pub fn delete_identity(&self, group: &str, name: &str) -> Result<bool, StoreError> {
        let at = identity_key(group, name);
        let deleted = self.database.transact(|view| {
            let is_there = view.has(Table::Identities, &at)?;
            view.remove(Table::Identities, at.clone())?;
            Ok(is_there)
        })?;
        self.database.commit()?;
        Ok(deleted)
    }
}

fn identity_key(group: &str, name: &str) -> Vec<u8> {
    key(&[&group.to_lowercase(), &name.to_lowercase()])
}
