//! Merges the rows of a checkpoint with the records of later segments into all rows at one generation.
//!
//! Only the keys of changed rows are held in memory. Values are read again from their segments when they are needed. The check of
//! the set sum at the end proves that they are the verified values.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::disk_calls as fs;

use super::checkpoint::{CheckpointReader, CheckpointWriter, Row};
use super::error::{FormatError, FrameDamage};
use super::key::RowsKey;
use super::op::Op;
use super::position::Position;
use super::record::Record;
use super::scan::{Located, Scan};
use super::segment::read_segment;
use super::set_sum::SetSum;

/// How many segments are open at once. On a nearly full disk segments are short, and there can be a thousand of them.
const MOST_OPEN: usize = 64;

/// The place of the new value of a row.
#[derive(Clone, Copy, Debug)]
struct Place {
    segment: usize,
    offset: u64,
    length: usize,
}

/// The rows at one generation, ready to be read in order.
#[derive(Debug)]
pub struct Merge<'a> {
    key: &'a RowsKey,
    checkpoint: Option<(&'a Path, Position)>,
    segments: Vec<PathBuf>,
    /// The changed rows, in order: the place of the new value, or `None` for a removed row.
    changed: BTreeMap<(u8, Box<[u8]>), Option<Place>>,
    /// The state after the last segment that was read so far.
    reached: Option<Position>,
}

impl<'a> Merge<'a> {
    /// Reads the changes after the checkpoint, or from the beginning, up to the generation `through`. The segments are in order
    /// and have no gaps. They may begin before the checkpoint and reach beyond `through`.
    pub fn read(
        key: &'a RowsKey,
        checkpoint: Option<&'a Path>,
        segments: &[PathBuf],
        through: u64,
    ) -> Result<Self, FormatError> {
        let checkpoint = match checkpoint {
            Some(path) => Some((path, CheckpointReader::open(key, path)?.position())),
            None => None,
        };
        let (changed, reached) = (BTreeMap::new(), None);
        let mut merge = Self { key, checkpoint, segments: Vec::new(), changed, reached };
        for path in segments {
            if merge.position().is_some_and(|position| position.generation >= through) {
                break;
            }
            merge.segment(path, through)?;
        }
        let last = segments.last().map(PathBuf::as_path).or(checkpoint.map(|(path, _)| path));
        if merge.position().is_none_or(|position| position.generation != through) {
            let missing = FrameDamage::Missing(merge.position().map_or(0, |p| p.generation) + 1);
            return Err(FormatError::damaged(last.unwrap_or(Path::new("")), 0, missing));
        }
        Ok(merge)
    }

    /// The state of the rows; `None` if there is neither a checkpoint nor a segment.
    pub fn position(&self) -> Option<Position> {
        let checkpoint = self.checkpoint.map(|(_, position)| position);
        let ahead = |reached: &Position| {
            checkpoint.is_none_or(|position| position.generation <= reached.generation)
        };
        self.reached.filter(ahead).or(checkpoint)
    }

