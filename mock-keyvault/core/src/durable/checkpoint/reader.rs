//! Reads a checkpoint from its beginning to its end.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use crate::disk_calls as fs;

use super::super::bytes::Fields;
use super::super::error::{FormatError, FrameDamage};
use super::super::key::{MAC_LEN, RowsKey};
use super::super::position::Position;
use super::super::set_sum::SetSum;
use super::frames::{CHUNK, FOOTER, FRAME_LEN, HEADER_LEN, MAX_CHUNK_LEN, Row, verify_header};

/// Reads one checkpoint. It holds one chunk in memory.
///
/// Each returned row is authentic. Only the final `None` confirms that none is missing.
#[derive(Debug)]
pub struct CheckpointReader<'a, R> {
    key: &'a RowsKey,
    file: PathBuf,
    from: R,
    position: Position,
    header_mac: [u8; MAC_LEN],
    /// The current chunk: its frame and its rows.
    chunk: Vec<u8>,
    /// The offset of the next row in the chunk.
    at: usize,
    /// The offsets in the file of the current chunk and of the next.
    offset: u64,
    next_offset: u64,
    chunks: u64,
    rows: u64,
    set_sum: SetSum,
    last: Option<(u8, Vec<u8>)>,
    ended: bool,
}

impl<'a> CheckpointReader<'a, BufReader<fs::File>> {
    /// Opens the checkpoint in this file.
    pub fn open(key: &'a RowsKey, file: &Path) -> Result<Self, FormatError> {
        Self::new(key, file, BufReader::with_capacity(128 << 10, fs::File::open(file)?))
    }
}

impl<'a, R: Read> CheckpointReader<'a, R> {
    /// Reads the header of the checkpoint. Errors name the file.
    pub fn new(key: &'a RowsKey, file: &Path, mut from: R) -> Result<Self, FormatError> {
        let damaged = |what| FormatError::damaged(file, 0, what);
        let mut chunk = Vec::new();
        from.by_ref().take(HEADER_LEN as u64).read_to_end(&mut chunk)?;
        let header = chunk.as_array::<HEADER_LEN>().ok_or_else(|| damaged(FrameDamage::Cut))?;
        let position = verify_header(key, header).map_err(damaged)?;
        let mut header_mac = [0; MAC_LEN];
        header_mac.copy_from_slice(&header[HEADER_LEN - MAC_LEN..]);
        chunk.clear();
        let offset = HEADER_LEN as u64;
        Ok(Self {
            key,
            file: file.to_owned(),
            from,
            position,
            header_mac,
            chunk,
            at: 0,
            offset,
            next_offset: offset,
            chunks: 0,
            rows: 0,
            set_sum: SetSum::default(),
            last: None,
            ended: false,
        })
    }

    /// The state of the rows.
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many rows were read so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The offset in the file of the chunk of the last row, for progress.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next row; `None` after the last one, when the footer is verified and the rows add up to the set sum.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, FormatError> {
        while self.at == self.chunk.len() {
            if self.ended {
                return Ok(None);
            }
            self.next_chunk()?;
        }
        let mut fields = Fields(&self.chunk[self.at..]);
        let row = Row::take(&mut fields).ok_or_else(|| self.damaged(FrameDamage::Content))?;
        let ascending =
            self.last.as_ref().is_none_or(|(tree, key)| (*tree, &key[..]) < (row.tree, row.key));
        if !ascending {
            return Err(self.damaged(FrameDamage::Order));
        }
        let (tree, key) = self.last.get_or_insert_default();
        *tree = row.tree;
        key.clear();
        key.extend_from_slice(row.key);
        self.at = self.chunk.len() - fields.0.len();
        self.set_sum.add(self.key, row.tree, row.key, row.value);
        self.rows += 1;
        Ok(Some(row))
    }

    /// Reads the next chunk, or the footer.
    fn next_chunk(&mut self) -> Result<(), FormatError> {
        self.offset = self.next_offset;
        self.chunk.clear();
        self.fill(FRAME_LEN)?;
        let (magic, number, value) = self.frame().ok_or_else(|| self.damaged(FrameDamage::Cut))?;
        let is_footer = match &magic {
            CHUNK => false,
            FOOTER => true,
            _ => return Err(self.damaged(FrameDamage::Magic)),
        };
        if !is_footer {
            let length = usize::try_from(value).ok().filter(|length| *length <= MAX_CHUNK_LEN);
            self.fill(length.ok_or_else(|| self.damaged(FrameDamage::Length))?)?;
        }
        let length = self.chunk.len();
        self.fill(MAC_LEN)?;
        let (covered, mac) = self.chunk.split_at(length);
        if !self.key.verifies(&[covered, &self.header_mac], mac) {
            return Err(self.damaged(FrameDamage::Mac));
        }
        if number != self.chunks {
            return Err(self.damaged(FrameDamage::Order));
        }
        self.chunk.truncate(length);
        self.next_offset += (length + MAC_LEN) as u64;
        self.at = FRAME_LEN;
        self.chunks += 1;
        if is_footer { self.end(value) } else { Ok(()) }
    }

    /// Checks the number and the sum of the rows, and that nothing follows.
    fn end(&mut self, rows: u64) -> Result<(), FormatError> {
        self.ended = true;
        let mut behind = [0];
        if self.from.read(&mut behind)? != 0 {
            self.offset = self.next_offset;
            return Err(self.damaged(FrameDamage::Trailing));
        }
        if rows != self.rows || self.set_sum != self.position.set_sum {
            return Err(self.damaged(FrameDamage::SetSum));
        }
        Ok(())
    }

    /// Appends that many bytes to the chunk. It only allocates memory for bytes that are in the file.
    fn fill(&mut self, length: usize) -> Result<(), FormatError> {
        let read = self.from.by_ref().take(length as u64).read_to_end(&mut self.chunk)?;
        if read < length { Err(self.damaged(FrameDamage::Cut)) } else { Ok(()) }
    }

    fn frame(&self) -> Option<([u8; 8], u64, u64)> {
        let mut fields = Fields(&self.chunk);
        Some((fields.array()?, fields.u64()?, fields.u64()?))
    }

    fn damaged(&self, what: FrameDamage) -> FormatError {
        FormatError::damaged(&self.file, self.offset, what)
    }
}
