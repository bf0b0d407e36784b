//! Reads the end of a journal as a start does, and decides whether it is accepted.
//!
//! Called at a start, and by a repair, which must find the damage that a start refuses. It changes nothing.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::disk_calls as fs;

use super::error::{FormatError, FrameDamage};
use super::head::Head;
use super::key::RowsKey;
use super::layout::Layout;
use super::position::Position;
use super::reach::{self, Reach};
use super::verdict::{self, Found, TrailingBytes, Verdict};

/// The state of the journal.
#[derive(Debug)]
pub(super) struct JournalState {
    /// The segments that were read, in order.
    pub(super) segments: Vec<(u64, PathBuf)>,
    /// The head, if it can be read.
    pub(super) head: Option<Head>,
    /// The inode of the file of the head.
    pub(super) inode: u64,
    /// The current boot.
    pub(super) boot_id: [u8; 16],
    /// How far the journal reaches.
    pub(super) reach: Reach,
    /// The generation of the index, if it is in the epoch of the journal.
    index: Option<u64>,
}

/// The position at which acknowledged records are missing.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    /// The file.
    pub(super) file: PathBuf,
    /// The offset in it.
    pub(super) offset: u64,
    /// The first generation that cannot be read.
    pub(super) generation: u64,
    /// The kind of damage.
    pub(super) what: FrameDamage,
}

impl JournalState {
    /// Reads the end of the journal. `index` is the state of the index, if there is a usable one. Returns `None` if there is no
    /// segment.
    pub(super) fn at(
        layout: &Layout,
        key: &RowsKey,
        index: Option<Position>,
    ) -> Result<Option<Self>, FormatError> {
        let mut segments = match layout.segments() {
            Ok(segments) if !segments.is_empty() => segments,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => return Ok(None),
        };
        let ((head, inode), boot_id) = (read_head(layout, key)?, fs::boot_id(layout.root())?);
        let from = first_needed(layout, &segments, index, head)?;
        let segments = segments.split_off(from);
        let wanted: Vec<Position> =
            index.into_iter().chain(head.map(|head| head.position)).collect();
        let reach = reach::read(key, &segments, &wanted)?;
        let index = index
            .filter(|position| position.epoch == reach.end.epoch)
            .map(|position| position.generation);
        Ok(Some(Self { segments, head, inode, boot_id, reach, index }))
    }

    /// Whether a start accepts it.
    pub(super) fn judge(&self) -> Verdict {
        let Self { head, inode, boot_id, ref reach, index, .. } = *self;
        verdict::judge(&Found {
            end: reach.end,
            trailing: reach.trailing,
            head,
            head_is_on_chain: head.and_then(|_| reach.passed.last().copied().flatten()),
            index,
            boot_id,
            inode,
        })
    }

    /// The damage of a journal that a start does not accept.
    pub(super) fn damage(mut self) -> Result<Damage, FormatError> {
        if let Some(fault) = self.reach.fault.take() {
            return Err(fault);
        }
        let Reach { segment: file, offset, trailing, what, .. } = self.reach;
        let generation = self.reach.end.generation + 1;
        let what = match trailing {
            TrailingBytes::Nothing => FrameDamage::Missing(generation),
            _ => what,
        };
        Ok(Damage { file, offset, generation, what })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, generation, what } = self;
        let file = file.display();
        write!(
            f,
            "{file}: generation {generation} of the rows is lost or damaged at byte {offset}: {what}"
        )
    }
}

/// The segment at which reading begins. It is early enough to read the record of the index's position, to check that it is on the
/// chain; the record that the head names; and, except after a clean stop with an index that is complete, the segment before the last,
/// whose end may be lost. An index that must be built needs all segments after the newest checkpoint.
fn first_needed(
    layout: &Layout,
    segments: &[(u64, PathBuf)],
    index: Option<Position>,
    head: Option<Head>,
) -> io::Result<usize> {
    let oldest = match index {
        Some(position) => position.generation,
        None => layout.checkpoints()?.last().map_or(0, |(generation, _)| *generation),
    };
    let oldest = head.map_or(oldest, |head| oldest.min(head.position.generation));
    let holds = segments.partition_point(|(first, _)| *first <= oldest).saturating_sub(1);
    let is_complete = head.is_some_and(|head| head.clean && index == Some(head.position));
    let last = if is_complete { 1 } else { 2 };
    Ok(holds.min(segments.len().saturating_sub(last)))
}

fn read_head(layout: &Layout, key: &RowsKey) -> Result<(Option<Head>, u64), FormatError> {
    let path = layout.head();
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, 0)),
        Err(error) => return Err(error.into()),
    };
    Ok((Head::read(key, &path, &bytes).ok(), fs::metadata(&path)?.ino()))
}
