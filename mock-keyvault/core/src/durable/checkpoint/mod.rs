//! A checkpoint: all rows at one generation, in ascending order.
//!
//! The file is a header, chunks of rows, and a footer. Each chunk is authentic for its place in this checkpoint only.

use super::bytes::Fields;
use super::error::What;
use super::frame;
use super::key::{MAC_LEN, RowsKey};
use super::position::{POSITION_LEN, Position};
use super::segment::parse_name;

mod reader;
mod writer;

pub use reader::CheckpointReader;
pub use writer::CheckpointWriter;

/// The bytes of the header.
const HEADER_LEN: usize = frame::FRONT_LEN + POSITION_LEN + MAC_LEN;

/// A chunk ends with the row that makes it this long.
const CHUNK_LEN: usize = 64 << 10;

/// The longest chunk: it ends with the row of a record of the largest size.
const MAX_CHUNK_LEN: usize = CHUNK_LEN + super::record::MAX_BODY_LEN;

/// The magic, the number and the length of a chunk, or of the footer.
const FRAME_LEN: usize = 8 + 8 + 8;

const MAGIC: [u8; 8] = *b"SYCHECKP";
const CHUNK: &[u8; 8] = b"SYCHUNK\0";
const FOOTER: &[u8; 8] = b"SYFOOTER";
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
    fn take(fields: &mut Fields<'a>) -> Option<Self> {
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

fn encode_header(key: &RowsKey, position: &Position) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[frame::FRONT_LEN..][..POSITION_LEN].copy_from_slice(&position.to_bytes());
    frame::seal(key, MAGIC, &mut bytes);
    bytes
}

fn verify_header(key: &RowsKey, bytes: &[u8; HEADER_LEN]) -> Result<Position, What> {
    Position::take(&mut frame::open(key, MAGIC, bytes)?).ok_or(What::Content)
}

/// An authentic checkpoint whose only chunk holds arbitrary bytes, for the fuzz targets.
pub(super) fn with_chunk(key: &RowsKey, position: &Position, rows: &[u8]) -> Vec<u8> {
    CheckpointWriter::with_chunk(key, *position, rows).unwrap_or_default()
}
