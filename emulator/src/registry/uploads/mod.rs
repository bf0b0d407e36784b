//! Uploads: blobs on their way in.
//!
//! One pass hashes, seals and writes. A request's body is gathered into batches of about a mebibyte; each batch is
//! hashed on one thread while it is sealed and written on another, and the next one is read meanwhile. So an upload
//! holds two batches and one segment, however large the blob is, and a slow client holds no thread.
//!
//! Invariants:
//! - The pouring of a body runs in a task of its own, to its end, whether or not the client is still there: what
//!   arrived before a client went away stays, and the writer is never lost half way.
//! - Whatever goes wrong in the writer drops it. The next request reads the file back, authenticates it and goes on
//!   after the last segment that is whole, in a new run. The status tells where that is.
//! - When the key is refused all writers are dropped, and with them the plaintext tails.

mod begin;
mod id;
mod pour;
mod publish;
mod requests;
mod session;
mod writer;

use bytes::Bytes;
use futures::Stream;

pub use self::id::UploadId;
pub(in crate::registry) use self::pour::nothing_arrived_for;
pub(in crate::registry) use self::session::Sessions;

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadStatus {
    /// The upload.
    pub id: UploadId,
    /// How many bytes it has: the next chunk begins there.
    pub received: u64,
}

/// What the headers of a chunk say of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkHeaders {
    /// First byte, of `Content-Range`.
    pub start: Option<u64>,
    /// Number of bytes, of `Content-Range` or `Content-Length`.
    pub len: Option<u64>,
}

/// A body of a request, as the writer takes it.
pub type Body = std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>;
