//! Writes a checkpoint from rows in ascending order.

use std::io::{self, Write};

use super::super::key::{MAC_LEN, RowsKey};
use super::super::position::Position;
use super::super::set_sum::SetSum;
use super::frames::{CHUNK, CHUNK_LEN, FOOTER, FRAME_LEN, HEADER_LEN, Row, encode_header};

/// Writes one checkpoint. It holds one chunk in memory.
#[derive(Debug)]
pub struct CheckpointWriter<'a, W> {
    key: &'a RowsKey,
    to: W,
    position: Position,
    header_mac: [u8; MAC_LEN],
    /// The chunk that is being filled: space for its frame, then rows.
    chunk: Vec<u8>,
    chunks: u64,
    rows: u64,
    set_sum: SetSum,
    last: Option<(u8, Vec<u8>)>,
}

impl<'a, W: Write> CheckpointWriter<'a, W> {
    /// Begins a checkpoint of the rows in the state `position`.
    pub fn new(key: &'a RowsKey, position: Position, mut to: W) -> io::Result<Self> {
        let header = encode_header(key, &position);
        to.write_all(&header)?;
        let mut header_mac = [0; MAC_LEN];
        header_mac.copy_from_slice(&header[HEADER_LEN - MAC_LEN..]);
        let mut chunk = Vec::with_capacity(FRAME_LEN + CHUNK_LEN);
        chunk.resize(FRAME_LEN, 0);
        let (chunks, rows, set_sum, last) = (0, 0, SetSum::default(), None);
        Ok(Self { key, to, position, header_mac, chunk, chunks, rows, set_sum, last })
    }

    /// Writes the next row. Its tree and key must come after those of the row before it.
    pub fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        let ascending =
            self.last.as_ref().is_none_or(|(tree, key)| (*tree, &key[..]) < (row.tree, row.key));
        if !ascending {
            return Err(io::Error::other(
                "cannot write the checkpoint: its rows are not in ascending order",
            ));
        }
        let (tree, key) = self.last.get_or_insert_default();
        *tree = row.tree;
        key.clear();
        key.extend_from_slice(row.key);
        self.set_sum.add(self.key, row.tree, row.key, row.value);
        self.rows += 1;
        self.chunk.push(row.tree);
        for field in [row.key, row.value] {
            let length = u32::try_from(field.len()).map_err(io::Error::other)?;
            self.chunk.extend_from_slice(&length.to_le_bytes());
            self.chunk.extend_from_slice(field);
        }
        if self.chunk.len() >= FRAME_LEN + CHUNK_LEN { self.end_chunk() } else { Ok(()) }
    }

    /// Whether the rows so far add up to the set sum of the position.
    pub fn adds_up(&self) -> bool {
        self.set_sum == self.position.set_sum
    }

    /// Writes the rest. Returns the number of rows, and the writer, which is not synced. Fails if the rows do not add up to the
    /// set sum of the position.
    pub fn finish(mut self) -> io::Result<(u64, W)> {
        if !self.adds_up() {
            return Err(io::Error::other(
                "cannot write the checkpoint: its rows do not add up to the set sum of the journal",
            ));
        }
        if self.chunk.len() > FRAME_LEN {
            self.end_chunk()?;
        }
        let rows = self.rows;
        self.frame(*FOOTER, rows);
        self.write_chunk()?;
        self.to.flush()?;
        Ok((rows, self.to))
    }

    fn end_chunk(&mut self) -> io::Result<()> {
        let length = (self.chunk.len() - FRAME_LEN) as u64;
        self.frame(*CHUNK, length);
        self.write_chunk()
    }

    /// Fills in the front of the chunk or footer.
    fn frame(&mut self, magic: [u8; 8], value: u64) {
        self.chunk[..8].copy_from_slice(&magic);
        self.chunk[8..16].copy_from_slice(&self.chunks.to_le_bytes());
        self.chunk[16..FRAME_LEN].copy_from_slice(&value.to_le_bytes());
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        let mac = self.key.mac(&[&self.chunk, &self.header_mac]);
        self.chunk.extend_from_slice(&mac);
        self.to.write_all(&self.chunk)?;
        self.chunk.truncate(FRAME_LEN);
        self.chunks += 1;
        Ok(())
    }
}

/// An authentic checkpoint whose only chunk holds arbitrary bytes, for the fuzz targets.
pub(in super::super) fn with_chunk(key: &RowsKey, position: &Position, rows: &[u8]) -> Vec<u8> {
    CheckpointWriter::with_chunk(key, *position, rows).unwrap_or_default()
}

impl CheckpointWriter<'_, Vec<u8>> {
    /// A checkpoint whose only chunk holds these bytes, for the fuzz targets.
    fn with_chunk(key: &RowsKey, position: Position, rows: &[u8]) -> io::Result<Vec<u8>> {
        let mut writer = CheckpointWriter::new(key, position, Vec::new())?;
        writer.chunk.extend_from_slice(rows);
        writer.end_chunk()?;
        Ok(writer.finish()?.1)
    }
}
