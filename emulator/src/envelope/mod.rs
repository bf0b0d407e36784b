//! The sealed file format, version 1: the stored form of everything that a client pushes.
//!
//! A [`Sealer`] writes a sealed file from front to back, a [`Scanner`] reads an unfinished one again after a restart, an
//! [`Opener`] gives random access to a finished one, and [`seal_value`] seals short values. `FORMAT.md` in this folder
//! specifies every byte and lists the attacks and their defences.
//!
//! **Invariant:** no pair of run key and counter is ever used twice for sealing. **Invariant:** plaintext is returned only
//! after it was authenticated, at its place, in its file.
//!
//! This area is pure and synchronous. It knows no file system, no registry, no vault and no clock: it gets a
//! `Read`, a `Write` and a data key, and it derives the key of a run anew in each call, so that no derived key outlives
//! the call and only the caller's lease on the data key decides how long content can be read.
//!
//! ```
//! use std::io::Cursor;
//!
//! use sealyard::envelope::{Binding, DataKey, DataKeyId, Header, ObjectKind, Opener, SEGMENT_LEN, Sealer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = DataKey::generate()?;
//! let binding = Binding::new("local", ObjectKind::Blob);
//!
//! let mut sealer = Sealer::create(Vec::new(), DataKeyId::random()?, binding.clone(), SEGMENT_LEN)?;
//! sealer.append(&key, b"hello, ")?;
//! sealer.append(&key, b"world")?;
//! let (file, seal) = sealer.finish(&key, "sha256:09ca7e4e")?;
//! assert_eq!(seal.plaintext_len, 12);
//!
//! let mut file = Cursor::new(file);
//! let header = Header::read(&mut file)?;
//! let mut opener = Opener::open(file, header, binding, &key, "sha256:09ca7e4e")?;
//! let mut segment = Vec::new();
//! opener.read_segment(&key, 0, &mut segment)?;
//! assert_eq!(segment, b"hello, world");
//! # Ok(())
//! # }
//! ```

mod error;
#[doc(hidden)]
pub mod fuzzing;
mod header;
mod id;
mod kdf;
mod nonce;
mod open;
mod random;
mod runs;
mod scan;
mod seal;
mod secret;
mod tail;
mod trailer;
mod value;

#[cfg(test)]
mod tests;

pub use self::error::{OpenError, SealError};
pub use self::header::{
    HEADER_LEN, Header, MAX_SEGMENT_LEN, MIN_SEGMENT_LEN, ObjectKind, SEGMENT_LEN,
};
pub use self::id::{DataKeyId, InvalidDataKeyId};
pub use self::kdf::Binding;
pub use self::open::Opener;
pub use self::runs::MAX_RUNS;
pub use self::scan::{Recovered, Scanner};
pub use self::seal::{FinishedSeal, Sealer};
pub use self::secret::{DATA_KEY_LEN, DataKey};
pub use self::trailer::MAX_IDENTITY_LEN;
pub use self::value::{VALUE_OVERHEAD, open_value, seal_value};
