//! The frames of a checkpoint: the header, the chunks and the footer, and the name of the file.

use super::super::bytes::Fields;
use super::super::error::FrameDamage;
use super::super::frame;
use super::super::key::{MAC_LEN, RowsKey};
use super::super::position::{POSITION_LEN, Position};
use super::super::segment::parse_name;

/// The bytes of the header.
pub(super) const HEADER_LEN: usize = frame::FRONT_LEN + POSITION_LEN + MAC_LEN;

/// A chunk ends with the row that makes it this long.
pub(super) const CHUNK_LEN: usize = 64 << 10;

/// The longest chunk: it ends with the row of a record of the largest size.
pub(super) const MAX_CHUNK_LEN: usize = CHUNK_LEN + super::super::record::MAX_BODY_LEN;

/// The magic, the number and the length of a chunk, or of the footer.
pub(super) const FRAME_LEN: usize = 8 + 8 + 8;

const MAGIC: [u8; 8] = *b"SYCHECKP";
pub(super) const CHUNK: &[u8; 8] = b"SYCHUNK\0";
pub(super) const FOOTER: &[u8; 8] = b"SYFOOTER";
const SUFFIX: &str = ".checkpoint";

/// A row, borrowed from the chunk that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The number of the tree.
    pub tree: u8,
    /// The key of the row.
    pub key: &'a [u8],
    /// The value of the row.
    pub value: &'a [u8],
}

impl<'a> Row<'a> {
    pub(super) fn take(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self { tree: fields.u8()?, key: fields.counted()?, value: fields.counted()? })
    }
}

/// The name of the checkpoint of this generation.
pub fn checkpoint_name(generation: u64) -> String {
    format!("{generation:016x}{SUFFIX}")
}

/// The generation in the name of a checkpoint; `None` if it is the name of another file.
pub fn parse_checkpoint_name(name: &str) -> Option<u64> {
    parse_name(name, SUFFIX)
}

pub(super) fn encode_header(key: &RowsKey, position: &Position) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[frame::FRONT_LEN..][..POSITION_LEN].copy_from_slice(&position.to_bytes());
    frame::seal(key, MAGIC, &mut bytes);
    bytes
}

pub(super) fn verify_header(
    key: &RowsKey,
    bytes: &[u8; HEADER_LEN],
) -> Result<Position, FrameDamage> {
    Position::take(&mut frame::open(key, MAGIC, bytes)?).ok_or(FrameDamage::Content)
}
