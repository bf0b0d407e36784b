//! Random access to a finished file.
//!
//! Opening reads and authenticates the trailer, compares the name and the exact length, and reads no content. Each segment
//! is then read independently: its place follows from the trailer, its key from the data key, which the caller passes to each
//! call. Nothing that could open content is kept between calls.

use std::fmt;
use std::io;

use super::header::{HEADER_LEN, Header};
use super::kdf::{Binding, FileContext};
use super::message_key::Commitment;
use super::nonce::Nonce;
use super::random::SALT_LEN;
use super::range::{ReadRange, read_exact_range};
use super::runs::{Layout, RUN_HEAD_LEN};
use super::trailer::{FOOTER_LEN, Trailer};
use super::{DataKey, OpenError};

/// Reads any segment of a finished file. See the module's description.
pub struct Opener<R: ReadRange> {
    input: R,
    context: FileContext,
    layout: Layout,
    checked: Option<CheckedRun>,
}

/// The run of the last read. Its head was compared with the trailer's list.
struct CheckedRun {
    number: usize,
    commitment: Commitment,
}

impl<R: ReadRange> Opener<R> {
    /// Opens a finished file. `header` was read from this `input`, by [`Header::read`] or [`Header::of_file`]; `key` is the data
    /// key that it names; `identity` is the identity that the file was finished with.
    pub fn open(
        input: R,
        header: Header,
        binding: Binding,
        key: &DataKey,
        identity: &str,
    ) -> Result<Self, OpenError> {
        let (opener, found) = Self::open_unnamed(input, header, binding, key)?;
        if found == identity { Ok(opener) } else { Err(OpenError::Damaged) }
    }

    /// Opens a finished file whose name is not known, and returns the identity that it was finished with. For repairs: callers
    /// that know the name use [`Opener::open`], which compares it.
    pub fn open_unnamed(
        mut input: R,
        header: Header,
        binding: Binding,
        key: &DataKey,
    ) -> Result<(Self, String), OpenError> {
        const FIXED_LEN: u64 = (HEADER_LEN + FOOTER_LEN) as u64;
        if header.kind() != binding.kind {
            return Err(OpenError::Damaged);
        }
        let context = FileContext::new(header, binding);
        let file_len = input.total_len()?;
        let Some(rest) = file_len.checked_sub(FIXED_LEN) else {
            return Err(OpenError::Malformed("too short for a finished file"));
        };
        let mut found = [0; HEADER_LEN];
        read_exact_range(&mut input, 0, &mut found)?;
        if found != header.to_bytes() {
            return Err(OpenError::Damaged);
        }
        let mut footer = [0; FOOTER_LEN];
        read_exact_range(&mut input, file_len - FOOTER_LEN as u64, &mut footer)?;
        let sealed_len = Trailer::sealed_len(footer)?;
        let Some(body_len) = rest.checked_sub(sealed_len as u64) else {
            return Err(OpenError::Malformed("trailer longer than the file"));
        };
        let trailer_offset = HEADER_LEN as u64 + body_len;
        let mut sealed = Vec::new();
        input.read_range(trailer_offset, sealed_len, &mut sealed)?;
        if sealed.len() != sealed_len {
            return Err(OpenError::from_read(io::ErrorKind::UnexpectedEof.into()));
        }
        let trailer = Trailer::open(&context, key, sealed)?;
        let layout = Layout::new(&trailer.runs, header.segment_len(), trailer.plaintext_len)?;
        if layout.end() != trailer_offset {
            return Err(OpenError::Damaged);
        }
        Ok((Self { input, context, layout, checked: None }, trailer.identity))
    }

    /// How many bytes of content the file holds.
    #[expect(clippy::len_without_is_empty, reason = "a length of content, not a collection")]
    pub fn len(&self) -> u64 {
        self.layout.plaintext_len()
    }

    /// How many bytes of content every segment but the last holds.
    pub fn segment_len(&self) -> u32 {
        self.context.header.segment_len()
    }

    /// How many segments there are: 0 if the content is empty.
    pub fn segment_count(&self) -> u64 {
        self.layout.segments()
    }

    /// The number of the segment that holds the byte at this offset of the content.
    pub fn segment_of(&self, offset: u64) -> u64 {
        offset / u64::from(self.segment_len())
    }

    /// Replaces `segment` by the plaintext of one segment. It is empty after an error.
    ///
    /// Nothing is copied: the sealed bytes are read into `segment` and decrypted there.
    pub fn read_segment(
        &mut self,
        key: &DataKey,
        index: u64,
        segment: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        segment.clear();
        let result = self.read_into(key, index, segment);
        if result.is_err() {
            segment.clear();
        }
        result
    }

    #[cfg(test)]
    pub(super) fn input_mut(&mut self) -> &mut R {
        &mut self.input
    }

    fn read_into(
        &mut self,
        key: &DataKey,
        index: u64,
        segment: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        let place = self.layout.segment(index).ok_or(OpenError::NoSuchSegment(index))?;
        let run = self.layout.run(place.run).ok_or(OpenError::NoSuchSegment(index))?;
        let nonce = Nonce::of_segment(place.index_in_run).ok_or(OpenError::Damaged)?;
        let commitment = match &self.checked {
            Some(checked) if checked.number == place.run => checked.commitment,
            _ => {
                let mut head = [0; RUN_HEAD_LEN];
                read_exact_range(&mut self.input, run.offset, &mut head)?;
                let (salt, commitment) = head.split_at(SALT_LEN);
                if salt != run.salt.0 {
                    return Err(OpenError::Damaged);
                }
                commitment.try_into().map_err(|_| OpenError::Damaged)?
            }
        };
        self.input.read_range(place.offset, place.sealed_len, segment)?;
        if segment.len() != place.sealed_len {
            return Err(OpenError::Damaged);
        }
        let derivation = self.context.run(key, &run.salt, run.place);
        let opened = derivation.open(&commitment, &nonce, &[], segment);
        opened.map_err(|_| OpenError::Damaged)?;
        self.checked = Some(CheckedRun { number: place.run, commitment });
        Ok(())
    }
}

impl<R: ReadRange> fmt::Debug for Opener<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("header", &self.context.header)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
