//! The push of a manifest: checks its references, seals it, and stores it with its tags.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::damage;
use super::object;
use crate::keys::KeyLease;
use crate::names::{Algorithm, Digest, Reference, RepositoryName, Tag};
use crate::registry::Content;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::manifest::{MAX_MANIFEST_LEN, ParsedManifest};
use crate::registry::object_name::ObjectName;
use crate::registry::parts::Parts;
use crate::store::{
    Attributes, FileId, ManifestRow, NewManifest, NewObject, ObjectRow, Put, StoreError,
};
use sealed_envelope::{Binding, ObjectKind, Sealer};

/// Manifests are small: a segment of this size holds most of them.
const MANIFEST_SEGMENT_LEN: u32 = 64 << 10;
/// The names of a pushed manifest.
#[derive(Clone, Debug, Default)]
pub struct ManifestNames {
    /// Digests from the client. The manifest is stored under the first one, or else under its SHA-256.
    pub digests: Vec<Digest>,
    /// Tags to point to it.
    pub tags: Vec<Tag>,
}

impl From<&Reference> for ManifestNames {
    fn from(reference: &Reference) -> Self {
        match reference {
            Reference::Digest(digest) => Self { digests: vec![digest.clone()], tags: Vec::new() },
            Reference::Tag(tag) => Self { digests: Vec::new(), tags: vec![tag.clone()] },
        }
    }
}

/// The result of a push.
#[derive(Clone, Debug)]
pub struct PutManifest {
    /// The digest under which it is stored.
    pub digest: Digest,
    /// The subject that it names; this tells the client that the referrers API has noted it.
    pub subject: Option<Digest>,
}

impl Content {
    /// The maximum time in which the body of a manifest must arrive.
    pub fn body_limit(&self) -> Duration {
        self.0.settings.body_idle
    }

    /// Stores a manifest under its digest and points the tags to it, all of them or none.
    ///
    /// Returns when everything is durable. All references must be in the repository: the transaction that stores the
    /// manifest checks that, so no collection can run between.
    pub async fn put_manifest(
        &self,
        repository: &RepositoryName,
        names: impl Into<ManifestNames>,
        content_type: Option<&str>,
        bytes: Zeroizing<Vec<u8>>,
    ) -> Result<PutManifest, Error> {
        if bytes.len() > MAX_MANIFEST_LEN {
            return Err(Error::ManifestTooLarge(MAX_MANIFEST_LEN));
        }
        let ManifestNames { digests, tags } = names.into();
        for named in &digests {
            let actual = Digest::of(named.algorithm(), &bytes);
            if actual != *named {
                return Err(Error::DigestMismatch { named: named.clone(), actual });
            }
        }
        let by_sha256 = || Digest::of(Algorithm::Sha256, &bytes);
        let digest = digests.into_iter().next().unwrap_or_else(by_sha256);
        let parsed = ParsedManifest::read(&bytes, content_type)?;
        // If the answer named the subject, the client would not set the tag that replaces the list.
        let subject = parsed.subject.clone().filter(|_| !self.0.is_strict());
        // This comes before the rows are read. A tag or an index for it may follow.
        let noted = self.0.clock.elapsed();
        self.0.recent.note(repository, &digest, noted);
        let condemned = self.condemned(repository, &digest, &bytes).await?;
        let put = Arc::new(Pushed {
            repository: repository.clone(),
            digest: digest.clone(),
            tags,
            parsed,
            bytes,
            condemned,
        });
        for _ in 0..3 {
            let resets = self.0.gate.pass().await;
            let lease = self.0.ring.current().await?;
            let (parts, put) = (Arc::clone(&self.0), Arc::clone(&put));
            let runtime = Handle::current();
            let stored =
                tokio::task::spawn_blocking(move || put.store(&parts, &lease, &runtime)).await?;
            match stored {
                Ok(Some(outcome)) => {
                    if outcome != Put::Stored {
                        self.0.recent.forget(repository, &digest, noted);
                    }
                    self.accepted(repository, &digest, outcome)?;
                    return Ok(PutManifest { digest, subject });
                }
                Ok(None) => (),
                // The data key was removed by a reset, and with it the references of the manifest; the next attempt
                // reports that.
                Err(Error::Internal(_)) if self.0.gate.pass().await != resets => (),
                Err(error) => return Err(error),
            }
        }
        Err(Error::internal("the data keys are retired faster than a manifest can be stored"))
    }

