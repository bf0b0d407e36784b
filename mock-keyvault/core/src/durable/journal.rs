//! The writing end of the journal: records are appended, and synced together.
//!
//! Called by [`super::Rows`]. The writer holds the [`Tail`]; [`Journal::sync`] runs without it. A record is complete in its segment
//! before it is applied to the index.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk_calls as fs;

use super::disk;
use super::draft::Draft;
use super::durability::Durability;
use super::head::Head;
use super::key::RowsKey;
use super::layout::{Layout, make_segment};
use super::position::Position;
use super::segment::{SEGMENT_HEADER_LEN, SEGMENT_LEN, SegmentHeader};
use super::set_sum::SetSum;
use crate::disk_space::{DiskSpace, Purpose};
use crate::folders::sync_dir;

/// The bytes of the first segment of a journal. It is short since new data folders are common in tests and hold little.
pub(super) const FIRST_SEGMENT_LEN: u64 = 1 << 20;

/// The least bytes of a segment on a disk that is almost full.
const TIGHT_SEGMENT_LEN: u64 = 64 << 10;

/// The length of a segment is a multiple of this.
pub(super) const BLOCK_LEN: u64 = 4096;

/// The journal of one service.
#[derive(Debug)]
pub(super) struct Journal {
    layout: Layout,
    key: Arc<RowsKey>,
    durability: Durability,
    boot_id: [u8; 16],
    head: fs::File,
    head_is_synced: Mutex<bool>,
    appended: Mutex<Appended>,
    /// All generations up to this one are on the disk. With [`Durability::Relaxed`] it is unknown whether later ones are.
    synced: AtomicU64,
    /// The segment that was created in advance, if there is one.
    spare: Mutex<Option<(fs::File, u64)>>,
}

/// The end of the journal, where the next record is written.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) position: Position,
    pub(super) file: Arc<fs::File>,
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// The appended records that are not synced.
#[derive(Debug)]
struct Appended {
    position: Position,
    files: Vec<Arc<fs::File>>,
    /// Whether a segment got its name since the last sync of the folder.
    named: bool,
}

/// The segment that an appended record was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rolled {
    /// The record is in the same segment as the one before it.
    Same,
    /// A segment was begun for the record.
    New,
}

impl Journal {
    /// The journal up to `position`. `is_synced` means that everything up to there is on the disk.
    pub(super) fn new(
        layout: Layout,
        key: Arc<RowsKey>,
        durability: Durability,
        head: fs::File,
        position: Position,
        is_synced: bool,
    ) -> io::Result<Self> {
        let appended = Mutex::new(Appended { position, files: Vec::new(), named: false });
        let synced = AtomicU64::new(if is_synced { position.generation } else { 0 });
        let (boot_id, spare, head_is_synced) =
            (fs::boot_id(layout.root())?, Mutex::default(), Mutex::default());
        let journal = Self {
            layout,
            key,
            durability,
            boot_id,
            head,
            head_is_synced,
            appended,
            synced,
            spare,
        };
        journal.write_head(position, false)?;
        Ok(journal)
    }

    /// Writes and syncs the head, unless that was done. Records are appended only after it, since a power cut could
    /// otherwise leave the old head, which may say that the service stopped cleanly. A start does not wait for it.
    pub(super) fn sync_first_head(&self) -> io::Result<()> {
        let mut is_synced = self.head_is_synced.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_synced {
            // After a sync that failed, Linux takes the file as written. So a second try writes it again.
            self.write_head(self.appended().position, false)?;
            disk::sync(&self.head)?;
            *is_synced = true;
        }
        Ok(())
    }

    /// Appends the changes as one record. If it fails, nothing of the record remains, unless it calls `broken`.
    pub(super) fn append(
        &self,
        tail: &mut Tail,
        draft: Draft,
        set_sum: SetSum,
        disk_space: (&DiskSpace, Purpose),
        broken: impl FnOnce(&io::Error),
    ) -> io::Result<Rolled> {
        self.sync_first_head()?;
        let len = draft.frame_len() as u64;
        let mut rolled = Rolled::Same;
        if tail.len < tail.offset + len {
            self.roll(tail, len, disk_space)?;
            rolled = Rolled::New;
        }
        let synced = self.synced.load(Ordering::Acquire);
        let sealed = draft.seal(&self.key, &tail.position, synced, set_sum);
        if let Err(error) = tail.file.write_all_at(&sealed.bytes, tail.offset) {
            // The next record is written here, and nothing of this one may remain after it.
            if let Err(worse) = tail.file.write_all_at(&vec![0; sealed.bytes.len()], tail.offset) {
                broken(&worse);
            }
            return Err(error);
        }
        tail.offset += len;
        tail.position = sealed.position;
        let mut appended = self.appended();
        appended.position = sealed.position;
        note(&mut appended.files, &tail.file);
        Ok(rolled)
    }

