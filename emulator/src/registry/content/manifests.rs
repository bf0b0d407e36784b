//! Manifests: finds, reads and deletes them. `manifest_push.rs` stores one.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::damage;
use super::locks;
use super::locks::require_repository;
use super::object;
use crate::names::{Digest, Reference, RepositoryName};
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::object_name::ObjectName;
use crate::registry::{Content, Parts};
use crate::store::{Deleted, Locked, ManifestRow};

/// A stored manifest, without its bytes.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its length in bytes.
    pub len: u64,
    repository: RepositoryName,
    pub(in crate::registry) row: ManifestRow,
}

impl Content {
    /// The manifest of a reference, if it may be pulled.
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Manifest, Error> {
        let parts = Arc::clone(&self.0);
        let (repository, reference) = (repository.clone(), reference.clone());
        blocking(move || find(&parts, &repository, &reference)).await
    }

    /// The bytes of a manifest, as pushed.
    pub async fn read_manifest(&self, manifest: &Manifest) -> Result<Zeroizing<Vec<u8>>, Error> {
        let name = ObjectName::Manifest(manifest.repository.clone(), manifest.digest.clone());
        object::read_all(&self.0, &name, manifest.row.object.clone()).await
    }

    /// Deletes a manifest with all its tags, or only a tag.
    pub async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        let (repository, reference) = (repository.clone(), reference.clone());
        blocking(move || {
            require_repository(&parts, &repository)?;
            let deleted = match &reference {
                Reference::Tag(tag) => parts.store.delete_tag(&parts.name, &repository, tag)?,
                Reference::Digest(digest) => {
                    parts.store.delete_manifest(&parts.name, &repository, digest)?
                }
            };
            match deleted {
                Deleted::Removed => Ok(()),
                Deleted::Unknown => Err(Error::ManifestUnknown(reference)),
                Deleted::Locked(locked) => Err(Error::Locked { repository, locked }),
            }
        })
        .await
    }
}

fn find(
    parts: &Parts,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Manifest, Error> {
    let locked = |locked| Err(Error::Locked { repository: repository.clone(), locked });
    let digest = match reference {
        Reference::Digest(digest) => Some(digest.clone()),
        Reference::Tag(tag) => match parts.store.tag_row(&parts.name, repository, tag)? {
            Some(row) if !row.attributes.read => return locked(Locked::Tag(tag.clone())),
            Some(row) => Some(row.digest()?),
            None => None,
        },
    };
    let row = match &digest {
        Some(digest) => {
            // The client may pull it next, or push an index or a tag for it.
            let noted = parts.clock.elapsed();
            parts.recent.note(repository, digest, noted);
            let row = parts.store.manifest(&parts.name, repository, digest)?;
            if row.is_none() {
                parts.recent.forget(repository, digest, noted);
            }
            row
        }
        None => None,
    };
    if let Some((digest, row)) = digest.zip(row) {
        if !row.attributes.read {
            return locked(Locked::Manifest(digest));
        }
        locks::require_readable(parts, repository)?;
        let name = ObjectName::Manifest(repository.clone(), digest.clone());
        let object = damage::sound_row(parts, &name, row.object)?;
        let (repository, media_type) = (repository.clone(), row.media_type.clone());
        let row = ManifestRow { object, ..row };
        Ok(Manifest { digest, media_type, len: row.object.size, repository, row })
    } else {
        require_repository(parts, repository)?;
        Err(Error::ManifestUnknown(reference.clone()))
    }
}
