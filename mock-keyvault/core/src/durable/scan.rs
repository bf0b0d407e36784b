//! Reads a segment from its beginning to its end, and classifies the end.

use std::path::Path;

use super::error::{FormatError, FrameDamage};
use super::key::RowsKey;
use super::position::Position;
use super::record::{HEAD_LEN, MAGIC, Record, RecordHead};
use super::segment::{SEGMENT_HEADER_LEN, SegmentHeader};

/// A record and its offset in its segment.
#[derive(Clone, Debug)]
pub struct Located<'a> {
    /// The offset of its first byte.
    pub offset: u64,
    /// The record.
    pub record: Record<'a>,
}

/// The end of the records of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Only zeros, or nothing, follow the last record.
    Clean {
        /// The offset of the next record.
        offset: u64,
    },
    /// One record was written in part, and only zeros follow it, as after an unfinished write.
    Torn {
        /// The offset of that record.
        offset: u64,
        /// The generation that it would have had.
        generation: u64,
    },
    /// A record does not verify, and other bytes than zeros follow it.
    Bad {
        /// The offset of that record.
        offset: u64,
        /// The generation that it should have.
        generation: u64,
        /// The kind of damage.
        what: FrameDamage,
        /// The generations of the records after it; `None` if no record after it verifies.
        later: Option<Later>,
    },
}

impl End {
    /// The offset and the kind of the damage; `None` for a clean end.
    pub fn fault(&self) -> Option<(u64, FrameDamage)> {
        match *self {
            Self::Clean { .. } => None,
            Self::Torn { offset, .. } => Some((offset, FrameDamage::Cut)),
            Self::Bad { offset, what, .. } => Some((offset, what)),
        }
    }
}

/// The generations of the records after a damaged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// The highest of their generations.
    pub generation: u64,
    /// The highest generation that was on the disk when one of them was written.
    pub synced_through: u64,
}

/// Reads the records of one segment in order, up to the first that does not verify or does not continue the one before.
#[derive(Debug)]
pub struct Scan<'a> {
    key: &'a RowsKey,
    bytes: &'a [u8],
    offset: usize,
    position: Position,
    /// The kind of damage at the offset, once the records have ended.
    ended: Option<FrameDamage>,
}

impl<'a> Scan<'a> {
    /// Reads the header of a segment. `bytes` is the whole content of the file.
    pub fn new(key: &'a RowsKey, file: &Path, bytes: &'a [u8]) -> Result<Self, FormatError> {
        let SegmentHeader { before } = SegmentHeader::read(key, file, bytes)?;
        Ok(Self { key, bytes, offset: SEGMENT_HEADER_LEN, position: before, ended: None })
    }

    /// The state after the last record that was read, or before the first.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The offset at which the next record begins or would begin.
    pub fn offset(&self) -> u64 {
        self.offset as u64
    }

    /// The end of the segment. It reads the records that were not read yet.
    pub fn end(mut self) -> End {
        while self.next().is_some() {}
        let (offset, rest) = (self.offset as u64, &self.bytes[self.offset..]);
        if is_zero(rest) {
            return End::Clean { offset };
        }
        let generation = self.position.generation.saturating_add(1);
        let what = self.ended.unwrap_or(FrameDamage::Magic);
        let head = RecordHead::verify(self.key, self.position.epoch, rest).ok();
        // After a head that verifies, the search begins at the end of its record, since its body can contain anything. A
        // record that verifies but is in the wrong place counts too.
        let search = match (what, head) {
            (FrameDamage::Chain, _) => 0,
            (_, Some(head)) => head.frame_len(),
            (_, None) => 1,
        };
        let behind = rest.get(search..).unwrap_or_default();
        match self.later(behind) {
            None if head.map_or_else(|| is_written_in_part(rest), |_| is_zero(behind)) => {
                End::Torn { offset, generation }
            }
            later => End::Bad { offset, generation, what, later },
        }
    }

    fn record(&self) -> Result<(Record<'a>, usize), FrameDamage> {
        let (key, epoch, rest) = (self.key, self.position.epoch, &self.bytes[self.offset..]);
        let head = RecordHead::verify(key, epoch, rest)?;
        let record = head.record(key, epoch, rest)?;
        if !record.continues(&self.position) {
            return Err(FrameDamage::Chain);
        }
        Ok((record, head.frame_len()))
    }

    /// The highest generations of the heads in these bytes that verify.
    fn later(&self, bytes: &[u8]) -> Option<Later> {
        let starts = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(MAGIC));
        let heads = starts
            .filter_map(|at| RecordHead::verify(self.key, self.position.epoch, &bytes[at..]).ok());
        heads
            .map(|RecordHead { generation, synced_through, .. }| Later {
                generation,
                synced_through,
            })
            .reduce(|a, b| Later {
                generation: a.generation.max(b.generation),
                synced_through: a.synced_through.max(b.synced_through),
            })
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Located<'a>;

    fn next(&mut self) -> Option<Located<'a>> {
        if self.ended.is_some() {
            return None;
        }
        match self.record() {
            Ok((record, length)) => {
                let offset = self.offset as u64;
                self.offset += length;
                self.position = record.position;
                Some(Located { offset, record })
            }
            Err(what) => {
                self.ended = Some(what);
                None
            }
        }
    }
}

/// Whether the bytes begin like a record and end, or become zeros, within its head.
fn is_written_in_part(rest: &[u8]) -> bool {
    let written = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let known = written.min(MAGIC.len());
    written <= HEAD_LEN && rest[..known] == MAGIC[..known]
}

fn is_zero(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().all(|block| *block == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}