    /// The file of a manifest that the repository has already, if that file does not hold these bytes: the push
    /// replaces it. Manifests are small, so the file is read to the end.
    async fn condemned(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        bytes: &[u8],
    ) -> Result<Option<FileId>, Error> {
        let parts = Arc::clone(&self.0);
        let (name, named) = (repository.clone(), digest.clone());
        let row = blocking(move || parts.store.manifest(&parts.name, &name, &named)).await?;
        let Some(ManifestRow { object, .. }) = row else { return Ok(None) };
        let name = ObjectName::Manifest(repository.clone(), digest.clone());
        match object::read_all(&self.0, &name, object.clone()).await {
            Ok(stored) if **stored == *bytes => {
                let parts = Arc::clone(&self.0);
                // It had a mark if it could not be read for a while.
                tokio::task::spawn_blocking(move || damage::clear(&parts, &name, &object)).await?;
                Ok(None)
            }
            Ok(_) | Err(Error::DamagedObject(_) | Error::Internal(_)) => Ok(Some(object.file)),
            Err(Error::ManifestUnknown(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn accepted(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        outcome: Put,
    ) -> Result<(), Error> {
        match outcome {
            Put::Stored => {
                tracing::debug!(manifest.digest = %digest, registry.name = self.0.name.as_str(), "stored a manifest");
                Ok(())
            }
            Put::MissingBlobs(missing) | Put::MissingManifests(missing) => {
                Err(Error::ReferencesUnknown(missing))
            }
            Put::Locked(locked) => Err(Error::Locked { repository: repository.clone(), locked }),
        }
    }
}

/// A manifest that is being stored.
struct Pushed {
    repository: RepositoryName,
    digest: Digest,
    tags: Vec<Tag>,
    parsed: ParsedManifest,
    bytes: Zeroizing<Vec<u8>>,
    /// The file of the stored manifest, if that file cannot be opened.
    condemned: Option<FileId>,
}

impl Pushed {
    /// Compares the sizes of the references with the stored objects. The store refuses the manifest if one is missing.
    fn check_references(&self, parts: &Parts) -> Result<(), Error> {
        let mut damaged = Vec::new();
        let mut check = |name: ObjectName, named: u64, row: Option<ObjectRow>| {
            let Some(row) = row else { return Ok(()) };
            let (digest, actual) = (name.digest().clone(), row.size);
            if actual != named {
                return Err(Error::SizeMismatch { digest, named, actual });
            }
            match damage::sound_row(parts, &name, row) {
                Err(Error::DamagedObject(_)) => damaged.push(digest),
                // It was deleted meanwhile; the store notices that.
                Err(Error::BlobUnknown(_) | Error::ManifestUnknown(_)) | Ok(_) => (),
                Err(error) => return Err(error),
            }
            Ok(())
        };
        for (digest, named) in &self.parsed.blobs {
            let row = parts.store.blob(&parts.name, &self.repository, digest)?;
            check(ObjectName::Blob(digest.clone()), *named, row)?;
        }
        for (digest, named) in &self.parsed.children {
            let row = parts.store.manifest(&parts.name, &self.repository, digest)?;
            let name = ObjectName::Manifest(self.repository.clone(), digest.clone());
            check(name, *named, row.map(|row| row.object))?;
        }
        if damaged.is_empty() { Ok(()) } else { Err(Error::ReferencesUnknown(damaged)) }
    }

    /// Seals and stores the manifest. `None`: the data key was retired meanwhile, and another one must be used.
    fn store(
        &self,
        parts: &Parts,
        lease: &KeyLease,
        runtime: &Handle,
    ) -> Result<Option<Put>, Error> {
        self.check_references(parts)?;
        let (new, object) = seal_manifest(parts, lease, runtime, &self.digest, &self.bytes)?;
        let moment = parts.clock.now();
        let now = moment.unix_timestamp();
        let digests = |references: &[(Digest, u64)]| -> Vec<Digest> {
            references.iter().map(|(digest, _)| digest.clone()).collect()
        };
        let (blobs, children) = (digests(&self.parsed.blobs), digests(&self.parsed.children));
        let manifest = NewManifest {
            digest: &self.digest,
            row: ManifestRow {
                object,
                media_type: self.parsed.media_type.clone(),
                artifact_type: self.parsed.artifact_type.clone(),
                subject: self.parsed.subject.as_ref().map(ToString::to_string),
                pushed: now,
                pushed_nanos: moment.nanosecond(),
                attributes: Attributes::default(),
            },
            tags: &self.tags,
            blobs: &blobs,
            children: &children,
            sparse: parts.settings.sparse_indexes,
            condemned: self.condemned,
        };
        match parts.store.put_manifest(&parts.name, &self.repository, manifest, new) {
            Err(StoreError::DataKeyRetired) => Ok(None),
            put => Ok(Some(put?)),
        }
    }
}

/// Seals a manifest into a new object.
pub(in crate::registry) fn seal_manifest(
    parts: &Parts,
    lease: &KeyLease,
    runtime: &Handle,
    digest: &Digest,
    bytes: &[u8],
) -> Result<(NewObject, ObjectRow), Error> {
    let new = parts.store.new_object()?;
    let binding = Binding::new(parts.name.as_str(), ObjectKind::Manifest);
    let (new, finished) = lease.with_renewal(runtime, |key| {
        let mut sealer = Sealer::create(new, lease.id(), binding, MANIFEST_SEGMENT_LEN)?;
        sealer.append(key, bytes)?;
        sealer.finish(key, digest.as_str())
    })??;
    let object = ObjectRow {
        file: new.id(),
        size: bytes.len() as u64,
        data_key: *lease.id().as_bytes(),
        created: parts.clock.unix_now(),
        sealed_len: Some(finished.file_len),
    };
    Ok((new, object))
}
