//! Collects manifests that no tag reaches.
//!
//! A tag reaches its manifest, an index reaches the manifests that it lists, and a manifest reaches its referrers. The
//! search goes from a manifest towards the tags: over the indexes that list it and over its subject. The manifest is removed if
//! the search finds no root: no manifest that has a tag, is locked, or is younger than the rules allow. Then no manifest on
//! the path has a root either, and all of them are removed at once.
//!
//! The search and the removal share the writer's lock. So a push or a tag comes either before them, and is a root; or after
//! them, and gets an error that names the missing manifests.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Display;

use super::collect::{CollectRules, Collected, Retained};
use super::encoding::{decode, key, nth_part, prefix};
use super::error::StoreError;
use super::file_id::FileId;
use super::handle::Store;
use super::locks::repository_locked;
use super::manifest_rows::list_children;
use super::manifests::MANIFEST_BATCH;
use super::rows::ManifestRow;
use super::tables::Table;
use crate::names::{Digest, RegistryName, RepositoryName};

/// The result of a search from one manifest towards the roots.
#[derive(Default)]
struct Ancestry {
    /// The manifest itself and the manifests that reach it, the nearest first.
    manifests: Vec<(Digest, ManifestRow)>,
    /// Whether a tag or a lock keeps all of them.
    is_reachable: bool,
    /// The first manifest that is too young to be removed.
    young: Option<(Digest, i64)>,
}

impl Store {
    /// Removes the manifests of a registry that no tag reaches, if the rules permit it.
    pub(super) fn collect_untagged(
        &self,
        registry: &RegistryName,
        rules: CollectRules<'_>,
        collected: &mut Collected,
        progress: &mut dyn FnMut(&Collected),
    ) -> Result<(), StoreError> {
        for row in self.database.scan(Table::Manifests, &prefix(&[registry])) {
            let (key, bytes) = row?;
            let row: ManifestRow = decode(&bytes)?;
            let (repository, digest): (RepositoryName, Digest) =
                (nth_part(&key, 1)?, nth_part(&key, 2)?);
            // Most have a tag or a lock: no need to block writers for them.
            if self.is_root(registry, &repository, &digest, &row)? {
                continue;
            }
            let files = self.remove_unreachable(registry, &repository, &digest, rules)?;
            if files.is_empty() {
                continue;
            }
            self.database.commit()?;
            for (file, size) in files {
                self.objects.delete(file)?;
                collected.manifests += 1;
                collected.bytes = collected.bytes.saturating_add(size);
            }
            progress(collected);
        }
        Ok(())
    }

    /// Whether rows list the children of an index. False if it has none, or was pushed before such rows were kept.
    pub fn lists_children(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let children = prefix(&[registry, repository, digest]);
        Ok(self.database.scan(Table::Children, &children).next().transpose()?.is_some())
    }

    /// Records the manifests that an index lists, if the index still exists.
    pub fn note_children(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
        children: &[Digest],
    ) -> Result<(), StoreError> {
        self.database.transact(|view| {
            if !view.has(Table::Manifests, &key(&[registry, repository, digest]))? {
                return Ok(());
            }
            list_children(view, registry, repository, digest, children)
        })
    }

    /// Makes the rows of a repository look like those of an older version of the program.
    #[cfg(test)]
    pub(crate) fn remove_children(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
    ) -> Result<(), StoreError> {
        let writer = self.database.writer()?;
        for table in [Table::Children, Table::Parents] {
            for row in self.database.scan(table, &prefix(&[registry, repository])) {
                let (key, _) = row?;
                writer.transact(|view| view.remove(table, key.to_vec()))?;
            }
        }
        Ok(())
    }

    /// Removes a manifest and all manifests that reach it, unless there is a root among them. Returns their files.
    fn remove_unreachable(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
        rules: CollectRules<'_>,
    ) -> Result<Vec<(FileId, u64)>, StoreError> {
        let writer = self.database.writer()?;
        let found = self.ancestry(registry, repository, digest, rules)?;
        if found.is_reachable {
            return Ok(Vec::new());
        }
        if let Some((young, pushed)) = &found.young {
            (rules.on_retained)(Retained::Manifest { repository, digest: young, touched: *pushed });
            return Ok(Vec::new());
        }
        if writer.transact(|view| repository_locked(view, registry, repository))?.is_some() {
            return Ok(Vec::new());
        }
        let mut files = Vec::new();
        // The farthest first: if the work is interrupted, no index lacks a manifest that it lists.
        for batch in found.manifests.rchunks(MANIFEST_BATCH) {
            self.remove_manifests(&writer, registry, repository, batch)?;
            files.extend(batch.iter().map(|(_, row)| (row.object.file, row.object.size)));
        }
        Ok(files)
    }

    /// Call it under the writer's lock.
    fn ancestry(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
        rules: CollectRules<'_>,
    ) -> Result<Ancestry, StoreError> {
        let mut found = Ancestry::default();
        let mut seen = BTreeSet::from([digest.clone()]);
        let mut next = VecDeque::from([digest.clone()]);
        while let Some(digest) = next.pop_front() {
            // A missing subject or index leads to no root.
            let Some(row) = self.manifest(registry, repository, &digest)? else { continue };
            if self.is_root(registry, repository, &digest, &row)? {
                found.is_reachable = true;
                return Ok(found);
            }
            let is_young =
                row.pushed >= rules.unreferenced_before || (rules.is_recent)(repository, &digest);
            if is_young && found.young.is_none() {
                found.young = Some((digest.clone(), row.pushed));
            }
            let parents = [registry as &dyn Display, repository, &digest];
            for parent in self.database.last_parts(Table::Parents, &parents) {
                let parent: Digest = parent?;
                if seen.insert(parent.clone()) {
                    next.push_back(parent);
                }
            }
            if let Some(subject) = row.subject()?
                && seen.insert(subject.clone())
            {
                next.push_back(subject);
            }
            found.manifests.push((digest, row));
        }
        Ok(found)
    }

    /// Whether a manifest stays by itself: it has a tag, or is locked.
    fn is_root(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
        row: &ManifestRow,
    ) -> Result<bool, StoreError> {
        let tags = prefix(&[registry, repository, digest]);
        let tag = self.database.scan(Table::Tagged, &tags).next().transpose()?;
        Ok(tag.is_some() || !row.attributes.allow_delete())
    }
}
