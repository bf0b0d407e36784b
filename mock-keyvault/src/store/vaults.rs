//! The rows of vaults: what a vault itself is, and its access policies.

use std::io;

use serde::{Deserialize, Serialize};

use super::{POLICY, Store, VAULT, json, row_key};
use crate::vault::names::VaultName;
use crate::vault::policy::AccessPolicy;

/// What is kept of a vault itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VaultRow {
    pub(crate) location: String,
    pub(crate) retention_days: u16,
    pub(crate) purge_protection: bool,
}

impl Store {
    /// Keeps what a vault itself is.
    pub(crate) fn put_vault(&self, vault: &VaultName, row: &VaultRow) -> io::Result<()> {
        self.rows.insert(row_key(VAULT, &[vault.as_str()]), json(row)?)?;
        self.db.commit()
    }

    /// Keeps the access policy of an identity, or that it has none.
    pub(crate) fn put_policy(
        &self,
        vault: &VaultName,
        object_id: &str,
        policy: Option<&AccessPolicy>,
    ) -> io::Result<()> {
        let at = row_key(POLICY, &[vault.as_str(), object_id]);
        match policy {
            Some(policy) => self.rows.insert(at, json(policy)?)?,
            None => self.rows.remove(at)?,
        };
        self.db.commit()
    }
}
