//! Finds the dependents of stored objects: the manifests and repositories that use blobs, and the tags that reach manifests.
//!
//! Rows lead from manifests to blobs, and not in the other direction, so each query is a scan. It runs only after damage was found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::encoding::{last_part, nth_part, prefix};
use super::error::StoreError;
use super::handle::Store;
use super::tables::Table;
use crate::names::{Digest, RegistryName, RepositoryName, Tag};

/// A manifest: its repository and its digest.
type ManifestOf = (RepositoryName, Digest);

impl Store {
    /// The repositories that show these blobs.
    pub fn repositories_with_blobs(
        &self,
        registry: &RegistryName,
        blobs: &BTreeSet<Digest>,
    ) -> Result<BTreeMap<Digest, BTreeSet<RepositoryName>>, StoreError> {
        let mut found: BTreeMap<Digest, BTreeSet<RepositoryName>> = BTreeMap::new();
        for row in self.database.scan(Table::Links, &prefix(&[registry])) {
            let (key, _) = row?;
            let blob: Digest = last_part(&key)?;
            if blobs.contains(&blob) {
                found.entry(blob).or_default().insert(nth_part(&key, 1)?);
            }
        }
        Ok(found)
    }

    /// The manifests, by repository and digest, that refer to these blobs.
    pub fn manifests_with_blobs(
        &self,
        registry: &RegistryName,
        blobs: &BTreeSet<Digest>,
    ) -> Result<BTreeMap<Digest, BTreeSet<ManifestOf>>, StoreError> {
        let mut found: BTreeMap<Digest, BTreeSet<ManifestOf>> = BTreeMap::new();
        for row in self.database.scan(Table::References, &prefix(&[registry])) {
            let (key, _) = row?;
            let blob: Digest = last_part(&key)?;
            if blobs.contains(&blob) {
                let manifest = (nth_part(&key, 1)?, nth_part(&key, 2)?);
                found.entry(blob).or_default().insert(manifest);
            }
        }
        Ok(found)
    }

    /// The tags that lead to a manifest: its own, and those of the indexes that list it.
    pub fn tags_reaching(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<BTreeSet<Tag>, StoreError> {
        let (mut tags, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![digest.clone()];
        while let Some(digest) = open.pop() {
            let parts: [&dyn Display; 3] = [registry, repository, &digest];
            for tag in self.database.last_parts(Table::Tagged, &parts) {
                tags.insert(tag?);
            }
            for parent in self.database.last_parts(Table::Parents, &parts) {
                let parent: Digest = parent?;
                if seen.insert(parent.clone()) {
                    open.push(parent);
                }
            }
        }
        Ok(tags)
    }

    /// The repositories that hold a manifest of this digest, other than this one.
    pub fn other_repositories_with_manifest(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<RepositoryName>, StoreError> {
        let mut found = Vec::new();
        for other in self.all_repositories(registry)? {
            if other != *repository && self.manifest(registry, &other, digest)?.is_some() {
                found.push(other);
            }
        }
        Ok(found)
    }
}
