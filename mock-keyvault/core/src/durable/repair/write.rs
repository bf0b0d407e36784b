//! Writes the state that was found as a new journal.

use std::io::{self, BufWriter};
use std::iter::Peekable;
use std::path::Path;

use crate::disk_calls as fs;

use super::super::checkpoint::{CheckpointReader, CheckpointWriter, Row, checkpoint_name};
use super::super::durability::Durability;
use super::super::error::FormatError;
use super::super::head::Head;
use super::super::key::RowsKey;
use super::super::position::{Epoch, Position};
use super::super::segment::{SEGMENT_LEN, SegmentHeader, segment_name};
use super::super::set_sum::SetSum;
use super::survey::{Changed, Source, Survey};
use super::work::make_private_dir;
use crate::folders::sync_dir;

impl Survey {
    /// Creates the folder `journal`, and writes the rows to it as the checkpoint of a new epoch, followed by an empty segment.
    /// Everything is synced. Returns the state and the number of rows.
    pub fn write(&self, key: &RowsKey, journal: &Path) -> Result<(Position, u64), FormatError> {
        make_private_dir(journal)?;
        let mut sum = SetSum::default();
        self.each_row(key, |row| {
            sum.add(key, row.tree, row.key, row.value);
            Ok(())
        })?;
        if self.source.is_some() && sum != self.position.set_sum {
            return Err(FormatError::Io(io::Error::other(
                "the rows that were found do not add up to the set sum of the journal",
            )));
        }
        let generation = self.position.generation;
        let position = Position::start(key, Epoch::random()?, generation, sum);
        let file = private(&journal.join(checkpoint_name(generation)))?;
        let mut writer = CheckpointWriter::new(key, position, BufWriter::new(file))?;
        self.each_row(key, |row| Ok(writer.row(row)?))?;
        let (rows, file) = writer.finish()?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        let mut segment = private(&journal.join(segment_name(generation + 1)))?;
        io::Write::write_all(&mut segment, &SegmentHeader { before: position }.encode(key))?;
        segment.set_len(SEGMENT_LEN)?;
        segment.sync_all()?;
        write_head(key, position, &journal.join("head"))?;
        sync_dir(journal)?;
        Ok((position, rows))
    }

    /// Calls `each` with every row of the state, in ascending order.
    pub fn each_row(
        &self,
        key: &RowsKey,
        mut each: impl FnMut(&Row<'_>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let mut changed = self.changed.iter().peekable();
        if let Some(Source::Checkpoint(path) | Source::Index(path)) = &self.source {
            let mut reader = CheckpointReader::open(key, path)?;
            while let Some(row) = reader.next_row()? {
                let at = (row.tree, row.key);
                put_before(&mut changed, Some(at), &mut each)?;
                let same = changed.next_if(|((tree, key), _)| (*tree, &key[..]) == at);
                if same.is_none() {
                    each(&row)?;
                } else if let Some((_, Some(value))) = same {
                    each(&Row { value, ..row })?;
                }
            }
        }
        put_before(&mut changed, None, &mut each)
    }
}

/// Writes the head of a journal that is synced and has no writer.
fn write_head(key: &RowsKey, position: Position, path: &Path) -> io::Result<()> {
    let mut file = private(path)?;
    let boot_id = fs::boot_id(path)?;
    let inode = std::os::unix::fs::MetadataExt::ino(&file.metadata()?);
    let head = Head { position, durability: Durability::Full, clean: true, boot_id, inode };
    io::Write::write_all(&mut file, &head.encode(key))?;
    file.sync_all()
}

/// Calls `each` with the changed rows before `end`.
fn put_before<'a>(
    changed: &mut Peekable<impl Iterator<Item = <&'a Changed as IntoIterator>::Item>>,
    end: Option<(u8, &[u8])>,
    each: &mut impl FnMut(&Row<'_>) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let is_before = |tree: u8, key: &[u8]| end.is_none_or(|end| (tree, key) < end);
    while let Some(((tree, key), value)) = changed.next_if(|((tree, key), _)| is_before(*tree, key))
    {
        if let Some(value) = value {
            each(&Row { tree: *tree, key, value })?;
        }
    }
    Ok(())
}

fn private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}
