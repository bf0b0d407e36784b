//! How much there is: counters that the transactions keep.
//!
//! The counters are one row for each registry, changed with what they count; a status page asks for them without a
//! scan.

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::layout::Table;
use super::open::Store;
use super::rows::key;

/// How much a registry holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Repositories that a manifest came to.
    pub repositories: u64,
    /// Blobs, each counted once.
    pub blobs: u64,
    /// Manifests, each counted once for each repository.
    pub manifests: u64,
    /// Bytes of plaintext in blobs and manifests.
    pub bytes: u64,
    /// Uploads under way.
    pub uploads: u64,
}

impl Store {
    /// The counters of a registry; kept by the transactions, nothing is scanned.
    pub fn stats(&self, registry: &str) -> Result<Stats, StoreError> {
        Ok(self.database.row(Table::Counters, &key(&[registry]))?.unwrap_or_default())
    }
}
