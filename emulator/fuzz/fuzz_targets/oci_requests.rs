//! Arbitrary text as the parts of a request that the OCI surface parses: path, `Range`, `Content-Range`, names, digests.
#![no_main]

use sealyard::oci::{ByteRange, ContentRange, Route};
use sealyard::registry::{Digest, RepositoryName, Tag};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for text in text.split('\n') {
        if let Ok(route) = Route::of(text) {
            assert!(!route.methods().is_empty());
        }
        if let Ok(Some(range)) = ByteRange::of_header(text) {
            for len in [0, 1, 1000, u64::MAX] {
                if let Some(within) = range.within(len) {
                    assert!(within.start < within.end && within.end <= len);
                }
            }
        }
        if let Ok(range) = ContentRange::of_header(text) {
            assert!(range.count() >= 1);
        }
        // An accepted text is written as it was read: it is compared and stored as text.
        if let Ok(digest) = text.parse::<Digest>() {
            assert_eq!(digest.as_str(), text);
        }
        if let Ok(name) = text.parse::<RepositoryName>() {
            assert_eq!(name.as_str(), text);
        }
        if let Ok(tag) = text.parse::<Tag>() {
            assert_eq!(tag.as_str(), text);
        }
    }
});
