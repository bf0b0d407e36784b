//! Stores recovered content in the rows: blobs at once, manifests when all blobs are stored.

use std::sync::Arc;

use azure_emulator_core::clock::Clock;

use super::orphan_files::{Content, IntactFile, SealedFile};
use super::recovered::{IncompleteManifest, LostFile, Recovered};
use crate::names::{Digest, RegistryName, RepositoryName};
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::manifest::{ManifestError, ParsedManifest};
use crate::registry::media::{ManifestKind, OCI_IMAGE, OCI_INDEX};
use crate::store::{Adopted, Attributes, FileId, ManifestRow, NewManifest, ObjectRow, Store};

/// Puts recovered content into the rows.
pub(super) struct Adopter {
    store: Arc<Store>,
    clock: Clock,
    manifests: Vec<FoundManifest>,
}

struct FoundManifest {
    registry: RegistryName,
    digest: Digest,
    object: ObjectRow,
    parsed: ParsedManifest,
}

impl Adopter {
    pub(super) fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self { store, clock, manifests: Vec::new() }
    }

    /// Adds a file that was read.
    pub(super) async fn take(
        &mut self,
        file: SealedFile,
        recovered: &mut Recovered,
    ) -> Result<(), Error> {
        let SealedFile { id, outcome } = file;
        let found = match outcome {
            Ok(found) => found,
            Err(lost) => return self.give_up(id, lost, recovered).await,
        };
        let IntactFile { registry, digest, mut object, content } = found;
        object.created = self.clock.unix_now();
        match content {
            Content::Manifest(bytes) => match parse(&bytes) {
                Ok(parsed) => {
                    self.manifests.push(FoundManifest { registry, digest, object, parsed });
                    Ok(())
                }
                Err(error) => {
                    let lost = LostFile {
                        file: id.to_string(),
                        registry: Some(registry.to_string()),
                        digest: Some(digest.to_string()),
                        can_be_tried_again: false,
                        message: error.to_string(),
                    };
                    self.give_up(id, lost, recovered).await
                }
            },
            Content::Blob => {
                let (store, size) = (Arc::clone(&self.store), object.size);
                let repository = RepositoryName::recovered();
                let name = registry.clone();
                let adopted = blocking(move || {
                    let adopted = store.adopt_blob(&name, &repository, &digest, &object)?;
                    update_quarantine(&store, id, &adopted)?;
                    Ok::<_, Error>(adopted)
                });
                match adopted.await? {
                    Adopted::Duplicate => recovered.duplicates += 1,
                    Adopted::Stored { .. } => {
                        let content = recovered.content_of(registry.as_str());
                        content.blobs += 1;
                        content.bytes = content.bytes.saturating_add(size);
                    }
                }
                Ok(())
            }
        }
    }

    /// Stores the manifests, and returns when everything is durable.
    pub(super) async fn finish(mut self, recovered: &mut Recovered) -> Result<(), Error> {
        // An index comes after the manifests that it lists, so that only content that is really missing is reported.
        self.manifests.sort_by_key(|found| {
            (found.parsed.kind == ManifestKind::Index, found.digest.to_string())
        });
        let mut incomplete: Vec<IncompleteManifest> = Vec::new();
        for found in std::mem::take(&mut self.manifests) {
            let (registry, digest) = (found.registry.clone(), found.digest.to_string());
            let size = found.object.size;
            let store = Arc::clone(&self.store);
            let moment = self.clock.now();
            match blocking(move || found.adopt(&store, moment)).await? {
                Adopted::Duplicate => recovered.duplicates += 1,
                Adopted::Stored { missing } => {
                    let content = recovered.content_of(registry.as_str());
                    content.manifests.push(digest.clone());
                    content.bytes = content.bytes.saturating_add(size);
                    if !missing.is_empty() {
                        let missing = missing.iter().map(ToString::to_string).collect();
                        incomplete.push(IncompleteManifest {
                            registry: registry.to_string(),
                            manifest: digest,
                            missing,
                        });
                    }
                }
            }
        }
        // An index may list an index that came later.
        for IncompleteManifest { registry, missing, .. } in &mut incomplete {
            let manifests = &recovered.content_of(registry).manifests;
            missing.retain(|digest| !manifests.contains(digest));
        }
        incomplete.retain(|incomplete| !incomplete.missing.is_empty());
        recovered.incomplete = incomplete;
        recovered.content.iter_mut().for_each(|content| content.manifests.sort());
        recovered.lost.sort_by(|a, b| a.file.cmp(&b.file));
        let store = self.store;
        blocking(move || Ok::<_, Error>(store.commit_adopted()?)).await
    }

    async fn give_up(
        &self,
        id: FileId,
        lost: LostFile,
        recovered: &mut Recovered,
    ) -> Result<(), Error> {
        let store = Arc::clone(&self.store);
        blocking(move || Ok::<_, Error>(store.put_into_quarantine(id)?)).await?;
        recovered.lost.push(lost);
        Ok(())
    }
}

impl FoundManifest {
    fn adopt(&self, store: &Store, now: time::OffsetDateTime) -> Result<Adopted, Error> {
        let digests = |references: &[(Digest, u64)]| -> Vec<Digest> {
            references.iter().map(|(digest, _)| digest.clone()).collect()
        };
        let (blobs, children) = (digests(&self.parsed.blobs), digests(&self.parsed.children));
        let manifest = NewManifest {
            digest: &self.digest,
            row: ManifestRow {
                object: self.object.clone(),
                media_type: self.parsed.media_type.clone(),
                artifact_type: self.parsed.artifact_type.clone(),
                subject: self.parsed.subject.as_ref().map(ToString::to_string),
                pushed: now.unix_timestamp(),
                pushed_nanos: now.nanosecond(),
                attributes: Attributes::default(),
            },
            tags: &[],
            blobs: &blobs,
            children: &children,
            sparse: true,
            condemned: None,
        };
        let adopted =
            store.adopt_manifest(&self.registry, &RepositoryName::recovered(), manifest)?;
        update_quarantine(store, self.object.file, &adopted)?;
        Ok(adopted)
    }
}

/// Moves a file with a row out of quarantine, and a file that was not needed into it: the other file of the same
/// content was not read, and a sweep would remove this one.
fn update_quarantine(store: &Store, file: FileId, adopted: &Adopted) -> Result<(), Error> {
    match adopted {
        Adopted::Stored { .. } => store.leave_quarantine(file)?,
        Adopted::Duplicate => store.put_into_quarantine(file)?,
    }
    Ok(())
}

/// Parses a manifest. Its `Content-Type` is lost: a manifest without a media type of its own gets OCI's.
fn parse(bytes: &[u8]) -> Result<ParsedManifest, ManifestError> {
    match ParsedManifest::read(bytes, None) {
        Err(ManifestError::NoMediaType) => ParsedManifest::read(bytes, Some(OCI_INDEX))
            .or_else(|_| ParsedManifest::read(bytes, Some(OCI_IMAGE))),
        parsed => parsed,
    }
}
