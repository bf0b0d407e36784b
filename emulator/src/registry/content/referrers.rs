//! The manifests that name another one as their subject.

use std::sync::Arc;

use serde::Serialize;

use super::lists::Page;
use crate::names::{Digest, Reference, RepositoryName};
use crate::registry::Content;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::manifest::ParsedManifest;

/// The maximum number of referrers in one answer.
pub const REFERRERS_PAGE: usize = 100;

/// A descriptor in the list of referrers (OCI distribution specification 1.1, "Listing Referrers").
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferrerDescriptor {
    /// The manifest's media type.
    pub media_type: String,
    /// The manifest's digest.
    pub digest: String,
    /// The manifest's length in bytes.
    pub size: u64,
    /// Its artifact type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Its annotations.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub annotations: std::collections::BTreeMap<String, String>,
}

impl Content {
    /// The manifests whose subject is `subject`, whether it exists or not, after the digest `last`.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        last: Option<&str>,
    ) -> Result<Page<ReferrerDescriptor>, Error> {
        if self.0.is_strict() {
            return Err(Error::NoReferrers);
        }
        let parts = Arc::clone(&self.0);
        let (name, subject) = (repository.clone(), subject.clone());
        let listed = blocking(move || parts.store.referrers(&parts.name, &name, &subject)).await?;
        let wanted = listed.into_iter().filter(|referrer| {
            artifact_type.is_none_or(|wanted| referrer.artifact_type.as_deref() == Some(wanted))
                && last.is_none_or(|last| referrer.digest.as_str() > last)
        });
        let page = Page::cut(
            wanted.map(|referrer| referrer.digest).collect(),
            REFERRERS_PAGE,
            Digest::to_string,
        );
        let mut items = Vec::with_capacity(page.items.len());
        for digest in page.items {
            let reference = Reference::Digest(digest.clone());
            let manifest = match self.manifest(repository, &reference).await {
                Ok(manifest) if manifest.row.attributes.list => manifest,
                // It was deleted since, or may not be pulled: then it is not a referrer.
                Ok(_)
                | Err(
                    Error::ManifestUnknown(_)
                    | Error::RepositoryUnknown(_)
                    | Error::Locked { .. }
                    | Error::DamagedObject(_),
                ) => continue,
                Err(error) => return Err(error),
            };
            let bytes = match self.read_manifest(&manifest).await {
                Ok(bytes) => bytes,
                // One damaged manifest must not hide the others.
                Err(Error::DamagedObject(_) | Error::ManifestUnknown(_)) => continue,
                Err(error) => return Err(error),
            };
            let parsed = ParsedManifest::read(&bytes, Some(&manifest.media_type))?;
            items.push(ReferrerDescriptor {
                media_type: manifest.media_type,
                digest: digest.to_string(),
                size: manifest.len,
                artifact_type: parsed.artifact_type,
                annotations: parsed.annotations,
            });
        }
        Ok(Page { items, next: page.next })
    }
}
