//! Locks of repositories, tags and manifests: changes them, and checks them before content is used.
//!
//! ACR's four switches, `delete`, `list`, `read` and `write`, on three independent levels. `acr/` changes them. They
//! are checked here and in the store's transactions, so that they hold for every API.
//!
//! - A repository locked against writing accepts no push and no deletion. Locked against deletion, it cannot be deleted
//!   as a whole, but its contents can.
//! - A tag locked against writing does not move. Locked against either, neither it nor its manifest can be deleted.
//! - A manifest locked against either cannot be deleted. It can still get another tag.

use std::sync::Arc;

use crate::names::{Digest, Reference, RepositoryName, Tag};
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::{Content, Parts};
use crate::store::{Attributes, Lockable, Locked};

/// The object whose switches change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The repository as a whole.
    Repository,
    /// A tag of it.
    Tag(Tag),
    /// A manifest of it.
    Manifest(Digest),
}

/// A change of some of the four switches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttributeChange {
    /// Whether it may be deleted.
    pub delete: Option<bool>,
    /// Whether lists show it.
    pub list: Option<bool>,
    /// Whether it may be pulled.
    pub read: Option<bool>,
    /// Whether it may be written and deleted.
    pub write: Option<bool>,
}

impl AttributeChange {
    fn apply(self, attributes: &mut Attributes) {
        let Self { delete, list, read, write } = self;
        attributes.delete = delete.unwrap_or(attributes.delete);
        attributes.list = list.unwrap_or(attributes.list);
        attributes.read = read.unwrap_or(attributes.read);
        attributes.write = write.unwrap_or(attributes.write);
    }
}

impl Content {
    /// Changes the switches of an object. This is never locked, so a locked object can be unlocked.
    pub async fn change_attributes(
        &self,
        repository: &RepositoryName,
        target: &Target,
        change: AttributeChange,
    ) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        let (repository, target) = (repository.clone(), target.clone());
        blocking(move || {
            let of = match &target {
                Target::Repository => Lockable::Repository,
                Target::Tag(tag) => Lockable::Tag(tag),
                Target::Manifest(digest) => Lockable::Manifest(digest),
            };
            let apply = |attributes: &mut Attributes| change.apply(attributes);
            if parts.store.change_attributes(&parts.name, &repository, of, apply)? {
                return Ok(());
            }
            require_repository(&parts, &repository)?;
            Err(match target {
                Target::Repository => Error::RepositoryUnknown(repository),
                Target::Tag(tag) => Error::TagUnknown(tag),
                Target::Manifest(digest) => Error::ManifestUnknown(Reference::Digest(digest)),
            })
        })
        .await
    }
}

/// Refuses a pull from a repository that is locked against reading.
pub(in crate::registry) fn require_readable(
    parts: &Parts,
    repository: &RepositoryName,
) -> Result<(), Error> {
    require(parts, repository, |attributes| attributes.read)
}

/// Refuses a push to a repository that is locked against writing.
pub(in crate::registry) fn require_writable(
    parts: &Parts,
    repository: &RepositoryName,
) -> Result<(), Error> {
    require(parts, repository, |attributes| attributes.write)
}

fn require(
    parts: &Parts,
    repository: &RepositoryName,
    allows: impl Fn(Attributes) -> bool,
) -> Result<(), Error> {
    match parts.store.repository(&parts.name, repository)? {
        Some(row) if !allows(row.attributes) => {
            Err(Error::Locked { repository: repository.clone(), locked: Locked::Repository })
        }
        _ => Ok(()),
    }
}

pub(in crate::registry) fn require_repository(
    parts: &Parts,
    repository: &RepositoryName,
) -> Result<(), Error> {
    if parts.store.repository_exists(&parts.name, repository)? {
        return Ok(());
    }
    Err(Error::RepositoryUnknown(repository.clone()))
}
