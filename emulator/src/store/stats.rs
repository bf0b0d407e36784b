//! The sizes of registries: counters that the transactions keep.
//!
//! Each registry has one row of counters, which the transactions change together with the counted rows; a status page needs no
//! scan.

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::layout::Table;
use super::open::Store;
use super::rows::key;

/// How much a registry holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Repositories that had a manifest.
    pub repositories: u64,
    /// Blobs, each counted once.
    pub blobs: u64,
    /// Manifests, each counted once for each repository.
    pub manifests: u64,
    /// Bytes of plaintext in blobs and manifests.
    pub bytes: u64,
    /// Uploads that have not ended.
    pub uploads: u64,
}

impl Store {
    /// The counters of a registry. It scans nothing.
    pub fn stats(&self, registry: &str) -> Result<Stats, StoreError> {
        Ok(self.database.row(Table::Counters, &key(&[registry]))?.unwrap_or_default())
    }
}
