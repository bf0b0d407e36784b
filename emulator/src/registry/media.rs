//! The media types that the registry distinguishes, from the OCI image specification and from Docker's formats.

/// The kind of manifest that a media type names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestKind {
    /// A config and layers: OCI image manifest, Docker schema 2.
    Image,
    /// A list of manifests: OCI image index, Docker manifest list.
    Index,
    /// Blobs without a config: the artifact manifests that came before OCI 1.1, which ACR still serves.
    Artifact,
}

pub(super) const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an OCI image index, which is also the answer of the referrers API.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
const ORAS_ARTIFACT: &str = "application/vnd.cncf.oras.artifact.manifest.v1+json";
const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_SCHEMA_1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

impl ManifestKind {
    /// The kind of a media type; `None` if it is not a manifest's.
    pub(super) fn from_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            OCI_IMAGE | DOCKER_IMAGE => Some(Self::Image),
            OCI_INDEX | DOCKER_LIST => Some(Self::Index),
            OCI_ARTIFACT | ORAS_ARTIFACT => Some(Self::Artifact),
            _ => None,
        }
    }
}

/// Whether this is Docker's schema 1, which no client should push any more.
pub(super) fn is_schema_1(media_type: &str) -> bool {
    DOCKER_SCHEMA_1.contains(&media_type)
}

/// Whether this is the media type of a manifest, even of a kind that is not stored.
pub(super) fn is_manifest(media_type: &str) -> bool {
    ManifestKind::from_media_type(media_type).is_some() || is_schema_1(media_type)
}

/// Whether a layer of this type may be missing: it is fetched from its `urls` and not pushed.
pub(super) fn is_non_distributable(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.")
}
