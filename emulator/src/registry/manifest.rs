//! Parses a pushed manifest: its kind and its references.
//!
//! The bytes are stored as received; nothing is rewritten from the parsed form. Invalid manifests are refused before
//! anything is stored. Annotations are read only for the referrers list: they are content, never metadata.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use thiserror::Error;

use super::media::{self, ManifestKind};
use crate::names::{Digest, DigestError};

/// The maximum size of a manifest: the 4 MiB that the specification asks registries to support at least.
pub const MAX_MANIFEST_LEN: usize = 4 << 20;
/// The maximum number of references in one manifest.
const MAX_REFERENCES: usize = 10_000;
/// A media type longer than this is no media type (RFC 6838 allows 127 characters for each half).
const MAX_MEDIA_TYPE_LEN: usize = 255;

/// A parsed manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedManifest {
    /// The media type, as its `Content-Type` or its own field says.
    pub media_type: String,
    /// The kind of manifest that the media type names.
    pub kind: ManifestKind,
    /// `artifactType`, or an image's config media type; the type by which referrers are filtered.
    pub artifact_type: Option<String>,
    /// Config, layers, and blobs that an index lists (as the cache of `BuildKit` does): they must be in the repository,
    /// with the size that the manifest claims.
    pub blobs: Vec<(Digest, u64)>,
    /// Manifests that an index lists.
    pub children: Vec<(Digest, u64)>,
    /// The manifest that this one refers to; it need not exist.
    pub subject: Option<Digest>,
    /// The annotations of the manifest itself.
    pub annotations: BTreeMap<String, String>,
}

/// Why a manifest is refused. The message goes to the client.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not JSON, or a field is of another type than the specification's.
    #[error("the manifest is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// No media type in the header, nor in the manifest.
    #[error("the manifest has no media type: send it as Content-Type, or as the field mediaType")]
    NoMediaType,
    /// `Content-Type` says one thing and `mediaType` another.
    #[error("the Content-Type {header:?} and the manifest's mediaType {field:?} differ")]
    MediaTypeMismatch {
        /// Of the header.
        header: String,
        /// Of the manifest.
        field: String,
    },
    /// The media type is not one of a manifest.
    #[error("the media type {0:?} is not a manifest's that this registry stores")]
    UnknownMediaType(String),
    /// Docker's schema 1.
    #[error(
        "Docker image manifest version 2, schema 1 is not supported: push the image again with a current client"
    )]
    Schema1,
    /// `schemaVersion` is not 2.
    #[error("schemaVersion must be 2")]
    SchemaVersion,
    /// The fields of an image and those of an index in one document (CVE-2021-41190).
    #[error("the manifest is ambiguous: {0}")]
    Ambiguous(&'static str),
    /// An image without `config`.
    #[error("an image manifest must have a config")]
    NoConfig,
    /// A descriptor's digest is malformed.
    #[error("a descriptor of the manifest is not valid: {0}")]
    Descriptor(#[from] DigestError),
    /// More descriptors than the registry accepts.
    #[error(
        "the manifest refers to more than {MAX_REFERENCES} objects: push several manifests, and an index of them"
    )]
    TooManyReferences,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Object<Descriptor>>,
    layers: Option<Vec<Object<Descriptor>>>,
    manifests: Option<Vec<Object<Descriptor>>>,
    blobs: Option<Vec<Object<Descriptor>>>,
    subject: Option<Object<Descriptor>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    /// Schema 1 is recognized by this field, whatever its media type.
    fs_layers: Option<serde::de::IgnoredAny>,
}

/// A JSON object. serde would also read a struct from a list, which no client means and no other registry accepts.
struct Object<T>(T);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

impl ParsedManifest {
    /// Parses a manifest. `content_type` is the header's value without parameters, if the client sent one.
    pub fn read(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        if content_type.is_some_and(media::is_schema_1) {
            return Err(ManifestError::Schema1);
        }
        let Object(document): Object<Document> = serde_json::from_slice(bytes)?;
        if document.fs_layers.is_some() || document.schema_version == Some(1) {
            return Err(ManifestError::Schema1);
        }
        let media_type = document.media_type(content_type)?;
        let kind = ManifestKind::from_media_type(&media_type)
            .ok_or_else(|| ManifestError::UnknownMediaType(shorten(&media_type)))?;
        document.refuse_ambiguity(kind)?;
        if document.schema_version != Some(2) && kind != ManifestKind::Artifact {
            return Err(ManifestError::SchemaVersion);
        }
        document.into_parsed(media_type, kind)
    }
}

impl Document {
    fn media_type(&self, header: Option<&str>) -> Result<String, ManifestError> {
        let field = self.media_type.as_deref().filter(|text| !text.is_empty());
        match (header, field) {
            (Some(header), Some(field)) if header != field => {
                Err(ManifestError::MediaTypeMismatch {
                    header: shorten(header),
                    field: shorten(field),
                })
            }
            (Some(known), _) | (None, Some(known)) => Ok(known.to_owned()),
            (None, None) => Err(ManifestError::NoMediaType),
        }
    }

    fn refuse_ambiguity(&self, kind: ManifestKind) -> Result<(), ManifestError> {
        match kind {
            ManifestKind::Image if self.manifests.is_some() => {
                Err(ManifestError::Ambiguous("an image manifest with the field manifests"))
            }
            ManifestKind::Index if self.config.is_some() || self.layers.is_some() => {
                Err(ManifestError::Ambiguous("an index with the fields config or layers"))
            }
            ManifestKind::Image if self.config.is_none() => Err(ManifestError::NoConfig),
            _ => Ok(()),
        }
    }

