//! Builds an index from the journal, and moves a damaged one aside.
//!
//! Called at a start and after a failed proof.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk_calls as fs;

use super::changes::Changes;
use super::checkpoint::Row;
use super::error::{FormatError, FrameDamage};
use super::index::Index;
use super::key::RowsKey;
use super::layout::Layout;
use super::merge::Merge;
use super::position::Position;
use super::removal::remove;

/// How many rows are written to the index in one step.
const BATCH: usize = 256;

/// The prefix of the name of an index that was set aside.
const ASIDE: &str = "index.damaged-";

/// The index to build.
pub(super) struct To<'a> {
    /// The folder of the index.
    pub(super) at: &'a Path,
    /// Its trees.
    pub(super) trees: &'static [&'static str],
    /// The position of its last change.
    pub(super) end: &'a Position,
}

/// Builds an index from the newest undamaged checkpoint and the segments after it. Fails soon when `stopping` is set.
pub(super) fn build(
    layout: &Layout,
    key: &RowsKey,
    to: &To<'_>,
    stopping: &AtomicBool,
) -> Result<Index, FormatError> {
    let &To { at, end, .. } = to;
    let segments: Vec<PathBuf> = layout.segments()?.into_iter().map(|(_, path)| path).collect();
    let mut checkpoints: Vec<Option<PathBuf>> = Vec::new();
    let named = layout.checkpoints()?;
    checkpoints.extend(
        named.into_iter().rev().filter(|(at, _)| *at <= end.generation).map(|(_, path)| Some(path)),
    );
    if layout.segment(1).try_exists()? {
        checkpoints.push(None);
    }
    let mut failed = None;
    for checkpoint in checkpoints {
        match fill(key, to, checkpoint.as_deref(), &segments, stopping) {
            Ok(index) => return Ok(index),
            Err(error) => {
                remove(at)?;
                // The first error is about the newest file.
                failed.get_or_insert(error);
            }
        }
    }
    Err(failed
        .unwrap_or_else(|| FormatError::damaged(layout.journal(), 0, FrameDamage::Missing(1))))
}

fn fill(
    key: &RowsKey,
    &To { at, trees, end }: &To<'_>,
    checkpoint: Option<&Path>,
    segments: &[PathBuf],
    stopping: &AtomicBool,
) -> Result<Index, FormatError> {
    let needed = needed(key, checkpoint, segments)?;
    let merge = Merge::read(key, checkpoint, needed, end.generation)?;
    if merge.position() != Some(*end) {
        let file = checkpoint.or(segments.last().map(PathBuf::as_path)).unwrap_or(at);
        return Err(FormatError::damaged(file, 0, FrameDamage::Chain));
    }
    super::disk::ensure_space_for(at)?;
    let index = Index::open(at, trees)?;
    let (mut changes, mut rows) = (Changes::new(), 0);
    merge.each_row::<FormatError>(|Row { tree, key, value }| {
        changes.entry(*tree).or_default().insert(key.to_vec(), Some(value.to_vec()));
        rows += 1;
        if stopping.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::Interrupted).into());
        }
        if rows % BATCH == 0 {
            index.put_batch(&std::mem::take(&mut changes))?;
            if index.wants_flush() {
                index.flush()?;
            }
        }
        Ok(())
    })?;
    index.apply(&changes, &end.seal(key))?;
    index.flush()?;
    Ok(index)
}

/// The segments that a merge from this checkpoint needs: the segment with its generation and all later ones.
pub(super) fn needed<'a>(
    key: &RowsKey,
    checkpoint: Option<&Path>,
    segments: &'a [PathBuf],
) -> Result<&'a [PathBuf], FormatError> {
    let Some(path) = checkpoint else { return Ok(segments) };
    let base = super::checkpoint::CheckpointReader::open(key, path)?.position().generation;
    let first = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(super::segment::parse_segment_name).unwrap_or_default()
    };
    // Its first record is at most the one after the checkpoint.
    let from = segments.partition_point(|path| first(path) <= base + 1).saturating_sub(1);
    Ok(&segments[from..])
}

/// Moves the index aside and keeps it for people to inspect. It replaces an earlier one.
pub(super) fn set_aside(layout: &Layout) -> io::Result<Option<PathBuf>> {
    if !layout.index().try_exists()? {
        return Ok(None);
    }
    for entry in fs::read_dir(layout.root())? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(ASIDE)) {
            remove(&entry.path())?;
        }
    }
    let aside = layout.root().join(format!("{ASIDE}{}", seconds()));
    fs::rename(layout.index(), &aside)?;
    Ok(Some(aside))
}

/// Replaces the index by an index that was built while the program ran.
pub(super) fn adopt_healed(layout: &Layout) -> io::Result<()> {
    if layout.healed_index().try_exists()? {
        set_aside(layout)?;
        fs::rename(layout.healed_index(), layout.index())?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "it only tells people when a folder was set aside")]
fn seconds() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
