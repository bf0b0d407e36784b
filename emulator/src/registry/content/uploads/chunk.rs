//! A chunk of an upload, as a request has it, and the progress that the registry reports.

use std::time::Duration;

use bytes::Bytes;
use futures::Stream;

use crate::names::UploadId;

/// The progress of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadStatus {
    /// The upload.
    pub id: UploadId,
    /// The number of bytes received: the next chunk begins there.
    pub received: u64,
}

/// A chunk's position and length in the headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkHeaders {
    /// First byte, of `Content-Range`.
    pub start: Option<u64>,
    /// Number of bytes, of `Content-Range` or `Content-Length`.
    pub len: Option<u64>,
}

/// A body of a request, as the writer reads it.
pub type Body = std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>;

/// The message for a body that was idle for too long.
pub(in crate::registry) fn nothing_arrived_for(idle: Duration) -> String {
    format!("nothing arrived for {} s", idle.as_secs())
}
