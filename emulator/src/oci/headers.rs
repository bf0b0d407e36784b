//! The headers that several routes send, and their values.

use http::{HeaderName, HeaderValue};

/// The header by which old Docker clients recognise a registry.
pub(crate) const API_VERSION: HeaderName =
    HeaderName::from_static("docker-distribution-api-version");
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
pub(super) const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// Our own digest, path or number as the value of a header.
#[expect(clippy::needless_pass_by_value, reason = "callers pass a number, a string or an id")]
pub(crate) fn header_value(text: impl ToString) -> HeaderValue {
    // Digests, names and numbers have only visible ASCII: they were parsed.
    HeaderValue::try_from(text.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The `Range` of an upload. With nothing received it is `0-0`, as in Docker's registry, and clients expect it.
pub(super) fn range_value(received: u64) -> String {
    format!("0-{}", received.saturating_sub(1))
}
