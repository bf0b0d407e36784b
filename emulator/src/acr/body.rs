//! Reads the body of a request as a whole.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

/// The body of a request, if it is within the limits of length and time. The error is a message.
pub(super) async fn whole_body(
    body: Body,
    max_len: usize,
    limit: Duration,
) -> Result<Bytes, String> {
    match timeout(limit, Limited::new(body, max_len).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it did not arrive".to_owned()),
    }
}
