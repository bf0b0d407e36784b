//! The attributes of a repository, a tag or a manifest: setting them, and the locks that block a change.
//!
//! The attributes are in the rows of their objects, so that they are deleted with them, and a change checks them in its own
//! transaction. The three levels are independent: locking one never locks another.

use std::fmt::Display;

use super::encoding::key;
use super::error::StoreError;
use super::handle::Store;
use super::rows::{Attributes, ManifestRow, RepositoryRow, TagRow};
use super::tables::Table;
use super::view::View;
use crate::names::{Digest, RegistryName, RepositoryName, Tag};

/// An object that has attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockable<'a> {
    /// The repository as a whole.
    Repository,
    /// A tag of it.
    Tag(&'a Tag),
    /// A manifest of it, by its digest.
    Manifest(&'a Digest),
}

/// The object that is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locked {
    /// The repository as a whole.
    Repository,
    /// A tag of it.
    Tag(Tag),
    /// A manifest of it, by its digest.
    Manifest(Digest),
}

/// The result of deleting a tag or a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It was deleted; with a manifest, its tags as well.
    Removed,
    /// There is no such tag or manifest.
    Unknown,
    /// It, its repository or a tag of it is locked: nothing was done.
    Locked(Locked),
}

impl Store {
    /// Changes the attributes of an object. Returns false if there is no such object. Durable on return.
    pub fn change_attributes(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        of: Lockable<'_>,
        change: impl Fn(&mut Attributes),
    ) -> Result<bool, StoreError> {
        let in_repository = |part: &dyn Display| key(&[registry, repository, part]);
        let changed = self.database.transact(|view| match of {
            Lockable::Repository => {
                let key = key(&[registry, repository]);
                view.change(Table::Repositories, key, |row: &mut RepositoryRow| {
                    change(&mut row.attributes);
                })
            }
            Lockable::Tag(tag) => {
                view.change(Table::Tags, in_repository(tag), |row: &mut TagRow| {
                    change(&mut row.attributes);
                })
            }
            Lockable::Manifest(digest) => {
                view.change(Table::Manifests, in_repository(digest), |row: &mut ManifestRow| {
                    change(&mut row.attributes);
                })
            }
        })?;
        if changed {
            self.database.commit()?;
        }
        Ok(changed)
    }
}

/// Whether the repository as a whole is locked against writing. A missing repository is not.
pub(super) fn repository_locked(
    view: &View<'_>,
    registry: &RegistryName,
    repository: &RepositoryName,
) -> Result<Option<Locked>, StoreError> {
    let row = view.row::<RepositoryRow>(Table::Repositories, &key(&[registry, repository]))?;
    Ok(row.filter(|row| !row.attributes.write).map(|_| Locked::Repository))
}

/// The first of these tags that must not be deleted.
pub(super) fn locked_tag(
    view: &View<'_>,
    registry: &RegistryName,
    repository: &RepositoryName,
    tags: &[Tag],
) -> Result<Option<Locked>, StoreError> {
    for tag in tags {
        let row = view.row::<TagRow>(Table::Tags, &key(&[registry, repository, tag]))?;
        if row.is_some_and(|row| !row.attributes.allow_delete()) {
            return Ok(Some(Locked::Tag(tag.clone())));
        }
    }
    Ok(None)
}
