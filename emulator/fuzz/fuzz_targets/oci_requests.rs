//! Arbitrary text as the parts of a request that the content routes parse: path, `Range`, `Content-Range`, names, digests.
#![no_main]

use axum::body::Body;
use axum::{Extension, Router};
use futures::executor::block_on;
use http::{Request, Uri};
use sealyard::internals::oci::{ByteRange, ContentRange};
use sealyard::internals::registry::{Digest, RepositoryName, Tag};
use sealyard::internals::{acr, oci};
use tower::ServiceExt as _;

/// Every route that is read from a path has a method.
async fn check(oci: Extension<oci::ParsedPath>, acr: Extension<acr::ParsedPath>) {
    if let Some(route) = oci.route() {
        assert!(!route.methods().is_empty());
    }
    if let Some(route) = acr.route() {
        assert!(!route.methods().is_empty());
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let paths = acr::parse_paths(oci::parse_paths(Router::new().fallback(check)));
    let text = String::from_utf8_lossy(data);
    for text in text.split('\n') {
        if let Ok(uri) = text.parse::<Uri>() {
            let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
            assert!(block_on(paths.clone().oneshot(request)).unwrap().status().is_success());
        }
        if let Ok(Some(range)) = ByteRange::parse_header(text) {
            for len in [0, 1, 1000, u64::MAX] {
                if let Some(within) = range.within(len) {
                    assert!(within.start < within.end && within.end <= len);
                }
            }
        }
        if let Ok(range) = ContentRange::parse_header(text) {
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
