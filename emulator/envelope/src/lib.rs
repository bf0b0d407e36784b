//! Sealed files: AES-256-GCM in segments, with random access, and resumable after a crash.
//!
//! ```
//! use std::io::{Cursor, Read, Seek, SeekFrom, Write};
//!
//! use sealed_envelope::{Binding, DataKey, DataKeyId, Header, ObjectKind, Opener, SEGMENT_LEN, Sealer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = DataKey::generate()?;
//! let binding = Binding::new("local", ObjectKind::Blob);
//!
//! let sealer = Sealer::create(Vec::new(), DataKeyId::random()?, binding.clone(), SEGMENT_LEN)?;
//! let mut writer = sealer.into_writer(&key);
//! writer.write_all(b"hello, world")?;
//! let (file, seal) = writer.finish("sha256:09ca7e4e")?;
//! assert_eq!(seal.plaintext_len, 12);
//!
//! let mut file = Cursor::new(file);
//! let header = Header::read(&mut file)?;
//! let mut reader = Opener::open(file, header, binding, &key, "sha256:09ca7e4e")?.into_reader(&key);
//! reader.seek(SeekFrom::Start(7))?;
//! let mut text = String::new();
//! reader.read_to_string(&mut text)?;
//! assert_eq!(text, "world");
//! # Ok(())
//! # }
//! ```
//!
//! | type | use |
//! |---|---|
//! | [`Sealer`], [`SealWriter`] | write a sealed file from front to back |
//! | [`Scanner`], [`Recovered`] | read an unfinished file after a restart, so that [`Sealer::resume`] continues it |
//! | [`Opener`], [`OpenReader`] | read any part of a finished file |
//! | [`ReadRange`] | where both read from: anything that is [`Read`](std::io::Read) and [`Seek`](std::io::Seek), or a store of objects |
//! | [`seal_value`], [`open_value`] | seal a short value |
//! | [`scrubbed`] | run work with a key, and erase what it leaves |
//!
//! `FORMAT.md` describes every byte, and each attack that the format defeats. `vectors/` has test vectors, and a second
//! implementation in Python that checks them.
//!
//! # Guarantees
//!
//! - A pair of run key and nonce seals one segment at most. A sealer that continues a file begins a new run with a new salt.
//! - No plaintext is returned before it is authenticated: its bytes, its place, its file and the name of the file.
//! - A file opens with one key only: each run commits to its key.
//!
//! # The data key
//!
//! [`Sealer::append`] and [`Opener::read_segment`] borrow the data key for one call and derive the key of the run anew. So a
//! caller that loses the key loses the content with the next call. The crate knows no file system, no clock and no key store.
//!
//! After a call, no copy of the key and nothing that was derived from it is left: neither on the heap, nor on the stack of the
//! thread, nor in its registers. [`scrubbed`] does this, also for callers that compute with a key themselves.

mod adapters;
mod cipher;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod header;
mod id;
mod kdf;
mod message_key;
mod nonce;
mod open;
mod random;
mod range;
mod runs;
mod scan;
mod scrub;
mod seal;
mod secret;
mod tail;
mod trailer;
mod value;

#[cfg(test)]
mod tests;

pub use self::adapters::{OpenReader, SealWriter};
pub use self::error::{OpenError, SealError};
pub use self::header::{
    HEADER_LEN, Header, MAX_SEGMENT_LEN, MIN_SEGMENT_LEN, ObjectKind, SEGMENT_LEN,
};
pub use self::id::{DataKeyId, InvalidDataKeyId};
pub use self::kdf::Binding;
pub use self::open::Opener;
pub use self::range::ReadRange;
pub use self::runs::MAX_RUNS;
pub use self::scan::{Recovered, Scanner};
pub use self::scrub::scrubbed;
pub use self::seal::{FinishedSeal, Sealer};
pub use self::secret::{DATA_KEY_LEN, DataKey};
pub use self::trailer::MAX_IDENTITY_LEN;
pub use self::value::{VALUE_OVERHEAD, open_value, seal_value};