    /// Makes all records that were appended before the call as durable as the setting requires, and updates the head.
    pub(super) fn sync(&self) -> io::Result<()> {
        let (position, files, named) = {
            let mut appended = self.appended();
            let named = std::mem::take(&mut appended.named);
            (appended.position, std::mem::take(&mut appended.files), named)
        };
        if self.durability == Durability::Full {
            for file in &files {
                disk::sync(file)?;
            }
            if named {
                sync_dir(self.layout.journal())?;
            }
        }
        if files.is_empty() {
            return Ok(());
        }
        if self.durability == Durability::Full {
            self.synced.store(position.generation, Ordering::Release);
        }
        if let Err(error) = self.write_head(position, false) {
            tracing::warn!(%error, "cannot write the head of the journal: a lost end of the journal would not be noticed");
        }
        Ok(())
    }

    /// Syncs everything, and writes to the head that the service stops.
    pub(super) fn stop(&self) -> io::Result<()> {
        self.sync()?;
        let position = self.appended().position;
        self.write_head(position, true)?;
        if self.durability == Durability::Full {
            disk::sync(&self.head)?;
        }
        Ok(())
    }

    /// Creates the next segment in advance, unless it exists.
    pub(super) fn make_spare(&self) -> io::Result<()> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.is_none() {
            // An earlier attempt may have left an unfinished file.
            let path = self.layout.spare();
            *spare = Some((make_segment(&path, SEGMENT_LEN, self.durability)?, SEGMENT_LEN));
        }
        Ok(())
    }

    /// Whether the worker must create the next segment in advance.
    pub(super) fn lacks_spare(&self) -> bool {
        // If the lock is held, the segment is being created.
        self.spare.try_lock().is_ok_and(|spare| spare.is_none())
    }

    /// Begins a segment although the current one has space, and makes its name durable.
    pub(super) fn begin_segment(
        &self,
        tail: &mut Tail,
        disk_space: (&DiskSpace, Purpose),
    ) -> io::Result<()> {
        self.roll(tail, 0, disk_space)?;
        if self.durability == Durability::Full {
            sync_dir(self.layout.journal())?;
        }
        Ok(())
    }

    /// Begins a segment that has space for a record of this length. If it fails, nothing is changed.
    fn roll(
        &self,
        tail: &mut Tail,
        record_len: u64,
        (disk_space, purpose): (&DiskSpace, Purpose),
    ) -> io::Result<()> {
        let needed = SEGMENT_HEADER_LEN as u64 + record_len;
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.as_ref().is_some_and(|(_, len)| *len < needed) {
            *spare = None;
        }
        let (file, len) = if let Some(made) = spare.take() {
            made
        } else {
            let least = if disk_space.is_low() { TIGHT_SEGMENT_LEN } else { SEGMENT_LEN };
            let len = least.max(needed.next_multiple_of(BLOCK_LEN));
            disk_space.spend(len, purpose)?;
            (make_segment(&self.layout.spare(), len, self.durability)?, len)
        };
        let header = SegmentHeader { before: tail.position }.encode(&self.key);
        let path = self.layout.segment(tail.position.generation + 1);
        let full = self.durability == Durability::Full;
        // A segment gets its name after its header: the name may reach the disk at any time, by a sync of another process.
        file.write_all_at(&header, 0)
            .and_then(|()| if full { disk::sync(&file) } else { Ok(()) })
            .and_then(|()| fs::rename(file.path(), &path))?;
        // Errors name the segment.
        let file = Arc::new(fs::File::from_parts(file.into_parts().0, path));
        *tail = Tail { position: tail.position, file, offset: SEGMENT_HEADER_LEN as u64, len };
        self.appended().named = true;
        Ok(())
    }

    fn write_head(&self, position: Position, clean: bool) -> io::Result<()> {
        let inode = self.head.metadata()?.ino();
        let (durability, boot_id) = (self.durability, self.boot_id);
        let head = Head { position, durability, clean, boot_id, inode };
        self.head.write_all_at(&head.encode(&self.key), 0)
    }

    fn appended(&self) -> MutexGuard<'_, Appended> {
        self.appended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(files: &mut Vec<Arc<fs::File>>, file: &Arc<fs::File>) {
    if !files.last().is_some_and(|last| Arc::ptr_eq(last, file)) {
        files.push(Arc::clone(file));
    }
}
