//! Reads an object in ranges.

use std::fmt;
use std::io;

/// An open object. A call reads a whole range, so that an engine behind a network needs one request for it.
pub struct ObjectReader(Box<dyn ReadObject>);

/// The open object of an engine.
pub(super) trait ReadObject: Send {
    /// How many bytes it has now.
    fn total_len(&self) -> io::Result<u64>;

    /// Appends up to `len` bytes from `offset` on to `bytes`; fewer only at the end.
    fn read_range(&self, offset: u64, len: usize, bytes: &mut Vec<u8>) -> io::Result<()>;
}

impl ObjectReader {
    pub(super) fn new(object: impl ReadObject + 'static) -> Self {
        Self(Box::new(object))
    }

    /// How many bytes the object has.
    pub fn object_len(&self) -> io::Result<u64> {
        self.0.total_len()
    }

    /// Appends up to `len` bytes from `offset` on to `bytes`; fewer only at the end of the object. After an error, `bytes`
    /// may have a part of them.
    pub fn read_at(&self, offset: u64, len: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.0.read_range(offset, len, bytes)
    }
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectReader").finish_non_exhaustive()
    }
}
