//! Writes checkpoints when they are due, and removes the files that they replace.
//!
//! Called by the worker. A checkpoint is merged from the previous one and from closed segments, without the right to write. Only if
//! those are damaged and the index is proven, it is written from the index, while writers wait.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::disk_calls as fs;

use super::checkpoint::{CheckpointWriter, Row};
use super::durability::Durability;
use super::engine::Engine;
use super::error::{FormatError, FrameDamage};
use super::layout::{Layout, create_private};
use super::merge::Merge;
use super::op::Op;
use super::outcome::Notice;
use super::reach::read_segment;
use super::rebuild::needed;
use super::removal::remove_file;
use super::scan::Scan;
use crate::disk_space::Purpose;
use crate::folders::sync_dir;

/// A checkpoint is due when the closed segments after the last one have a quarter of its length, within these limits.
const DUE_AT_LEAST: u64 = 16 << 20;
const DUE_AT_MOST: u64 = 64 << 20;

/// How many checkpoints are kept, with all segments since the oldest of them.
const KEPT: usize = 2;

/// The cause if authentic records do not add up to the set sum: the index returned a wrong old value of a row for a change.
const INDEX_WAS_WRONG: &str = "the index returned a wrong row for a change, so the rows do not add up to the sum in the journal; stop the program and repair the folder: the files of the journal are intact";

impl Engine {
    /// Writes a checkpoint if one is due.
    pub(super) fn checkpoint_if_due(&self) -> io::Result<()> {
        let segments = self.layout.segments()?;
        let last = self.layout.checkpoints()?.pop();
        let base = last.as_ref().map_or(0, |(generation, _)| *generation);
        let [closed @ .., (open, _)] = segments.as_slice() else { return Ok(()) };
        let (mut len, through) = (0, open.saturating_sub(1));
        for (first, path) in closed {
            if base < *first {
                len += fs::metadata(path)?.len();
            }
        }
        let size = last
            .as_ref()
            .map_or(Ok(0), |(_, path)| Ok::<_, io::Error>(fs::metadata(path)?.len()))?;
        if len < (size / 4).clamp(DUE_AT_LEAST, DUE_AT_MOST) {
            return Ok(());
        }
        self.checkpoint(last.as_ref().map(|(_, path)| path.as_path()), closed, through)
    }

    /// Writes the checkpoint of this generation, from the one before it and closed segments.
    pub(super) fn checkpoint(
        &self,
        last: Option<&Path>,
        closed: &[(u64, PathBuf)],
        through: u64,
    ) -> io::Result<()> {
        // A power cut must not remove rows from the journal that are in a checkpoint.
        self.commit()?;
        let paths: Vec<PathBuf> = closed.iter().map(|(_, path)| path.clone()).collect();
        let merged = needed(&self.key, last, &paths)
            .and_then(|needed| Merge::read(&self.key, last, needed, through))
            .and_then(|merge| {
                self.write_checkpoint(through, |to| {
                    merge.write_checkpoint(Stoppable(to, &self.stopping)).map(drop)
                })
            });
        match merged {
            Ok(()) => self.prune(),
            Err(FormatError::Io(error)) => Err(error),
            // Every record is authentic, so the files are not damaged.
            Err(FormatError::Damaged { what: FrameDamage::SetSum, .. }) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, INDEX_WAS_WRONG))
            }
            Err(damaged @ FormatError::Damaged { .. }) if self.proof.get().is_complete() => {
                tracing::error!(error = %damaged, "the journal is damaged: writing the rows from the index to a checkpoint");
                self.checkpoint_from_index(&damaged)
            }
            Err(damaged) => Err(io::Error::other(damaged)),
        }
    }

    /// Writes a checkpoint from the proven index, and removes everything older from the journal.
    pub(super) fn checkpoint_from_index(&self, why: &FormatError) -> io::Result<()> {
        let mut tail = self.tail();
        let (index, position) = (self.index(), tail.position);
        self.commit()?;
        self.write_checkpoint(position.generation, |to| {
            let mut writer = CheckpointWriter::new(&self.key, position, to)?;
            index.each_row(|tree, key, value| writer.row(&Row { tree, key, value }))?;
            Ok(writer.finish().map(drop)?)
        })
        .map_err(io::Error::other)?;
        self.sync_files()?;
        // The last segment may be the damaged one.
        self.journal.begin_segment(&mut tail, (&self.disk_space, Purpose::Maintenance))?;
        let current = tail.file.path().to_owned();
        for (_, path) in self.layout.segments()?.into_iter().filter(|(_, path)| *path != current) {
            Layout::set_aside(&path)?;
        }
        for (generation, path) in self.layout.checkpoints()? {
            if generation != position.generation {
                remove_file(&path)?;
            }
        }
        self.notice(Notice::JournalHealed { why: why.to_string() });
        Ok(())
    }

    fn write_checkpoint(
        &self,
        generation: u64,
        write: impl FnOnce(&mut BufWriter<fs::File>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let path = self.layout.new_checkpoint(generation);
        remove_file(&path)?;
        let mut file = BufWriter::with_capacity(128 << 10, create_private(&path)?);
        let written = write(&mut file).and_then(|()| {
            file.flush()?;
            if self.durability == Durability::Full {
                file.get_ref().sync_all()?;
            }
            Ok(fs::rename(&path, self.layout.checkpoint(generation))?)
        });
        if written.is_err() {
            fs::remove_file(&path)?;
        } else if self.durability == Durability::Full {
            sync_dir(self.layout.journal())?;
        }
        written
    }

    /// Removes checkpoints and segments that are no longer needed.
    fn prune(&self) -> io::Result<()> {
        let mut checkpoints = self.layout.checkpoints()?;
        if checkpoints.len() < KEPT {
            return Ok(());
        }
        let kept = checkpoints.split_off(checkpoints.len() - KEPT);
        let oldest = kept.first().map_or(0, |(generation, _)| *generation);
        let segments = self.layout.segments()?;
        let mut gone = Vec::new();
        for pair in segments.windows(2) {
            if let [(_, path), (next, _)] = pair
                && *next <= oldest + 1
            {
                gone.push(path);
            }
        }
        if gone.iter().any(|path| self.has_attachments(path)) {
            self.sync_files()?;
        }
        for path in gone.into_iter().chain(checkpoints.iter().map(|(_, path)| path)) {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Syncs the files whose content is attached to records: they were not synced themselves, and the segments will be removed.
    fn sync_files(&self) -> io::Result<()> {
        match self.durability {
            Durability::Full => fs::syncfs(&fs::File::open(self.folder())?),
            Durability::Relaxed => Ok(()),
        }
    }

    /// Whether a segment may hold attachments, which includes a segment that cannot be read.
    fn has_attachments(&self, path: &Path) -> bool {
        let Ok(bytes) = read_segment(path) else { return true };
        let Ok(mut scan) = Scan::new(&self.key, path, &bytes) else { return true };
        scan.any(|located| located.record.ops().any(|op| matches!(op, Op::Attachment { .. })))
    }
}

/// A writer that fails when the program stops.
struct Stoppable<'a, W>(W, &'a std::sync::atomic::AtomicBool);

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1.load(Ordering::Relaxed) {
            return Err(io::Error::other("the program stops"));
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
