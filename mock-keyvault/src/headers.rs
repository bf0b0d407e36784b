//! The headers that the keys API and the control plane have in common.

use http::HeaderName;

/// The id of a request, which the vault chooses.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
/// The id of a request that the client chose.
pub(crate) const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
/// Longer client request ids are not echoed.
pub(crate) const MAX_CLIENT_REQUEST_ID: usize = 128;
