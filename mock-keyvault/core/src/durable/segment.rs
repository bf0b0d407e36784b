//! A segment of the journal: a header, records, and zeros for later records.

use std::io::Read;
use std::path::Path;

use crate::disk_calls as fs;

use super::error::{FormatError, FrameDamage};
use super::frame;
use super::key::{MAC_LEN, RowsKey};
use super::position::{POSITION_LEN, Position};
use super::record::MAX_BODY_LEN;

/// The length of a segment, unless one record needs more.
pub const SEGMENT_LEN: u64 = 4 << 20;

/// The length of the longest segment, which holds a record of the largest size.
pub const MAX_SEGMENT_LEN: u64 = SEGMENT_LEN + MAX_BODY_LEN as u64;

/// The length of the header of a segment. The first record follows it.
pub const SEGMENT_HEADER_LEN: usize = frame::FRONT_LEN + POSITION_LEN + MAC_LEN;

const MAGIC: [u8; 8] = *b"SYSEGMNT";
const SUFFIX: &str = ".segment";

/// The header of a segment, with the position that the first record continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The state before the first record.
    pub before: Position,
}

impl SegmentHeader {
    /// The header as it is stored.
    pub fn encode(&self, key: &RowsKey) -> [u8; SEGMENT_HEADER_LEN] {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        bytes[frame::FRONT_LEN..][..POSITION_LEN].copy_from_slice(&self.before.to_bytes());
        frame::seal(key, MAGIC, &mut bytes);
        bytes
    }

    /// Reads the header at the beginning of the bytes of this file.
    pub fn read(key: &RowsKey, file: &Path, bytes: &[u8]) -> Result<Self, FormatError> {
        Self::verify(key, bytes).map_err(|what| FormatError::damaged(file, 0, what))
    }

    fn verify(key: &RowsKey, bytes: &[u8]) -> Result<Self, FrameDamage> {
        let (header, _) = bytes.split_at_checked(SEGMENT_HEADER_LEN).ok_or(FrameDamage::Cut)?;
        let before =
            Position::take(&mut frame::open(key, MAGIC, header)?).ok_or(FrameDamage::Content)?;
        Ok(Self { before })
    }
}

/// The name of the segment whose first record has this generation.
pub fn segment_name(first: u64) -> String {
    format!("{first:016x}{SUFFIX}")
}

/// The generation in the name of a segment; `None` if it is the name of another file.
pub fn parse_segment_name(name: &str) -> Option<u64> {
    parse_name(name, SUFFIX)
}

/// The generation in a name of 16 lower-case hexadecimal digits and this suffix.
pub(super) fn parse_name(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix).filter(|digits| digits.len() == 16)?;
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    digits.bytes().all(lower).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// Reads a whole segment, whose length does not change meanwhile. A file that is longer than any segment is refused.
pub fn read_segment(file: &fs::File) -> Result<Vec<u8>, FormatError> {
    let len = file.metadata()?.len();
    if len > MAX_SEGMENT_LEN {
        return Err(FormatError::damaged(file.path(), MAX_SEGMENT_LEN, FrameDamage::Length));
    }
    // One buffer of the whole length: a growing buffer would be copied and wiped several times at each start.
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let mut file = file;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
