//! Manifests.
//!
//! A manifest belongs to one repository. The transaction that inserts it checks that its blobs and manifests exist and
//! adds it to the counts of its blobs' links; the transaction that removes it subtracts it. Collection removes links in
//! transactions over the same rows, so that either the push sees that a blob is missing, or the blob stays.
//! The domain has parsed the manifest: this file gets lists of digests.

use std::collections::BTreeSet;
use std::fmt::Display;

use azure_emulator_core::disk_space::Purpose;

use super::database::Writer;
use super::encoding::{decode, encode, key, last_part, prefix};
use super::error::StoreError;
use super::handle::Store;
use super::locks::{Deleted, Locked, locked_tag, repository_locked};
use super::manifest_rows::{Held, NewManifest, Put, Step, insert_manifest, remove_manifest};
use super::new_object::NewObject;
use super::objects::Finished;
use super::rows::{ManifestRow, ObjectRow};
use super::tables::Table;
use crate::names::{Digest, RegistryName, RepositoryName};

/// How many manifests are removed in one transaction.
pub(super) const MANIFEST_BATCH: usize = 64;

impl Store {
    /// Stores a manifest, or sets more tags on it if it exists. All tags are set, or none. Durable on return.
    pub fn put_manifest(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        manifest: NewManifest<'_>,
        object: NewObject,
    ) -> Result<Put, StoreError> {
        // This check comes before the file is published; the transaction would fail after it.
        encode(&manifest.row)?;
        let manifest = NewManifest {
            row: ManifestRow {
                object: ObjectRow { file: object.id(), ..manifest.row.object },
                ..manifest.row
            },
            ..manifest
        };
        let (_claim, writer) = object.into_parts();
        let blobs: BTreeSet<&Digest> = manifest.blobs.iter().collect();
        let step = |finished: Option<&Finished>| {
            self.database.transact(|view| {
                let has_file = finished.is_some();
                let step =
                    insert_manifest(view, registry, repository, &manifest, &blobs, has_file)?;
                if let Some(finished) = finished.filter(|_| matches!(step, Step::Inserted(_))) {
                    view.attach(finished);
                }
                Ok(step)
            })
        };
        let mut outcome = step(None)?;
        if matches!(outcome, Step::NeedsFile) {
            let finished = writer.finish()?;
            let inserted = step(Some(&finished));
            // The row may return at the next start; if it does not, the object is an orphan.
            if inserted.is_err() && self.is_outcome_unknown() {
                finished.keep();
                return inserted.map(|_| Put::Stored);
            }
            outcome = inserted?;
            if matches!(outcome, Step::Inserted(_)) {
                finished.keep();
            }
        }
        if let Step::Refused(put) = outcome {
            return Ok(put);
        }
        self.database.commit()?;
        if let Step::Inserted(Some(replaced)) = outcome {
            self.delete_replaced(replaced);
        }
        Ok(Put::Stored)
    }

    /// A manifest by its digest.
    pub fn manifest(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<ManifestRow>, StoreError> {
        self.database.row(Table::Manifests, &key(&[registry, repository, digest]))
    }

    /// The manifests of a repository in the order of their digests, after `after`, at most `limit`.
    pub fn manifests(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(Digest, ManifestRow)>, StoreError> {
        self.manifest_rows(registry, repository, after).take(limit).collect()
    }

    /// All manifests of a repository in the order of their digests, after `after`, read one by one.
    pub fn manifest_rows(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        after: Option<&str>,
    ) -> impl Iterator<Item = Result<(Digest, ManifestRow), StoreError>> + use<> {
        let rows =
            self.database.scan_after(Table::Manifests, &prefix(&[registry, repository]), after);
        rows.map(|row| {
            let (key, bytes) = row?;
            Ok((last_part(&key)?, decode(&bytes)?))
        })
    }

    /// Deletes a manifest, its tags and its row as a referrer. Durable. An index that lists it does not protect it.
    pub fn delete_manifest(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Deleted, StoreError> {
        let writer = self.database.writer()?;
        let held = self.held(registry, repository, digest)?;
        let manifest_key = key(&[registry, repository, digest]);
        let removed = writer.transact_for(Purpose::Removal, |view| {
            let Some(row) = view.row::<ManifestRow>(Table::Manifests, &manifest_key)? else {
                return Ok(Err(Deleted::Unknown));
            };
            let mut locked = repository_locked(view, registry, repository)?;
            if locked.is_none() && !row.attributes.allow_delete() {
                locked = Some(Locked::Manifest(digest.clone()));
            }
            if locked.is_none() {
                locked = locked_tag(view, registry, repository, &held.tags)?;
            }
            if let Some(locked) = locked {
                return Ok(Err(Deleted::Locked(locked)));
            }
            remove_manifest(view, registry, repository, digest, &row, &held)?;
            Ok(Ok(row.object.file))
        })?;
        drop(writer);
        let file = match removed {
            Ok(file) => file,
            Err(outcome) => return Ok(outcome),
        };
        self.database.commit()?;
        self.objects.delete(file)?;
        Ok(Deleted::Removed)
    }

    /// The rows that belong to a manifest. Scan them under the writer's lock.
    fn held(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Held, StoreError> {
        let parts: [&dyn Display; 3] = [registry, repository, digest];
        Ok(Held {
            blobs: self.database.last_parts(Table::References, &parts).collect::<Result<_, _>>()?,
            tags: self.database.last_parts(Table::Tagged, &parts).collect::<Result<_, _>>()?,
            children: self
                .database
                .last_parts(Table::Children, &parts)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Removes a batch of manifests of a repository in one transaction. The caller holds the writer's lock, and passes at
    /// most [`MANIFEST_BATCH`] of them.
    pub(super) fn remove_manifests(
        &self,
        writer: &Writer<'_>,
        registry: &RegistryName,
        repository: &RepositoryName,
        batch: &[(Digest, ManifestRow)],
    ) -> Result<(), StoreError> {
        let held = batch
            .iter()
            .map(|(digest, row)| Ok((digest, row, self.held(registry, repository, digest)?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        writer.transact_for(Purpose::Removal, |view| {
            for (digest, row, held) in &held {
                remove_manifest(view, registry, repository, digest, row, held)?;
            }
            Ok(())
        })
    }
}
