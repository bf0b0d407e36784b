//! What may be done with a repository, a tag or a manifest: setting it, and what stands in the way of a change.
//!
//! The switches lie in the rows of what they are about, so that they go with it, and a change looks at them in its own
//! transaction. The three levels know nothing of each other: locking one never locks another.

use super::database::View;
use super::error::StoreError;
use super::layout::Table;
use super::open::Store;
use super::rows::{Attributes, ManifestRow, RepositoryRow, TagRow, key};

/// What switches belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockable<'a> {
    /// The repository as a whole.
    Repository,
    /// A tag of it.
    Tag(&'a str),
    /// A manifest of it, by its digest.
    Manifest(&'a str),
}

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locked {
    /// The repository as a whole.
    Repository,
    /// A tag of it.
    Tag(String),
    /// A manifest of it, by its digest.
    Manifest(String),
}

/// What became of a tag or a manifest that was to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone; with a manifest, its tags as well.
    Removed,
    /// There was none.
    Unknown,
    /// It, its repository or a tag of it is locked: nothing was done.
    Locked(Locked),
}

impl Store {
    /// Changes what may be done with something. False: there is no such thing. Durable on return.
    pub fn change_attributes(
        &self,
        registry: &str,
        repository: &str,
        of: Lockable<'_>,
        change: impl Fn(&mut Attributes),
    ) -> Result<bool, StoreError> {
        let in_repository = |part: &str| key(&[registry, repository, part]);
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

/// Whether the repository as a whole is locked against writing. One that does not exist is not.
pub(super) fn repository_locked(
    view: &View<'_>,
    registry: &str,
    repository: &str,
) -> Result<Option<Locked>, StoreError> {
    let row = view.row::<RepositoryRow>(Table::Repositories, &key(&[registry, repository]))?;
    Ok(row.filter(|row| !row.attributes.write).map(|_| Locked::Repository))
}

/// The first of these tags that must not go.
pub(super) fn locked_tag(
    view: &View<'_>,
    registry: &str,
    repository: &str,
    tags: &[String],
) -> Result<Option<Locked>, StoreError> {
    for tag in tags {
        let row = view.row::<TagRow>(Table::Tags, &key(&[registry, repository, tag]))?;
        if row.is_some_and(|row| !row.attributes.allow_delete()) {
            return Ok(Some(Locked::Tag(tag.clone())));
        }
    }
    Ok(None)
}
