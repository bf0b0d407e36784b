//! Blobs: looks up, reads, mounts and deletes them.
//!
//! A blob is visible in a repository only if that repository holds a row for it. `blob_stream.rs` reads it.

use std::ops::Range;
use std::sync::Arc;

use super::blob_stream::BlobStream;
use super::damage::{self, StreamSource};
use super::locks;
use super::object;
use crate::names::{Digest, RepositoryName};
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::object_name::ObjectName;
use crate::registry::{Content, Parts};
use crate::store::{ObjectRow, Unlinked};

/// A blob of a repository.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub len: u64,
    pub(in crate::registry) row: ObjectRow,
}

impl Content {
    /// The blob, if this repository holds it.
    pub async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, Error> {
        let parts = Arc::clone(&self.0);
        let (repository, digest) = (repository.clone(), digest.clone());
        let now = parts.clock.unix_now();
        let noted = parts.clock.elapsed();
        parts.recent.note(&repository, &digest, noted);
        blocking(move || {
            locks::require_readable(&parts, &repository)?;
            let row = parts.store.see_blob(&parts.name, &repository, &digest, now)?;
            let Some(row) = row else {
                parts.recent.forget(&repository, &digest, noted);
                return Err(Error::BlobUnknown(digest));
            };
            let row = damage::sound_row(&parts, &ObjectName::Blob(digest.clone()), row)?;
            Ok::<_, Error>(Blob { digest, len: row.size, row })
        })
        .await
    }

    /// Opens a part of a blob for reading. The trailer is authenticated before this returns.
    pub async fn read_blob(&self, blob: &Blob, range: Range<u64>) -> Result<BlobStream, Error> {
        let name = ObjectName::Blob(blob.digest.clone());
        let opened = object::open(&self.0, &name, blob.row.clone()).await?;
        let range = range.start..range.end.min(opened.opener.len());
        let source = StreamSource::new(&self.0, name, opened.row.clone());
        Ok(BlobStream::new(opened, range, source))
    }

    /// Makes a blob of another repository visible in this one; without `from`, of any repository that has it.
    ///
    /// Returns whether there was one. A client that can push to `local` can read all its repositories; for a client
    /// with fewer rights, the caller must check the access to `from` first, and must not mount without `from`.
    pub async fn mount_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<bool, Error> {
        let parts = Arc::clone(&self.0);
        let (repository, digest, from) = (repository.clone(), digest.clone(), from.cloned());
        let noted = parts.clock.elapsed();
        parts.recent.note(&repository, &digest, noted);
        let now = parts.clock.unix_now();
        let found = blocking({
            let (parts, repository, digest) =
                (Arc::clone(&parts), repository.clone(), digest.clone());
            move || source_of_mount(&parts, &repository, &digest, from.as_ref())
        });
        // The client uploads a blob without a source. The trailer is authenticated: that is cheap, and a file that
        // cannot be opened must not be acknowledged.
        let opened = match found.await {
            Ok(Some(row)) => {
                object::open(&parts, &ObjectName::Blob(digest.clone()), row).await.map(drop)
            }
            Ok(None) => Err(Error::BlobUnknown(digest.clone())),
            Err(error) => Err(error),
        };
        match opened {
            Ok(()) => (),
            Err(Error::BlobUnknown(_) | Error::DamagedObject(_)) => {
                parts.recent.forget(&repository, &digest, noted);
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        blocking(move || {
            let mounted = parts.store.link_blob(&parts.name, &repository, &digest, now)?;
            if !mounted {
                parts.recent.forget(&repository, &digest, noted);
            }
            Ok::<_, Error>(mounted)
        })
        .await
    }

    /// Removes a blob from a repository, unless a manifest there refers to it.
    pub async fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        let (repository, digest) = (repository.clone(), digest.clone());
        blocking(move || {
            locks::require_writable(&parts, &repository)?;
            match parts.store.unlink_blob(&parts.name, &repository, &digest)? {
                Unlinked::Removed => Ok(()),
                Unlinked::Unknown => Err(Error::BlobUnknown(digest)),
                Unlinked::Referenced => Err(Error::BlobInUse(digest)),
            }
        })
        .await
    }
}

/// The source of a mount, if there is a blob that can be served.
fn source_of_mount(
    parts: &Parts,
    repository: &RepositoryName,
    digest: &Digest,
    from: Option<&RepositoryName>,
) -> Result<Option<ObjectRow>, Error> {
    locks::require_writable(parts, repository)?;
    let (store, registry) = (&parts.store, &parts.name);
    let row = match from {
        None => store.registry_blob(registry, digest)?,
        Some(from) => {
            locks::require_readable(parts, from)?;
            store.blob(registry, from, digest)?
        }
    };
    let sound = |row| damage::sound_row(parts, &ObjectName::Blob(digest.clone()), row);
    row.map(sound).transpose()
}
