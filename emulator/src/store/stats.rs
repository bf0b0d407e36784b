//! How much there is: counters that the transactions keep, and a walk over everything for `verify`.
//!
//! The counters are one row for each registry, changed with what they count; a status page asks for them without a
//! scan. Whether what is stored authenticates is not known here.

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::layout::Table;
use super::open::Store;
use super::rows::{
    BlobRow, ManifestRow, ObjectRow, TaskRunRow, decode, key, last_part, nth_part, prefix,
};

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

/// A blob, a manifest or a log, as `verify` walks over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredObject {
    /// A blob of the registry.
    Blob {
        /// Its digest.
        digest: String,
        /// Where it is.
        object: ObjectRow,
    },
    /// A manifest of one repository.
    Manifest {
        /// The repository.
        repository: String,
        /// Its digest.
        digest: String,
        /// Where it is.
        object: ObjectRow,
    },
    /// The log of a task run.
    Log {
        /// The number of the run.
        run: u64,
        /// Its digest.
        digest: String,
        /// Where it is.
        object: ObjectRow,
    },
}

impl Store {
    /// The counters of a registry; kept by the transactions, nothing is scanned.
    pub fn stats(&self, registry: &str) -> Result<Stats, StoreError> {
        Ok(self.database.row(Table::Counters, &key(&[registry]))?.unwrap_or_default())
    }

    /// All blobs, manifests and logs of a registry, one by one. What comes and goes meanwhile may or may not be among them.
    pub fn all_objects(
        &self,
        registry: &str,
    ) -> impl Iterator<Item = Result<StoredObject, StoreError>> + use<> {
        let prefix = prefix(&[registry]);
        let blobs = self.database.scan(Table::Blobs, &prefix).map(|row| {
            let (key, bytes) = row?;
            let blob: BlobRow = decode(&bytes)?;
            Ok(StoredObject::Blob { digest: last_part(&key)?, object: blob.object })
        });
        let manifests = self.database.scan(Table::Manifests, &prefix).map(|row| {
            let (key, bytes) = row?;
            let manifest: ManifestRow = decode(&bytes)?;
            Ok(StoredObject::Manifest {
                repository: nth_part(&key, 1)?,
                digest: last_part(&key)?,
                object: manifest.object,
            })
        });
        let logs = self.task_runs(registry).map(|row| {
            let TaskRunRow { number, run } = row?;
            Ok(StoredObject::Log { run: number, digest: run.digest, object: run.log })
        });
        blobs.chain(manifests).chain(logs)
    }
}
