//! Arbitrary bytes as a manifest, under every content type that a client may claim for it.
#![no_main]

use sealyard::internals::registry::ParsedManifest;

const CONTENT_TYPES: [Option<&str>; 6] = [
    None,
    Some("application/vnd.oci.image.manifest.v1+json"),
    Some("application/vnd.oci.image.index.v1+json"),
    Some("application/vnd.docker.distribution.manifest.v2+json"),
    Some("application/vnd.docker.distribution.manifest.list.v2+json"),
    Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for content_type in CONTENT_TYPES {
        if let Ok(manifest) = ParsedManifest::read(data, content_type) {
            // Rows are made from these, and a row stays short.
            assert!(manifest.media_type.len() <= 255);
            assert!(manifest.artifact_type.is_none_or(|kind| kind.len() <= 255));
        }
    }
});
