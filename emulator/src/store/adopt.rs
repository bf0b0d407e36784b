//! Restores rows for sealed files that lost theirs: a repair calls it for the files that it found intact.
//!
//! The file is published already; the caller has authenticated its content and its name. The rows are not durable before
//! [`Store::commit_adopted`], so that a repair of many files does not wait for the disk at each.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::blobs::link;
use super::encoding::key;
use super::error::StoreError;
use super::handle::Store;
use super::manifest_rows::{NewManifest, Step, insert_manifest};
use super::objects::Presence;
use super::rows::{BlobRow, ManifestRow, ObjectRow};
use super::tables::Table;
use crate::names::{Digest, RegistryName, RepositoryName};

/// The result of adopting a sealed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It has a row now.
    Stored {
        /// The referenced blobs and manifests that the repository does not have.
        missing: Vec<Digest>,
    },
    /// The registry has the same content in another file, which stays.
    Duplicate,
}

impl Store {
    /// Restores the row of a sealed file as a blob, and shows it in a repository. A blob whose file is missing gets this one.
    pub fn adopt_blob(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
        object: &ObjectRow,
    ) -> Result<Adopted, StoreError> {
        let blob_key = key(&[registry, digest]);
        let writer = self.database.writer()?;
        let known: Option<BlobRow> = self.database.row(Table::Blobs, &blob_key)?;
        if let Some(known) = &known
            && self.has_file(known)?
        {
            return Ok(Adopted::Duplicate);
        }
        writer.transact(|view| {
            if let Some(BlobRow { object: gone, .. }) = &known {
                view.disown_file(registry, gone.file, gone.data_key)?;
            }
            view.own_file(registry, object.file, object.data_key)?;
            let links = known.as_ref().map_or(0, |known| known.links);
            let blob = BlobRow { object: object.clone(), links };
            view.put(Table::Blobs, blob_key.clone(), &blob)?;
            // A known blob has its repositories already.
            if known.is_none() {
                link(view, registry, repository, digest, blob, object.created)?;
                view.count(registry, |stats| {
                    stats.blobs += 1;
                    stats.bytes = stats.bytes.saturating_add(object.size);
                })?;
            }
            Ok(Adopted::Stored { missing: Vec::new() })
        })
    }

    /// Restores the row of a sealed file as a manifest of a repository, without a tag. The blobs that it refers to are shown
    /// in the repository if the registry has them. Missing blobs do not prevent clients from pulling the rest.
    pub fn adopt_manifest(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        manifest: NewManifest<'_>,
    ) -> Result<Adopted, StoreError> {
        let writer = self.database.writer()?;
        let in_repository = |part: &dyn Display| key(&[registry, repository, part]);
        let at = in_repository(manifest.digest);
        if self.database.row::<ManifestRow>(Table::Manifests, &at)?.is_some() {
            return Ok(Adopted::Duplicate);
        }
        let mut missing = Vec::new();
        let mut present = BTreeSet::new();
        let mut unlinked = Vec::new();
        for digest in manifest.blobs {
            let blob: Option<BlobRow> =
                self.database.row(Table::Blobs, &key(&[registry, digest]))?;
            match blob {
                Some(blob) => {
                    present.insert(digest);
                    if !self.database.has(Table::Links, &in_repository(digest))? {
                        unlinked.push((digest, blob));
                    }
                }
                None => missing.push(digest.clone()),
            }
        }
        for child in manifest.children {
            if !self.database.has(Table::Manifests, &in_repository(child))? {
                missing.push(child.clone());
            }
        }
        let manifest = NewManifest { sparse: true, tags: &[], ..manifest };
        writer.transact(|view| {
            for (digest, blob) in &unlinked {
                let now = manifest.row.pushed;
                link(view, registry, repository, digest, blob.clone(), now)?;
            }
            match insert_manifest(view, registry, repository, &manifest, &present, true)? {
                Step::Refused(put) => {
                    Err(StoreError::Damaged(format!("a manifest cannot be restored: {put:?}")))
                }
                Step::Inserted(_) | Step::Existing | Step::NeedsFile => {
                    Ok(Adopted::Stored { missing: missing.clone() })
                }
            }
        })
    }

    /// Makes all adopted rows durable.
    pub fn commit_adopted(&self) -> Result<(), StoreError> {
        self.database.commit()
    }

    /// Whether the file of a blob exists.
    fn has_file(&self, blob: &BlobRow) -> Result<bool, StoreError> {
        Ok(self.objects.look(blob.object.file)? != Presence::Missing)
    }
}
