//! Finds the repositories and tags that each finding affects: through the manifests that refer to a blob, and through
//! the indexes that list a manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::finding::{Finding, Verified};
use crate::names::{Digest, RegistryName, RepositoryName};
use crate::registry::Content;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::object_name::ObjectName;
use crate::store::{Store, StoreError};

impl Content {
    /// Fills in repositories and tags.
    pub(super) async fn name_what_is_affected(&self, verified: &mut Verified) -> Result<(), Error> {
        let mut findings = std::mem::take(&mut verified.findings);
        let parts = Arc::clone(&self.0);
        verified.findings = blocking(move || {
            name_affected(&parts.store, &parts.name, &mut findings)?;
            Ok::<_, StoreError>(findings)
        })
        .await?;
        Ok(())
    }
}

/// Fills in the repositories and tags that the findings in a registry affect.
pub(in crate::registry) fn name_affected(
    store: &Store,
    registry: &RegistryName,
    findings: &mut [Finding],
) -> Result<(), StoreError> {
    let blobs: BTreeSet<Digest> = findings.iter().filter_map(blob_of).collect();
    if findings.iter().all(|finding| finding.name.is_none()) {
        return Ok(());
    }
    let uses = BlobUses::find(store, registry, &blobs)?;
    findings.iter_mut().try_for_each(|finding| fill_in(store, registry, &uses, finding))
}

/// The users of damaged blobs.
#[derive(Default)]
struct BlobUses {
    repositories: BTreeMap<Digest, BTreeSet<RepositoryName>>,
    manifests: BTreeMap<Digest, BTreeSet<(RepositoryName, Digest)>>,
}

impl BlobUses {
    fn find(
        store: &Store,
        registry: &RegistryName,
        blobs: &BTreeSet<Digest>,
    ) -> Result<Self, StoreError> {
        if blobs.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self {
            repositories: store.repositories_with_blobs(registry, blobs)?,
            manifests: store.manifests_with_blobs(registry, blobs)?,
        })
    }
}

fn fill_in(
    store: &Store,
    registry: &RegistryName,
    uses: &BlobUses,
    finding: &mut Finding,
) -> Result<(), StoreError> {
    let mut repositories = BTreeSet::new();
    let mut manifests = BTreeSet::new();
    match &finding.name {
        Some(ObjectName::Blob(digest)) => {
            repositories.extend(uses.repositories.get(digest).into_iter().flatten().cloned());
            manifests.extend(uses.manifests.get(digest).into_iter().flatten().cloned());
        }
        Some(ObjectName::Manifest(repository, digest)) => {
            repositories.insert(repository.clone());
            manifests.insert((repository.clone(), digest.clone()));
        }
        Some(ObjectName::Log(..)) | None => (),
    }
    let mut tags = BTreeSet::new();
    for (repository, manifest) in &manifests {
        for tag in store.tags_reaching(registry, repository, manifest)? {
            tags.insert(format!("{repository}:{tag}"));
        }
    }
    finding.repositories = repositories.iter().map(ToString::to_string).collect();
    finding.tags = tags.into_iter().collect();
    Ok(())
}

fn blob_of(finding: &Finding) -> Option<Digest> {
    match &finding.name {
        Some(ObjectName::Blob(digest)) => Some(digest.clone()),
        _ => None,
    }
}
