//! Where sealed files are read from: any range of their bytes.
//!
//! A reader of sealed files never needs a position, only ranges that it knows beforehand. So a store that answers requests for
//! ranges gets exactly one request for each range.

use std::io::{self, Read, Seek, SeekFrom};

use super::OpenError;

/// Reads ranges of a file. Everything that is [`Read`] and [`Seek`] has it.
pub trait ReadRange {
    /// How many bytes the file has.
    fn total_len(&mut self) -> io::Result<u64>;

    /// Appends up to `len` bytes from `offset` on to `bytes`; fewer only at the end of the file. After an error, `bytes` may
    /// have a part of them.
    fn read_range(&mut self, offset: u64, len: usize, bytes: &mut Vec<u8>) -> io::Result<()>;
}

impl<R: Read + Seek> ReadRange for R {
    fn total_len(&mut self) -> io::Result<u64> {
        self.seek(SeekFrom::End(0))
    }

    /// The new space is not filled with zeros first.
    fn read_range(&mut self, offset: u64, len: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.seek(SeekFrom::Start(offset))?;
        bytes.reserve_exact(len);
        self.take(len as u64).read_to_end(bytes)?;
        Ok(())
    }
}

/// Fills `bytes` from `offset` on. A shorter file is malformed.
pub(super) fn read_exact_range(
    input: &mut impl ReadRange,
    offset: u64,
    bytes: &mut [u8],
) -> Result<(), OpenError> {
    let mut found = Vec::new();
    input.read_range(offset, bytes.len(), &mut found)?;
    if found.len() != bytes.len() {
        return Err(OpenError::from_read(io::ErrorKind::UnexpectedEof.into()));
    }
    bytes.copy_from_slice(&found);
    Ok(())
}
