//! The sizes of registries: counters that the transactions keep.
//!
//! Each registry has one row of counters, which the transactions change together with the counted rows; a status page needs no
//! scan.

use super::encoding::key;
use super::error::StoreError;
use super::handle::Store;
use super::rows::Stats;
use super::tables::Table;
use crate::names::RegistryName;

impl Store {
    /// The counters of a registry. It scans nothing.
    pub fn stats(&self, registry: &RegistryName) -> Result<Stats, StoreError> {
        Ok(self.database.row(Table::Counters, &key(&[registry]))?.unwrap_or_default())
    }
}
