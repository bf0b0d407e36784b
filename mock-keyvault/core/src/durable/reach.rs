//! Reads the end of a journal: from the segment that the index needs to the last one.
//!
//! Called by [`super::start`]. It changes nothing.

use std::path::{Path, PathBuf};

use crate::disk_calls as fs;

use super::error::{FormatError, FrameDamage};
use super::journal::BLOCK_LEN;
use super::key::RowsKey;
use super::position::Position;
use super::record::MAGIC;
use super::scan::{End, Scan};
use super::segment;
use super::verdict::TrailingBytes;

/// The end of the journal.
#[derive(Debug)]
pub(super) struct Reach {
    /// The state after the last record that verifies.
    pub(super) end: Position,
    /// The segment of that record.
    pub(super) segment: PathBuf,
    /// The offset of the next record in it.
    pub(super) offset: u64,
    /// The length of that segment.
    pub(super) len: u64,
    /// The bytes after that record.
    pub(super) trailing: TrailingBytes,
    /// The kind of damage there.
    pub(super) what: FrameDamage,
    /// The error of the next segment, if it cannot be read.
    pub(super) fault: Option<FormatError>,
    /// The segments after that one.
    pub(super) rest: Vec<PathBuf>,
    /// For each of the `wanted` states, whether the journal has passed through it; `None` if its generation was not read.
    pub(super) passed: Vec<Option<bool>>,
}

/// Reads these segments, which are in order. `wanted` are states that the journal may have passed through.
pub(super) fn read(
    key: &RowsKey,
    segments: &[(u64, PathBuf)],
    wanted: &[Position],
) -> Result<Reach, FormatError> {
    let mut reach: Option<Reach> = None;
    let mut passed = vec![None; wanted.len()];
    for (at, (first, path)) in segments.iter().enumerate() {
        let bytes = read_segment(path)?;
        let mut scan = match Scan::new(key, path, &bytes) {
            Ok(scan) => scan,
            // A segment gets its name after its header is on the disk, unless commits did not wait for the disk. Its records
            // cannot be determined, so the verdict assumes the worst.
            Err(error) => match &mut reach {
                Some(reach) if at + 1 == segments.len() => {
                    reach.rest = paths(&segments[at..]);
                    reach.trailing =
                        TrailingBytes::Records { synced_through: u64::MAX, hole: false };
                    reach.what = FrameDamage::Mac;
                    reach.fault = Some(error);
                    break;
                }
                _ => return Err(error),
            },
        };
        let before = scan.position();
        let continues = reach.as_ref().is_none_or(|reach| reach.end == before);
        if before.generation.checked_add(1) != Some(*first) {
            return Err(FormatError::damaged(path, 0, FrameDamage::Chain));
        }
        if !continues {
            if let Some(reach) = &mut reach {
                reach.rest = paths(&segments[at..]);
                reach.trailing = gap(key, reach, &segments[at..]);
                reach.what = FrameDamage::Missing(reach.end.generation + 1);
            }
            break;
        }
        note(&mut passed, wanted, &before);
        for located in scan.by_ref() {
            note(&mut passed, wanted, &located.record.position);
        }
        let (end, offset) = (scan.position(), scan.offset());
        let found = scan.end();
        let (trailing, what) = trailing(&found, &bytes);
        let len = bytes.len() as u64;
        let rest = Vec::new();
        let segment = path.clone();
        let (fault, passed) = (None, Vec::new());
        let next = Reach { end, segment, offset, len, trailing, what, fault, rest, passed };
        let ends_here = next.trailing != TrailingBytes::Nothing;
        reach = Some(next);
        if ends_here && let Some(reach) = &mut reach {
            reach.rest = paths(&segments[at + 1..]);
            if !reach.rest.is_empty() {
                reach.trailing = gap(key, reach, &segments[at + 1..]);
            }
            break;
        }
    }
    let mut reach = reach
        .ok_or_else(|| FormatError::damaged(Path::new("journal"), 0, FrameDamage::Missing(1)))?;
    reach.passed = passed;
    Ok(reach)
}

/// Reads a whole segment. Its length never changes after it has its name, so another length is damage.
pub(super) fn read_segment(path: &Path) -> Result<Vec<u8>, FormatError> {
    let bytes = segment::read_segment(&fs::File::open(path)?)?;
    let len = bytes.len() as u64;
    if len == 0 || !len.is_multiple_of(BLOCK_LEN) {
        return Err(FormatError::damaged(path, len, FrameDamage::Cut));
    }
    Ok(bytes)
}

fn trailing(end: &End, bytes: &[u8]) -> (TrailingBytes, FrameDamage) {
    match *end {
        End::Clean { .. } => (TrailingBytes::Nothing, FrameDamage::Cut),
        End::Torn { .. } => (TrailingBytes::Torn, FrameDamage::Cut),
        End::Bad { what, later: None, .. } => (TrailingBytes::Junk, what),
        End::Bad { what, later: Some(later), offset, .. } => {
            let hole = has_hole(bytes, usize::try_from(offset).unwrap_or_default());
            (TrailingBytes::Records { synced_through: later.synced_through, hole }, what)
        }
    }
}

/// Classifies segments that do not continue the one before them.
fn gap(key: &RowsKey, reach: &Reach, segments: &[(u64, PathBuf)]) -> TrailingBytes {
    let mut synced_through = match reach.trailing {
        TrailingBytes::Records { synced_through, .. } => synced_through,
        _ => 0,
    };
    for (_, path) in segments {
        let Ok(bytes) = read_segment(path) else { continue };
        let Ok(scan) = Scan::new(key, path, &bytes) else { continue };
        for located in scan {
            synced_through = synced_through.max(located.record.synced_through);
        }
    }
    // If the folder was copied while a segment was begun, the segment before it ends with zeros.
    let hole = match reach.trailing {
        TrailingBytes::Nothing | TrailingBytes::Torn => segments.len() == 1,
        TrailingBytes::Junk => false,
        TrailingBytes::Records { hole, .. } => hole,
    };
    TrailingBytes::Records { synced_through, hole }
}

/// Whether zeros up to the end of a page lie between the bad record at the offset and the next record.
fn has_hole(bytes: &[u8], offset: usize) -> bool {
    const PAGE: usize = 4096;
    const ZEROS: usize = 64;
    let trailing = bytes.get(offset + 1..).unwrap_or_default();
    let next = trailing.windows(MAGIC.len()).position(|window| window == MAGIC);
    let last = next.map_or(bytes.len(), |next| offset + 1 + next);
    let first = (offset + 1).next_multiple_of(PAGE);
    (first..=last).step_by(PAGE).any(|end| {
        let from = end.saturating_sub(ZEROS).max(offset);
        bytes.get(from..end).is_some_and(is_zero)
    })
}

fn is_zero(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().all(|block| *block == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}

fn note(passed: &mut [Option<bool>], wanted: &[Position], position: &Position) {
    for (passed, wanted) in passed.iter_mut().zip(wanted) {
        if wanted.generation == position.generation {
            *passed = Some(wanted == position);
        }
    }
}

fn paths(segments: &[(u64, PathBuf)]) -> Vec<PathBuf> {
    segments.iter().map(|(_, path)| path.clone()).collect()
}
