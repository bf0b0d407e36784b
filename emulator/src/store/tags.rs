//! Tags: names in a repository that point to a manifest of it.
//!
//! They are stored in both directions, tag to manifest and manifest to tags, so that a manifest is deleted with its tags
//! without a scan. The transaction that stores a manifest also sets its tag, in `manifests`.

use azure_emulator_core::disk_space::Purpose;

use super::encoding::{decode, key, last_part, prefix};
use super::error::StoreError;
use super::handle::Store;
use super::locks::{Deleted, Locked, repository_locked};
use super::rows::{Attributes, RepositoryRow, TagRow};
use super::tables::Table;
use super::view::View;
use crate::names::{Digest, RegistryName, RepositoryName, Tag};

/// A moment of the emulator's time: seconds since 1970, and the part of a second beyond them.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) seconds: i64,
    pub(super) nanos: u32,
}

impl Store {
    /// A tag.
    pub fn tag_row(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<TagRow>, StoreError> {
        self.database.row(Table::Tags, &key(&[registry, repository, tag]))
    }

    /// Deletes a tag; the manifest stays. Durable.
    pub fn delete_tag(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Deleted, StoreError> {
        let tag_key = key(&[registry, repository, tag]);
        let deleted = self.database.transact_for(Purpose::Removal, |view| {
            let Some(row) = view.row::<TagRow>(Table::Tags, &tag_key)? else {
                return Ok(Deleted::Unknown);
            };
            if let Some(locked) = repository_locked(view, registry, repository)? {
                return Ok(Deleted::Locked(locked));
            }
            if !row.attributes.allow_delete() {
                return Ok(Deleted::Locked(Locked::Tag(tag.clone())));
            }
            remove_tag(view, registry, repository, tag, &row.digest()?)?;
            let repository_key = key(&[registry, repository]);
            if let Some(mut row) =
                view.row::<RepositoryRow>(Table::Repositories, &repository_key)?
            {
                row.tags = row.tags.saturating_sub(1);
                view.put(Table::Repositories, repository_key, &row)?;
            }
            Ok(Deleted::Removed)
        })?;
        if deleted == Deleted::Removed {
            self.database.commit()?;
        }
        Ok(deleted)
    }

    /// The tags of a repository in lexical order that lists show, after `after`, at most `limit`. `None` if there is no
    /// such repository.
    pub fn tags(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<Tag>>, StoreError> {
        if !self.repository_exists(registry, repository)? {
            return Ok(None);
        }
        self.tag_rows(registry, repository, after)
            .filter(|tag| tag.as_ref().map_or(true, |(_, row)| row.attributes.list))
            .take(limit)
            .map(|tag| Ok(tag?.0))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// All tags of a repository in lexical order, after `after`, whether or not lists show them.
    pub fn tag_rows(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        after: Option<&str>,
    ) -> impl Iterator<Item = Result<(Tag, TagRow), StoreError>> + use<> {
        self.database.scan_after(Table::Tags, &prefix(&[registry, repository]), after).map(|row| {
            let (key, bytes) = row?;
            Ok((last_part(&key)?, decode(&bytes)?))
        })
    }

    /// The tags that point to a manifest, in lexical order.
    pub fn tags_of(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Tag>, StoreError> {
        self.database.last_parts(Table::Tagged, &[registry, repository, digest]).collect()
    }
}

/// Points a tag to a manifest. Returns true if the tag is new. The attributes of a tag
/// stay when it moves.
pub(super) fn set_tag(
    view: &View<'_>,
    registry: &RegistryName,
    repository: &RepositoryName,
    tag: &Tag,
    digest: &Digest,
    now: Moment,
) -> Result<bool, StoreError> {
    let tag_key = key(&[registry, repository, tag]);
    let old = view.row::<TagRow>(Table::Tags, &tag_key)?;
    if let Some(old) = &old {
        view.remove(Table::Tagged, key(&[registry, repository, &old.digest, tag]))?;
    }
    view.put_bytes(Table::Tagged, key(&[registry, repository, digest, tag]), Vec::new())?;
    let Moment { seconds, nanos } = now;
    let (created, created_nanos, attributes) = match &old {
        Some(old) => (old.created, old.created_nanos, old.attributes),
        None => (seconds, nanos, Attributes::default()),
    };
    let row = TagRow {
        digest: digest.to_string(),
        created,
        updated: seconds,
        created_nanos,
        updated_nanos: nanos,
        attributes,
    };
    view.put(Table::Tags, tag_key, &row)?;
    Ok(old.is_none())
}

/// Removes a tag that points to `digest`.
pub(super) fn remove_tag(
    view: &View<'_>,
    registry: &RegistryName,
    repository: &RepositoryName,
    tag: &Tag,
    digest: &Digest,
) -> Result<(), StoreError> {
    view.remove(Table::Tags, key(&[registry, repository, tag]))?;
    view.remove(Table::Tagged, key(&[registry, repository, digest, tag]))
}
