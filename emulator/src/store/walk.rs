//! Walks over everything that a registry stores, for verification: over the objects of its rows, and over those without a row.
//!
//! A row or a folder that cannot be read is an item of the walk, and the walk goes on: one fault must not hide the next.
//! This file does not check whether the stored data authenticates.

use super::encoding::{decode, last_part, nth_part, prefix};
use super::error::StoreError;
use super::file_id::FileId;
use super::handle::Store;
use super::objects::ListFault;
use super::rows::{BlobRow, ManifestRow, ObjectRow, TaskRunRow};
use super::tables::Table;
use crate::names::{Digest, RegistryName, RepositoryName};

/// A blob, a manifest or a log, as `verify` walks over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredObject {
    /// A blob of the registry.
    Blob {
        /// Its digest.
        digest: Digest,
        /// The place of its sealed file.
        object: ObjectRow,
    },
    /// A manifest of one repository.
    Manifest {
        /// The repository.
        repository: RepositoryName,
        /// Its digest.
        digest: Digest,
        /// The place of its sealed file.
        object: ObjectRow,
    },
    /// The log of a task run.
    Log {
        /// The number of the run.
        run: u64,
        /// Its digest.
        digest: Digest,
        /// The place of its sealed file.
        object: ObjectRow,
    },
}

/// The position of a walk: the table, and the key of the last row without the registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalkPlace {
    table: usize,
    after: Option<String>,
}

/// A page of a walk.
#[derive(Debug, Default)]
pub struct WalkPage {
    /// The objects. An error is a row that cannot be read.
    pub objects: Vec<Result<StoredObject, StoreError>>,
    /// The position of the next page; `None` at the end.
    pub next: Option<WalkPlace>,
}

/// The tables that a walk goes over.
const TABLES: [Table; 3] = [Table::Blobs, Table::Manifests, Table::TaskRuns];

impl Store {
    /// All blobs, manifests and logs of a registry, one by one. Concurrent changes may or may not be included.
    /// A row that cannot be read is an error that names it, and the walk goes on after it.
    pub fn all_objects(
        &self,
        registry: &RegistryName,
    ) -> impl Iterator<Item = Result<StoredObject, StoreError>> + use<'_> {
        let prefix = prefix(&[registry]);
        TABLES.into_iter().flat_map(move |table| {
            self.database.scan(table, &prefix).map(move |row| {
                let (key, bytes) = row?;
                stored(table, &key, &bytes)
            })
        })
    }

    /// The next objects of a walk, at most `limit`.
    pub fn objects_after(
        &self,
        registry: &RegistryName,
        place: &WalkPlace,
        limit: usize,
    ) -> Result<WalkPage, StoreError> {
        let Some(table) = TABLES.get(place.table).copied() else { return Ok(WalkPage::default()) };
        let prefix = prefix(&[registry]);
        let rows = self.database.scan_after(table, &prefix, place.after.as_deref());
        let (mut objects, mut after) = (Vec::new(), None);
        for row in rows.take(limit) {
            let (key, bytes) = row?;
            after = key.get(prefix.len()..).map(|rest| String::from_utf8_lossy(rest).into_owned());
            objects.push(stored(table, &key, &bytes));
        }
        let next = match after {
            Some(after) => WalkPlace { table: place.table, after: Some(after) },
            None => WalkPlace { table: place.table + 1, after: None },
        };
        Ok(WalkPage { objects, next: (next.table < TABLES.len()).then_some(next) })
    }

    /// The objects without a row that are not about to be published, and the parts of the engine that cannot be listed.
    pub fn orphans_and_faults(&self) -> Result<(Vec<FileId>, Vec<ListFault>), StoreError> {
        let (mut orphans, mut faults) = (Vec::new(), Vec::new());
        for listed in self.objects.list() {
            match listed {
                Ok(id) if self.is_orphan(id)? => orphans.push(id),
                Ok(_) => (),
                Err(fault) => faults.push(fault),
            }
        }
        Ok((orphans, faults))
    }

    /// In this order: a claim ends only after the row exists.
    pub(super) fn is_orphan(&self, id: FileId) -> Result<bool, StoreError> {
        Ok(!self.claims.has(id) && !self.owns_file(id)?)
    }
}

fn stored(table: Table, key: &[u8], bytes: &[u8]) -> Result<StoredObject, StoreError> {
    let read = || match table {
        Table::Blobs => {
            let row: BlobRow = decode(bytes)?;
            Ok(StoredObject::Blob { digest: last_part(key)?, object: row.object })
        }
        Table::Manifests => {
            let row: ManifestRow = decode(bytes)?;
            let (repository, digest) = (nth_part(key, 1)?, last_part(key)?);
            Ok(StoredObject::Manifest { repository, digest, object: row.object })
        }
        _ => {
            let TaskRunRow { number, run } = decode(bytes)?;
            Ok(StoredObject::Log { run: number, digest: run.digest()?, object: run.log })
        }
    };
    read().map_err(|error: StoreError| {
        let name = String::from_utf8_lossy(key).replace('\0', " ");
        StoreError::Damaged(format!("the row {:?} of {}: {error}", name, table.name()))
    })
}
