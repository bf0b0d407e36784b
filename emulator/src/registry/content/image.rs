//! Image metadata from a manifest: the platform, the media type of its config, the manifests of an index.
//!
//! Called by `metadata.rs` for ACR's metadata API. The metadata is content, so it is read from the sealed manifest and
//! the sealed config at every request and stored nowhere else.

use std::sync::Arc;

use serde::Deserialize;

use super::object;
use crate::names::{Digest, RepositoryName};
use crate::registry::Parts;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::object_name::ObjectName;
use crate::store::ManifestRow;

/// A longer config is not read. Configs of images have a few kilobytes.
const MAX_CONFIG_LEN: u64 = 1 << 20;

/// The image metadata of a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::registry) struct ImageFacts {
    pub(in crate::registry) architecture: Option<String>,
    pub(in crate::registry) os: Option<String>,
    pub(in crate::registry) config_media_type: Option<String>,
    /// The bytes of config and layers, as the manifest says.
    pub(in crate::registry) size: u64,
    /// The manifests that an index lists.
    pub(in crate::registry) listed: Vec<Listed>,
}

/// A manifest that an index lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its digest.
    pub digest: String,
    /// The architecture that it is for.
    pub architecture: Option<String>,
    /// The operating system that it is for.
    pub os: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    blobs: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<Platform>,
}

/// A platform, in the config of an image or in the list of an index.
#[derive(Default, Deserialize)]
struct Platform {
    architecture: Option<String>,
    os: Option<String>,
}

/// Reads the image metadata of a manifest. Fields that do not follow the specifications are omitted.
pub(in crate::registry) async fn facts(
    parts: &Arc<Parts>,
    repository: &RepositoryName,
    digest: &Digest,
    row: &ManifestRow,
) -> Result<ImageFacts, Error> {
    let name = ObjectName::Manifest(repository.clone(), digest.clone());
    let bytes = match object::read_all(parts, &name, row.object.clone()).await {
        // It is still listed, so that its tags can be seen and pushed again.
        Err(Error::DamagedObject(_)) => return Ok(ImageFacts::default()),
        read => read?,
    };
    let document: Document = serde_json::from_slice(&bytes).unwrap_or_default();
    let sizes = document.config.iter().chain(&document.layers).chain(&document.blobs);
    let size = sizes.fold(0_u64, |sum, descriptor| sum.saturating_add(descriptor.size));
    let platform = match &document.config {
        Some(config) => platform(parts, repository, config).await?,
        None => Platform::default(),
    };
    let listed = document.manifests.into_iter().map(|child| {
        let platform = child.platform.unwrap_or_default();
        Listed { digest: child.digest, architecture: platform.architecture, os: platform.os }
    });
    Ok(ImageFacts {
        architecture: platform.architecture,
        os: platform.os,
        config_media_type: document.config.map(|config| config.media_type),
        size,
        listed: listed.collect(),
    })
}

/// The platform in the config of an image. A missing, damaged or invalid config has none.
async fn platform(
    parts: &Arc<Parts>,
    repository: &RepositoryName,
    config: &Descriptor,
) -> Result<Platform, Error> {
    let Ok(digest) = config.digest.parse::<Digest>() else { return Ok(Platform::default()) };
    let row = blocking({
        let (parts, repository, digest) = (Arc::clone(parts), repository.clone(), digest.clone());
        move || parts.store.blob(&parts.name, &repository, &digest)
    })
    .await?;
    let Some(row) = row.filter(|row| row.size <= MAX_CONFIG_LEN) else {
        return Ok(Platform::default());
    };
    match object::read_all(parts, &ObjectName::Blob(digest), row).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(Error::BlobUnknown(_) | Error::DamagedObject(_)) => Ok(Platform::default()),
        Err(error) => Err(error),
    }
}