    fn into_parsed(
        self,
        media_type: String,
        kind: ManifestKind,
    ) -> Result<ParsedManifest, ManifestError> {
        let given = self.artifact_type.filter(|text| !text.is_empty());
        let of_config = self.config.as_ref().map(|config| config.0.media_type.clone());
        let artifact_type = given.or(of_config).filter(|text| text.len() <= MAX_MEDIA_TYPE_LEN);
        let listed: Vec<_> = [self.layers, self.blobs].into_iter().flatten().flatten().collect();
        let (children, others): (Vec<_>, Vec<_>) = self
            .manifests
            .unwrap_or_default()
            .into_iter()
            .partition(|Object(child)| media::is_manifest(&child.media_type));
        let listed: Vec<_> = listed.into_iter().chain(others).collect();
        if listed.len() + children.len() > MAX_REFERENCES {
            return Err(ManifestError::TooManyReferences);
        }
        let mut blobs = Vec::with_capacity(listed.len() + 1);
        for Object(descriptor) in self.config.into_iter().chain(listed) {
            let digest: Digest = descriptor.digest.parse()?;
            if !media::is_non_distributable(&descriptor.media_type) {
                blobs.push((digest, descriptor.size));
            }
        }
        blobs.sort();
        blobs.dedup();
        let mut children: Vec<(Digest, u64)> = children
            .iter()
            .map(|Object(child)| Ok((child.digest.parse()?, child.size)))
            .collect::<Result<_, DigestError>>()?;
        children.sort();
        children.dedup();
        let subject = self.subject.map(|subject| subject.0.digest.parse()).transpose()?;
        let annotations = self.annotations.unwrap_or_default();
        Ok(ParsedManifest {
            media_type,
            kind,
            artifact_type,
            blobs,
            children,
            subject,
            annotations,
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, members: M) -> Result<Object<T>, M::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(MAX_MEDIA_TYPE_LEN).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::names::Algorithm;

    fn descriptor(media_type: &str, content: &str) -> serde_json::Value {
        let digest = Digest::of(Algorithm::Sha256, content.as_bytes());
        json!({"mediaType": media_type, "digest": digest.as_str(), "size": content.len()})
    }

    fn image() -> serde_json::Value {
        json!({
            "schemaVersion": 2,
            "mediaType": media::OCI_IMAGE,
            "config": descriptor("application/vnd.oci.image.config.v1+json", "config"),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", "layer")],
        })
    }

    fn read(
        document: &serde_json::Value,
        content_type: Option<&str>,
    ) -> Result<ParsedManifest, ManifestError> {
        ParsedManifest::read(document.to_string().as_bytes(), content_type)
    }

    #[test]
    fn an_image_refers_to_its_config_and_layers_and_takes_its_artifact_type_from_the_config() {
        let parsed = read(&image(), Some(media::OCI_IMAGE)).unwrap();

        assert_eq!(parsed.blobs.len(), 2);
        assert_eq!(
            parsed.artifact_type.as_deref(),
            Some("application/vnd.oci.image.config.v1+json")
        );
    }

    #[test]
    fn a_nondistributable_layer_may_be_missing() {
        let mut document = image();
        document["layers"][0]["mediaType"] =
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();

        assert_eq!(read(&document, None).unwrap().blobs.len(), 1);
    }

    #[test]
    fn schema_1_is_refused_by_its_media_type_and_by_its_fields() {
        let typed =
            read(&image(), Some("application/vnd.docker.distribution.manifest.v1+prettyjws"));
        let shaped = read(&json!({"schemaVersion": 1, "name": "a", "fsLayers": []}), None);

        assert!(matches!(typed, Err(ManifestError::Schema1)));
        assert!(matches!(shaped, Err(ManifestError::Schema1)));
    }

    #[test]
    fn a_document_that_is_both_image_and_index_is_refused() {
        let mut document = image();
        document["manifests"] = json!([]);

        assert!(matches!(read(&document, None), Err(ManifestError::Ambiguous(_))));
        document["mediaType"] = media::OCI_INDEX.into();
        assert!(matches!(read(&document, None), Err(ManifestError::Ambiguous(_))));
    }

    #[test]
    fn a_list_instead_of_an_object_is_refused() {
        let list =
            json!([2, media::OCI_IMAGE, null, image()["config"], [], null, null, null, null, null]);
        let mut short = image();
        let layer = &image()["layers"][0];
        short["layers"] = json!([[layer["mediaType"], layer["digest"], layer["size"]]]);

        assert!(matches!(read(&list, Some(media::OCI_IMAGE)), Err(ManifestError::Json(_))));
        assert!(matches!(read(&short, None), Err(ManifestError::Json(_))));
    }

    #[test]
    fn the_header_and_the_field_must_agree() {
        assert!(matches!(
            read(&image(), Some(media::OCI_INDEX)),
            Err(ManifestError::MediaTypeMismatch { .. })
        ));
        let mut document = image();
        document.as_object_mut().unwrap().remove("mediaType");
        assert!(read(&document, Some(media::OCI_IMAGE)).is_ok());
        assert!(matches!(read(&document, None), Err(ManifestError::NoMediaType)));
    }

    #[test]
    fn an_index_refers_to_its_manifests_once_each() {
        let child = descriptor(media::OCI_IMAGE, "child");
        let document = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [child.clone(), child]});

        assert_eq!(read(&document, None).unwrap().children.len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>, header in proptest::option::of(r"\PC{0,40}")) {
            let _ = ParsedManifest::read(&bytes, header.as_deref());
        }
    }
}
