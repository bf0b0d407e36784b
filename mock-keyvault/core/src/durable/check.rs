//! Reads all files in which rows are stored, and compares them, for `verify`.

use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint::CheckpointReader;
use super::engine::Engine;
use super::error::{FormatError, FrameDamage};
use super::position::Position;
use super::proof::Proof;
use super::reach::read_segment;
use super::rows::Rows;
use super::scan::Scan;

/// The result of a check of all stored rows.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Check {
    /// How many files were read.
    pub files: u64,
    /// The damage: file, offset and kind of each part that is damaged or cannot be read.
    pub damaged: Vec<String>,
    /// Whether the damage was repaired from the proven index.
    pub healed: bool,
    /// Whether the index has exactly the rows of the journal.
    pub index_is_right: bool,
}

impl Rows {
    /// Reads all checkpoints and segments, and compares the index with the journal. It goes on after each fault. Damage of the
    /// journal is repaired from the index if that is right. It calls `progress` for each file. Writers wait while the index is read.
    pub fn check(&self, progress: &mut dyn FnMut(&Path)) -> io::Result<Check> {
        let engine = self.engine();
        let mut check = Check::default();
        let end = engine.tail().position;
        let mut faults = Vec::new();
        for (_, path) in engine.layout.checkpoints()? {
            progress(&path);
            check.files += 1;
            note(&mut faults, read_checkpoint(engine, &path));
        }
        let segments = engine.layout.segments()?;
        check.files += segments.len() as u64;
        note(&mut faults, begins(engine, &segments));
        read_segments(engine, &segments, &end, &mut faults, progress);
        check.damaged = faults.iter().map(ToString::to_string).collect();
        check.index_is_right = self.wait_for_proof() != Proof::Pending && {
            let tail = engine.tail();
            let sum = engine.sum(&engine.index());
            sum.is_ok_and(|sum| sum == tail.position.set_sum)
        };
        if let Some(first) = faults.first().filter(|_| check.index_is_right) {
            match engine.checkpoint_from_index(first) {
                Ok(()) => check.healed = true,
                // The damage is reported in any case.
                Err(error) => {
                    tracing::error!(%error, "cannot write the rows from the index to a checkpoint");
                }
            }
        }
        Ok(check)
    }
}

/// Notes a fault. A missing file is not a fault: a checkpoint that was written meanwhile replaced it.
fn note(faults: &mut Vec<FormatError>, read: Result<(), FormatError>) {
    match read {
        Err(FormatError::Io(error)) if error.kind() == io::ErrorKind::NotFound => (),
        Err(fault) => faults.push(fault),
        Ok(()) => (),
    }
}

/// Whether the segments reach back to a checkpoint or to the first generation.
fn begins(engine: &Engine, segments: &[(u64, PathBuf)]) -> Result<(), FormatError> {
    let Some((first, path)) = segments.first() else { return Ok(()) };
    let checkpoints = engine.layout.checkpoints()?;
    if *first == 1 || checkpoints.iter().any(|(generation, _)| *first <= generation + 1) {
        return Ok(());
    }
    Err(FormatError::damaged(path, 0, FrameDamage::Missing(first - 1)))
}

fn read_checkpoint(engine: &Engine, path: &Path) -> Result<(), FormatError> {
    let mut reader = CheckpointReader::open(&engine.key, path)?;
    while reader.next_row()?.is_some() {}
    Ok(())
}

/// Reads the segments up to a position. Each continues the one before it, and the first continues a checkpoint or nothing.
/// After a damaged segment, the next one is read independently.
fn read_segments(
    engine: &Engine,
    segments: &[(u64, PathBuf)],
    end: &Position,
    faults: &mut Vec<FormatError>,
    progress: &mut dyn FnMut(&Path),
) {
    let mut reached = segments.is_empty().then_some(0);
    let mut before: Option<Position> = None;
    for (first, path) in segments {
        progress(path);
        match read_one(engine, *first, path, before.as_ref(), end) {
            Ok(Some(position)) if position == *end => return,
            Ok(Some(position)) => {
                reached = Some(position.generation);
                before = Some(position);
            }
            // The segment was begun after the check started.
            Ok(None) => return,
            Err(fault) => {
                (reached, before) = (None, None);
                note(faults, Err(fault));
            }
        }
    }
    if let Some(reached) = reached {
        let path = segments.last().map_or(engine.layout.journal(), |(_, path)| path.as_path());
        faults.push(FormatError::damaged(path, 0, FrameDamage::Missing(reached + 1)));
    }
}

/// Reads a segment to its end, or to the position where the check ends; `None` if the segment begins after that.
fn read_one(
    engine: &Engine,
    first: u64,
    path: &Path,
    previous: Option<&Position>,
    end: &Position,
) -> Result<Option<Position>, FormatError> {
    let bytes = read_segment(path)?;
    let mut scan = Scan::new(&engine.key, path, &bytes)?;
    let before = scan.position();
    let named = before.generation.checked_add(1) == Some(first);
    if !named || previous.is_some_and(|previous| *previous != before) {
        return Err(FormatError::damaged(path, 0, FrameDamage::Chain));
    }
    if before.generation > end.generation {
        return Ok(None);
    }
    while scan.position() != *end && scan.next().is_some() {}
    let reached = scan.position();
    if reached == *end {
        return Ok(Some(reached));
    }
    match scan.end().fault() {
        Some((offset, what)) => Err(FormatError::damaged(path, offset, what)),
        None => Ok(Some(reached)),
    }
}
