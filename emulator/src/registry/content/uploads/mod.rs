//! Uploads: blobs that clients are pushing.
//!
//! One pass hashes, seals and writes. A request's body is gathered into batches of about a mebibyte; each batch is
//! hashed on one thread while another thread seals and writes it, and the next one is read meanwhile. So an upload
//! holds two batches and one segment, however large the blob is, and a slow client holds no thread.
//!
//! Invariants:
//! - A task of its own writes a body, to its end, whether the client is still there or not: bytes that arrived before a
//!   client disconnected stay, and the writer is never lost midway.
//! - Every error in the writer drops it. The next request reads the file back, authenticates it and continues after the
//!   last complete segment, in a new run. The status shows where that is.
//! - When the key is refused, all writers are dropped, and with them the plaintext tails.

mod begin;
mod chunk;
mod pour;
mod publish;
mod requests;
mod writer;

pub(in crate::registry) use self::chunk::nothing_arrived_for;
pub use self::chunk::{Body, ChunkHeaders, UploadStatus};
