//! [`Write`], [`Read`] and [`Seek`] over sealed files, for code that does not know the format.
//!
//! Both adapters borrow the data key for as long as they live. A caller that must be able to lose the key between two calls uses
//! [`Sealer::append`] and [`Opener::read_segment`], which borrow it for one call.

use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};

use zeroize::{Zeroize as _, Zeroizing};

use crate::{DataKey, FinishedSeal, OpenError, Opener, ReadRange, SealError, Sealer};

/// Seals everything that is written to it. Made by [`Sealer::into_writer`]; it must end in [`SealWriter::finish`].
#[must_use]
pub struct SealWriter<'key, W: Write> {
    sealer: Sealer<W>,
    key: &'key DataKey,
}

/// Reads the content of a finished file from any place. Made by [`Opener::into_reader`].
///
/// A segment is authenticated before its first byte is returned. Damage is an error of the kind [`io::ErrorKind::InvalidData`].
/// The plaintext of one segment is kept in memory and wiped when another one takes its place.
pub struct OpenReader<'key, R: ReadRange> {
    opener: Opener<R>,
    key: &'key DataKey,
    segment: Zeroizing<Vec<u8>>,
    /// The number of the segment in memory.
    loaded: Option<u64>,
    /// The offset of the next byte in the content. It may lie behind the end, as in a file.
    position: u64,
}

impl<W: Write> Sealer<W> {
    /// A [`Write`] that seals with this key.
    pub fn into_writer(self, key: &DataKey) -> SealWriter<'_, W> {
        SealWriter { sealer: self, key }
    }
}

impl<R: ReadRange> Opener<R> {
    /// A [`Read`] and [`Seek`] that opens with this key. It begins at the first byte of the content.
    pub fn into_reader(self, key: &DataKey) -> OpenReader<'_, R> {
        OpenReader { opener: self, key, segment: Zeroizing::default(), loaded: None, position: 0 }
    }
}

impl<W: Write> SealWriter<'_, W> {
    /// Ends the file: see [`Sealer::finish`].
    pub fn finish(self, identity: &str) -> Result<(W, FinishedSeal), SealError> {
        self.sealer.finish(self.key, identity)
    }

    /// The sealer, for calls with the key of each call.
    pub fn into_inner(self) -> Sealer<W> {
        self.sealer
    }
}

impl<W: Write> Write for SealWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sealer.append(self.key, bytes)?;
        Ok(bytes.len())
    }

    /// Flushes the output. Content that does not fill a segment stays in memory until [`SealWriter::finish`]: a segment is
    /// never sealed twice.
    fn flush(&mut self) -> io::Result<()> {
        self.sealer.flush_output()
    }
}

impl<R: ReadRange> OpenReader<'_, R> {
    /// The opener, for calls with the key of each call.
    pub fn into_inner(self) -> Opener<R> {
        self.opener
    }
}

impl<R: ReadRange> BufRead for OpenReader<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.opener.len() <= self.position {
            return Ok(&[]);
        }
        let number = self.opener.segment_of(self.position);
        if self.loaded != Some(number) {
            self.loaded = None;
            // A shorter segment would leave the end of this one in memory.
            self.segment.zeroize();
            self.opener.read_segment(self.key, number, &mut self.segment)?;
            self.loaded = Some(number);
        }
        let start = self.position % u64::from(self.opener.segment_len());
        let start = usize::try_from(start).map_err(io::Error::other)?;
        Ok(self.segment.get(start..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.position = self.position.saturating_add(amount as u64);
    }
}

impl<R: ReadRange> Read for OpenReader<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut found = self.fill_buf()?;
        let read = found.read(bytes)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: ReadRange> Seek for OpenReader<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.opener.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "seek before the first byte")
        })?;
        Ok(self.position)
    }
}

impl<W: Write> fmt::Debug for SealWriter<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealWriter").field("sealer", &self.sealer).finish_non_exhaustive()
    }
}

impl<R: ReadRange> fmt::Debug for OpenReader<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenReader")
            .field("opener", &self.opener)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl From<SealError> for io::Error {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Io(error) => error,
            error => Self::other(error),
        }
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(error) => error,
            OpenError::NoSuchSegment(_) => Self::new(io::ErrorKind::InvalidInput, error),
            OpenError::UnsupportedVersion(_) => Self::new(io::ErrorKind::Unsupported, error),
            error => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}