    /// Calls `each` with every row, in ascending order, and returns the state of the rows. The rows are proven only when this
    /// returns without an error.
    pub fn each_row<E: From<FormatError>>(
        self,
        mut each: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<Option<Position>, E> {
        let (key, position, mut sum) = (self.key, self.position(), SetSum::default());
        let last = self.last_file();
        self.stream(|row| {
            sum.add(key, row.tree, row.key, row.value);
            each(row)
        })?;
        if sum != position.map_or(SetSum::default(), |position| position.set_sum) {
            return Err(FormatError::damaged(&last, 0, FrameDamage::SetSum).into());
        }
        Ok(position)
    }

    /// Writes the rows as a checkpoint, without a sync, and returns their number.
    pub fn write_checkpoint(self, to: impl Write) -> Result<u64, FormatError> {
        let (key, last) = (self.key, self.last_file());
        let position = self.position().ok_or_else(nothing)?;
        let mut writer = CheckpointWriter::new(key, position, to)?;
        self.stream(|row| Ok::<_, FormatError>(writer.row(row)?))?;
        if !writer.adds_up() {
            return Err(FormatError::damaged(&last, 0, FrameDamage::SetSum));
        }
        let (rows, _) = writer.finish()?;
        Ok(rows)
    }

    /// Merges the rows of the checkpoint with the changed rows.
    fn stream<E: From<FormatError>>(
        self,
        mut each: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let open = VecDeque::with_capacity(MOST_OPEN);
        let mut values = Values { segments: self.segments, open, value: Vec::new() };
        let mut changed = self.changed.into_iter().peekable();
        if let Some((path, position)) = self.checkpoint {
            let mut reader = CheckpointReader::open(self.key, path)?;
            if reader.position() != position {
                return Err(FormatError::damaged(path, 0, FrameDamage::Chain).into());
            }
            while let Some(row) = reader.next_row()? {
                let at = (row.tree, row.key);
                while let Some(((tree, key), place)) =
                    changed.next_if(|(key, _)| (key.0, &*key.1) < at)
                {
                    if let Some(value) = values.read(place)? {
                        each(&Row { tree, key: &key, value })?;
                    }
                }
                match changed.next_if(|(key, _)| (key.0, &*key.1) == at) {
                    None => each(&row)?,
                    Some((_, place)) => {
                        if let Some(value) = values.read(place)? {
                            each(&Row { value, ..row })?;
                        }
                    }
                }
            }
        }
        for ((tree, key), place) in changed {
            if let Some(value) = values.read(place)? {
                each(&Row { tree, key: &key, value })?;
            }
        }
        Ok(())
    }

    /// Reads the records of the next segment.
    fn segment(&mut self, path: &Path, through: u64) -> Result<(), FormatError> {
        let file = fs::File::open(path)?;
        let bytes = read_segment(&file)?;
        let mut scan = Scan::new(self.key, path, &bytes)?;
        self.begins(path, &scan.position())?;
        let base = self.checkpoint.map(|(_, position)| position);
        while scan.position().generation < through {
            let Some(Located { offset, record }) = scan.next() else { break };
            let generation = record.position.generation;
            match base {
                Some(base) if generation == base.generation && record.position != base => {
                    return Err(FormatError::damaged(path, offset, FrameDamage::Chain));
                }
                Some(base) if generation <= base.generation => {}
                _ => self.apply(&record, &bytes),
            }
        }
        self.reached = Some(scan.position());
        self.segments.push(path.to_owned());
        if scan.position().generation < through
            && let Some((offset, what)) = scan.end().fault()
        {
            return Err(FormatError::damaged(path, offset, what));
        }
        Ok(())
    }

    /// Checks that a segment that begins in this state continues what was read before.
    fn begins(&self, path: &Path, before: &Position) -> Result<(), FormatError> {
        let expected = match (self.reached, self.checkpoint) {
            (Some(reached), _) => reached,
            // The first segment can begin before the checkpoint. Then a record in it is compared with the checkpoint.
            (None, Some((_, base))) if before.generation < base.generation => {
                Position { epoch: base.epoch, ..*before }
            }
            (None, Some((_, base))) => base,
            (None, None) => Position::start(self.key, before.epoch, 0, SetSum::default()),
        };
        if *before == expected {
            return Ok(());
        }
        let missing = before.generation > expected.generation;
        let what = if missing {
            FrameDamage::Missing(expected.generation + 1)
        } else {
            FrameDamage::Chain
        };
        Err(FormatError::damaged(path, 0, what))
    }

    fn apply(&mut self, record: &Record<'_>, bytes: &[u8]) {
        let segment = self.segments.len();
        for op in record.ops() {
            match op {
                Op::Put { tree, key, value } => {
                    // The value is a part of `bytes`.
                    let offset = (value.as_ptr().addr() - bytes.as_ptr().addr()) as u64;
                    let place = Place { segment, offset, length: value.len() };
                    self.changed.insert((tree, key.into()), Some(place));
                }
                Op::Remove { tree, key } => {
                    self.changed.insert((tree, key.into()), None);
                }
                Op::Attachment { .. } => {}
            }
        }
    }

    /// The file that is named in an error about all rows.
    fn last_file(&self) -> PathBuf {
        let segment = self.segments.last().map(PathBuf::as_path);
        segment.or(self.checkpoint.map(|(path, _)| path)).map(Path::to_owned).unwrap_or_default()
    }
}

/// Reads values from their segments, one at a time.
struct Values {
    segments: Vec<PathBuf>,
    /// The open segments, the most recently opened last.
    open: VecDeque<(usize, fs::File)>,
    value: Vec<u8>,
}

impl Values {
    /// The value at a place; `None` if the row was removed.
    fn read(&mut self, place: Option<Place>) -> Result<Option<&[u8]>, FormatError> {
        let Some(Place { segment, offset, length }) = place else { return Ok(None) };
        self.value.resize(length, 0);
        if let Some((_, file)) = self.open.iter().find(|(number, _)| *number == segment) {
            file.read_exact_at(&mut self.value, offset)?;
            return Ok(Some(&self.value));
        }
        if self.open.len() == MOST_OPEN {
            self.open.pop_front();
        }
        let file = fs::File::open(&self.segments[segment])?;
        file.read_exact_at(&mut self.value, offset)?;
        self.open.push_back((segment, file));
        Ok(Some(&self.value))
    }
}

fn nothing() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "cannot write a checkpoint: there is neither a checkpoint nor a segment",
    )
}
