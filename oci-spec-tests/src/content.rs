//! The content that the suite pushes: random blobs, and manifests around them.
//!
//! All content is random, so that no case finds the content of another case in a registry that deduplicates.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Bytes and their digest.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) bytes: Bytes,
    pub(crate) digest: String,
}

impl Blob {
    pub(crate) fn of(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
        Self { bytes, digest }
    }

    pub(crate) fn random(len: usize) -> Self {
        let mut bytes = vec![0; len];
        rand::fill(&mut bytes[..]);
        Self::of(bytes)
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::of(value.to_string())
    }

    /// The same bytes with their SHA-512 digest.
    pub(crate) fn sha512(&self) -> Self {
        let digest = format!("sha512:{}", hex::encode(Sha512::digest(&self.bytes)));
        Self { bytes: self.bytes.clone(), digest }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest, "size": self.len()})
    }

    /// A digest without content.
    pub(crate) fn unknown_digest() -> String {
        Self::random(32).digest
    }
}

/// An image with one configuration and one layer. `Context::push_image` pushes it.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) config: Blob,
    pub(crate) layer: Blob,
}

impl Image {
    pub(crate) fn random() -> Self {
        let config = json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [Blob::unknown_digest()]},
        });
        Self { config: Blob::json(&config), layer: Blob::random(1000) }
    }

    pub(crate) fn manifest_json(&self) -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.config.descriptor(OCI_CONFIG),
            "layers": [self.layer.descriptor(OCI_LAYER)],
        })
    }

    pub(crate) fn manifest(&self) -> Blob {
        Blob::json(&self.manifest_json())
    }
}

/// The JSON of an index of these manifests.
pub(crate) fn index_json(children: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children})
}

/// The content for the descriptor of an unused configuration or layer: two bytes of JSON.
pub(crate) fn empty_json() -> Blob {
    Blob::of("{}")
}

/// The JSON of an artifact without content, with this type and this subject.
pub(crate) fn artifact_json(artifact_type: &str, subject: Option<&Value>) -> Value {
    let empty = empty_json().descriptor(OCI_EMPTY);
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": empty,
        "layers": [empty],
        "annotations": {"org.example.random": random_name()},
    });
    if let Some(subject) = subject {
        manifest["subject"] = subject.clone();
    }
    manifest
}

/// A short random name that is valid in a repository name, in a tag and in an annotation.
pub(crate) fn random_name() -> String {
    hex::encode(rand::random::<[u8; 8]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_match_the_published_examples() {
        let empty = empty_json();

        assert_eq!(
            empty.digest,
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert!(empty.sha512().digest.starts_with(
            "sha512:27c74670adb75075fad058d5ceaf7b20c4e7786c83bae8a32f626f9782af34c9"
        ));
    }
}
