//! Tags: names in a repository that point to a manifest of it.
//!
//! They are kept both ways, tag to manifest and manifest to tags, so that a manifest is deleted with its tags without
//! a look at all others. The tag of a manifest that is put is set by that same transaction, in `manifests`.

use super::database::View;
use super::error::StoreError;
use super::layout::Table;
use super::open::Store;
use super::rows::{RepositoryRow, TagRow, key, last_part, prefix};

impl Store {
    /// The digest that a tag points to.
    pub fn tag(
        &self,
        registry: &str,
        repository: &str,
        tag: &str,
    ) -> Result<Option<String>, StoreError> {
        Ok(self.tag_row(registry, repository, tag)?.map(|row| row.digest))
    }

    /// A tag, with its times.
    pub fn tag_row(
        &self,
        registry: &str,
        repository: &str,
        tag: &str,
    ) -> Result<Option<TagRow>, StoreError> {
        self.database.row(Table::Tags, &key(&[registry, repository, tag]))
    }

    /// Takes a tag away; the manifest stays. False: there is no such tag. Durable.
    pub fn delete_tag(
        &self,
        registry: &str,
        repository: &str,
        tag: &str,
    ) -> Result<bool, StoreError> {
        let parts = [registry, repository, tag];
        let removed = self.database.transact(|view| {
            let Some(row) = view.row::<TagRow>(Table::Tags, &key(&parts))? else {
                return Ok(false);
            };
            remove_tag(view, parts, &row.digest)?;
            let repository_key = key(&[registry, repository]);
            if let Some(mut row) =
                view.row::<RepositoryRow>(Table::Repositories, &repository_key)?
            {
                row.tags = row.tags.saturating_sub(1);
                view.put(Table::Repositories, repository_key, &row)?;
            }
            Ok(true)
        })?;
        if removed {
            self.database.commit()?;
        }
        Ok(removed)
    }

    /// The tags of a repository in lexical order, after `after`, at most `limit`. None: there is no such repository.
    pub fn tags(
        &self,
        registry: &str,
        repository: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<String>>, StoreError> {
        if !self.repository_exists(registry, repository)? {
            return Ok(None);
        }
        self.database
            .scan_after(Table::Tags, &prefix(&[registry, repository]), after)
            .take(limit)
            .map(|row| last_part(&row?.0))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The tags that point to a manifest, in lexical order.
    pub fn tags_of(
        &self,
        registry: &str,
        repository: &str,
        digest: &str,
    ) -> Result<Vec<String>, StoreError> {
        self.database
            .scan(Table::Tagged, &prefix(&[registry, repository, digest]))
            .map(|row| last_part(&row?.0))
            .collect()
    }
}

/// Points a tag (registry, repository, tag) to a manifest. True: there was no such tag.
pub(super) fn set_tag(
    view: &View<'_>,
    parts: [&str; 3],
    digest: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let [registry, repository, tag] = parts;
    let old = view.row::<TagRow>(Table::Tags, &key(&parts))?;
    if let Some(old) = &old {
        view.remove(Table::Tagged, key(&[registry, repository, &old.digest, tag]))?;
    }
    view.put_bytes(Table::Tagged, key(&[registry, repository, digest, tag]), Vec::new())?;
    let created = old.as_ref().map_or(now, |old| old.created);
    let row = TagRow { digest: digest.to_owned(), created, updated: now };
    view.put(Table::Tags, key(&parts), &row)?;
    Ok(old.is_none())
}

/// Removes a tag (registry, repository, tag) that points to `digest`.
pub(super) fn remove_tag(
    view: &View<'_>,
    parts: [&str; 3],
    digest: &str,
) -> Result<(), StoreError> {
    let [registry, repository, tag] = parts;
    view.remove(Table::Tags, key(&parts))?;
    view.remove(Table::Tagged, key(&[registry, repository, digest, tag]))
}
