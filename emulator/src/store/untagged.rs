//! Collection of manifests that no tag reaches.
//!
//! A tag reaches its manifest, an index reaches the manifests that it lists, and a manifest reaches its referrers. Whether
//! a manifest can go is asked the other way round: from it over the indexes that list it and over its subject. It goes if
//! there is no root on the way: no manifest that has a tag, is locked, or is younger than the rules allow. Then nothing on
//! the way has a root either, and all of it goes at once.
//!
//! The look and the removal share the writer's lock. So a push or a tag comes before them, and is a root; or after them,
//! and is told what is missing.

use std::collections::{BTreeSet, VecDeque};

use super::collect::{CollectRules, Collected, Kept};
use super::error::StoreError;
use super::layout::Table;
use super::locks::repository_locked;
use super::manifests::{MANIFEST_BATCH, list_children};
use super::open::Store;
use super::rows::{FileId, ManifestRow, decode, key, nth_part, prefix};

/// What a look from one manifest towards the roots found.
#[derive(Default)]
struct Ancestry {
    /// The manifest itself and what reaches it, the nearest first.
    manifests: Vec<(String, ManifestRow)>,
    /// Whether a tag or a lock keeps all of it.
    is_reachable: bool,
    /// The first that is too young to go.
    young: Option<(String, i64)>,
}

impl Store {
    /// Removes the manifests of a registry that no tag reaches, as far as the rules give them up.
    pub(super) fn collect_untagged(
        &self,
        registry: &str,
        rules: CollectRules<'_>,
        collected: &mut Collected,
        progress: &mut dyn FnMut(&Collected),
    ) -> Result<(), StoreError> {
        for row in self.database.scan(Table::Manifests, &prefix(&[registry])) {
            let (key, bytes) = row?;
            let row: ManifestRow = decode(&bytes)?;
            let (repository, digest) = (nth_part(&key, 1)?, nth_part(&key, 2)?);
            // Most have a tag or a lock: no need to hold up writers for them.
            if self.is_root(registry, &repository, &digest, &row)? {
                continue;
            }
            let files = self.remove_unreachable(registry, &repository, &digest, rules)?;
            if files.is_empty() {
                continue;
            }
            self.database.commit()?;
            for (file, size) in files {
                self.unlink(file)?;
                collected.manifests += 1;
                collected.bytes = collected.bytes.saturating_add(size);
            }
            progress(collected);
        }
        Ok(())
    }

    /// Whether rows say what an index lists. Not so if it lists nothing, or was pushed before such rows were kept.
    pub fn lists_children(
        &self,
        registry: &str,
        repository: &str,
        digest: &str,
    ) -> Result<bool, StoreError> {
        let parts = [registry, repository, digest];
        Ok(self.database.last_parts(Table::Children, &parts).next().transpose()?.is_some())
    }

    /// Notes what an index lists, if it is still there.
    pub fn note_children(
        &self,
        registry: &str,
        repository: &str,
        digest: &str,
        children: &[String],
    ) -> Result<(), StoreError> {
        let parts = [registry, repository, digest];
        self.database.transact(|view| {
            if !view.has(Table::Manifests, &key(&parts))? {
                return Ok(());
            }
            list_children(view, parts, children)
        })
    }

    /// Makes the rows of a repository look as an older version of the program left them.
    #[cfg(test)]
    pub(crate) fn forget_children(
        &self,
        registry: &str,
        repository: &str,
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

    /// Removes a manifest and all that reaches it, unless there is a root among them. Says which files they had.
    fn remove_unreachable(
        &self,
        registry: &str,
        repository: &str,
        digest: &str,
        rules: CollectRules<'_>,
    ) -> Result<Vec<(FileId, u64)>, StoreError> {
        let writer = self.database.writer()?;
        let found = self.ancestry(registry, repository, digest, rules)?;
        if found.is_reachable {
            return Ok(Vec::new());
        }
        if let Some((young, pushed)) = &found.young {
            (rules.kept)(Kept::Manifest { repository, digest: young, touched: *pushed });
            return Ok(Vec::new());
        }
        if writer.transact(|view| repository_locked(view, registry, repository))?.is_some() {
            return Ok(Vec::new());
        }
        let mut files = Vec::new();
        // The farthest first: cut off half way, no index is left without a manifest that it lists.
        for batch in found.manifests.rchunks(MANIFEST_BATCH) {
            self.remove_manifests(&writer, [registry, repository], batch)?;
            files.extend(batch.iter().map(|(_, row)| (row.object.file, row.object.size)));
        }
        Ok(files)
    }

    /// To be called under the writer's lock.
    fn ancestry(
        &self,
        registry: &str,
        repository: &str,
        digest: &str,
        rules: CollectRules<'_>,
    ) -> Result<Ancestry, StoreError> {
        let mut found = Ancestry::default();
        let mut seen = BTreeSet::from([digest.to_owned()]);
        let mut next = VecDeque::from([digest.to_owned()]);
        while let Some(digest) = next.pop_front() {
            // What is listed by nothing, or refers to nothing, has no way to a root there.
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
            let parts = [registry, repository, &digest];
            for parent in self.database.last_parts(Table::Parents, &parts) {
                let parent = parent?;
                if seen.insert(parent.clone()) {
                    next.push_back(parent);
                }
            }
            if let Some(subject) =
                row.subject.as_ref().filter(|subject| seen.insert((*subject).clone()))
            {
                next.push_back(subject.clone());
            }
            found.manifests.push((digest, row));
        }
        Ok(found)
    }

    /// Whether a manifest stays by itself: it has a tag, or is locked.
    fn is_root(
        &self,
        registry: &str,
        repository: &str,
        digest: &str,
        row: &ManifestRow,
    ) -> Result<bool, StoreError> {
        let parts = [registry, repository, digest];
        let tag = self.database.last_parts(Table::Tagged, &parts).next().transpose()?;
        Ok(tag.is_some() || !row.attributes.allow_delete())
    }
}
