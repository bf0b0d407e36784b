//! Repositories: made with their first manifest, and deleted by a client.
//!
//! Deleting a repository removes its manifests batch by batch under the writer's lock, and then its row: a kill leaves
//! a repository with fewer manifests, and the next attempt completes the work. Its blobs are left to collection.

use azure_emulator_core::disk_space::Purpose;

use super::encoding::{decode, key, last_part, prefix};
use super::error::StoreError;
use super::handle::Store;
use super::locks::Locked;
use super::manifests::MANIFEST_BATCH;
use super::rows::{RepositoryRow, TagRow};
use super::tables::Table;
use crate::names::{Digest, RegistryName, RepositoryName, Tag};

/// The result of deleting a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeletedRepository {
    /// It was deleted.
    Removed {
        /// The digests of its manifests, in order.
        manifests: Vec<Digest>,
        /// Its tags, in order.
        tags: Vec<Tag>,
    },
    /// There is no such repository.
    Unknown,
    /// It or something in it is locked: nothing was done.
    Locked(Locked),
}

impl Store {
    /// The repositories of a registry in lexical order that lists show, after `after`, at most `limit`.
    pub fn repositories(
        &self,
        registry: &RegistryName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, StoreError> {
        self.database
            .scan_after(Table::Repositories, &prefix(&[registry]), after)
            .map(|row| {
                let (key, bytes) = row?;
                let row: RepositoryRow = decode(&bytes)?;
                Ok(row.attributes.list.then_some(last_part(&key)?))
            })
            .filter_map(Result::transpose)
            .take(limit)
            .collect()
    }

    /// All repositories of a registry in lexical order, whether or not lists show them.
    pub fn all_repositories(
        &self,
        registry: &RegistryName,
    ) -> Result<Vec<RepositoryName>, StoreError> {
        self.database.last_parts(Table::Repositories, &[registry]).collect()
    }

    /// A repository; `None` if no manifest was ever pushed to it.
    pub fn repository(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
    ) -> Result<Option<RepositoryRow>, StoreError> {
        self.database.row(Table::Repositories, &key(&[registry, repository]))
    }

    /// Whether a manifest was ever pushed to the repository.
    pub fn repository_exists(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
    ) -> Result<bool, StoreError> {
        self.database.has(Table::Repositories, &key(&[registry, repository]))
    }

    /// Deletes a repository with its manifests and tags, unless one of them is locked. Durable on return.
    pub fn delete_repository(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
    ) -> Result<DeletedRepository, StoreError> {
        let writer = self.database.writer()?;
        let Some(row) = self.repository(registry, repository)? else {
            return Ok(DeletedRepository::Unknown);
        };
        if !row.attributes.allow_delete() {
            return Ok(DeletedRepository::Locked(Locked::Repository));
        }
        let tags: Vec<(Tag, TagRow)> =
            self.tag_rows(registry, repository, None).collect::<Result<_, _>>()?;
        if let Some((tag, _)) = tags.iter().find(|(_, row)| !row.attributes.allow_delete()) {
            return Ok(DeletedRepository::Locked(Locked::Tag(tag.clone())));
        }
        let manifests = self.manifests(registry, repository, None, usize::MAX)?;
        if let Some((digest, _)) = manifests.iter().find(|(_, row)| !row.attributes.allow_delete())
        {
            return Ok(DeletedRepository::Locked(Locked::Manifest(digest.clone())));
        }
        for batch in manifests.chunks(MANIFEST_BATCH) {
            self.remove_manifests(&writer, registry, repository, batch)?;
        }
        writer.transact_for(Purpose::Removal, |view| {
            view.remove(Table::Repositories, key(&[registry, repository]))?;
            view.count(registry, |stats| {
                stats.repositories = stats.repositories.saturating_sub(1);
            })
        })?;
        drop(writer);
        self.database.commit()?;
        for (_, row) in &manifests {
            self.objects.delete(row.object.file)?;
        }
        Ok(DeletedRepository::Removed {
            manifests: manifests.into_iter().map(|(digest, _)| digest).collect(),
            tags: tags.into_iter().map(|(tag, _)| tag).collect(),
        })
    }
}
