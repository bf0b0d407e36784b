//! How much room the device of a data folder has left, and what each kind of write may use of it.
//!
//! Every write asks [`Room::spend`] first and says what it is for ([`Purpose`]). New content stops first, then changes
//! of rows. Deletions, a start, and the audit log go on: two files keep 4 MiB of the device occupied for them
//! (`reserve.rs`), and `spend` shortens a file when the device has too little room. The deletions cannot use up what the
//! audit log needs, and the audit log cannot use up what deletions need, so there is a way out of a full disk as long
//! as the reserve lasts. `spend` gives the reserve back what it lacks as soon as there is room again.
//!
//! The registry and the vault have one [`Room`] each, for their own data folder. This module knows nothing of either,
//! nor of the data that is written. It cannot see what other programs write between the question and the write: a
//! caller must still expect [`io::ErrorKind::StorageFull`] from the write itself.

mod reserve;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::reserve::Reserve;

/// The reserve for deletions and for a start, and the one for the audit log.
const REMOVAL_FILE: &str = "reserve";
const AUDIT_FILE: &str = "reserve.audit";
/// Bytes of both reserves, and the part of them that is for the audit log. A small device keeps at most a quarter.
const RESERVED: u64 = 4 << 20;
const RESERVED_SHARE: u64 = 4;
const AUDIT_SHARE: u64 = 4;

/// What stays free when new content is refused.
const FOR_CONTENT: Limit = Limit { bytes: 64 << 20, share: 16, least: 2 << 20 };
/// What stays free when changes of rows are refused: a few segments of sled's log, since sled does not recover from a
/// write that finds no room.
const FOR_ROWS: Limit = Limit { bytes: 4 << 20, share: 32, least: 1 << 20 };
/// What stays free beside the bytes of a deletion or of a start: two segments of sled's log.
const FOR_REMOVAL: u64 = 1 << 20;
/// What stays free beside a record of the audit log, or a small file.
const FOR_FILE: u64 = 64 << 10;
/// What the reserve leaves free when it grows outside of a write.
const LEFT_BY_RESERVE: u64 = 128 << 10;
/// A reserve shrinks by whole blocks of this size.
const STEP: u64 = 64 << 10;

/// What a write is for. It says how much must stay free, and whether the reserve may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// New content. It stops first.
    Content,
    /// Changes of rows and of settings.
    Rows,
    /// Deletions, collection, and the end of uploads. They may use the reserve.
    Removal,
    /// A start, with the rows that it writes. It uses the reserve for deletions.
    Upkeep,
    /// A small file that a running program keeps about itself. It uses the reserve for deletions, but asks for no room for rows.
    SmallFile,
    /// A record of the audit log. It has a reserve of its own.
    Audit,
}

/// What a test wants a device to look like: a test cannot fill a real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pretended {
    /// The device as it is.
    Nothing,
    /// A full device, with the reserve untouched.
    Full,
    /// A full device whose reserve is used up.
    UsedUp,
}

/// The bytes of a device and of the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes that the reserve holds.
    pub reserved: u64,
    /// Bytes that the reserve holds when it is whole.
    pub reserve_size: u64,
}

/// The device of one data folder, and the reserve in it.
#[derive(Debug)]
pub struct Room {
    folder: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    removal: Reserve,
    audit: Reserve,
    /// The bytes that are free, if a test pretends.
    pretended: Option<u64>,
}

/// So many bytes, but at most one part in `share` of a small device, and never less than `least`.
struct Limit {
    bytes: u64,
    share: u64,
    least: u64,
}

impl Room {
    /// The device of this folder, without a reserve. The folder must exist when the room is asked.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), held: Mutex::default() }
    }

    /// The device of this folder, with the reserve that the folder has or gets now. The caller holds the folder's lock.
    ///
    /// A reserve that cannot be made is no error: the program works without one, and the log says so. Blocks.
    pub fn open(folder: &Path) -> Self {
        let room = Self::of(folder);
        {
            let mut held = room.lock();
            let total = held.measure(folder).map_or(u64::MAX, |(_, total)| total);
            let size = RESERVED.min(total / RESERVED_SHARE);
            let for_audit = size / AUDIT_SHARE;
            held.removal = Reserve::open(folder.join(REMOVAL_FILE), size - for_audit);
            held.audit = Reserve::open(folder.join(AUDIT_FILE), for_audit);
        }
        room.refill();
        if let Ok(Space { reserved, reserve_size, .. }) = room.space()
            && reserved < reserve_size
        {
            tracing::warn!(
                folder = %folder.display(),
                reserved,
                reserve_size,
                "the disk is nearly full: the reserve for deletions and for the audit log is not whole"
            );
        }
        room
    }

    /// Refuses with [`io::ErrorKind::StorageFull`] if too little room is left for so many bytes for this purpose. The
    /// caller has done nothing yet and does nothing then. Blocks for a moment.
    pub fn spend(&self, bytes: u64, purpose: Purpose) -> io::Result<()> {
        let mut held = self.lock();
        let (free, total) = held.measure(&self.folder)?;
        let needed = bytes.saturating_add(match purpose {
            Purpose::Content => FOR_CONTENT.of(total),
            Purpose::Rows => FOR_ROWS.of(total),
            Purpose::Removal | Purpose::Upkeep => FOR_REMOVAL,
            Purpose::SmallFile | Purpose::Audit => FOR_FILE,
        });
        match purpose {
            Purpose::Content | Purpose::Rows => held.ensure(free, needed)?,
            Purpose::Removal | Purpose::Upkeep | Purpose::SmallFile => {
                held.release(free, needed, |held| &mut held.removal)?;
            }
            Purpose::Audit => held.release(free, needed, |held| &mut held.audit)?,
        }
        if held.missing() > 0 {
            let (free, _) = held.measure(&self.folder)?;
            held.grow(free.saturating_sub(needed));
        }
        Ok(())
    }

    /// Whether changes of rows are refused now.
    pub fn is_tight(&self) -> bool {
        let held = self.lock();
        held.measure(&self.folder)
            .is_ok_and(|(free, total)| held.ensure(free, FOR_ROWS.of(total)).is_err())
    }

    /// Gives the reserve back what it lacks, as far as there is room. To be called after a start and after a collection, when
    /// nothing waits to be written. Blocks for a moment.
    pub fn refill(&self) {
        let mut held = self.lock();
        if held.missing() > 0
            && let Ok((free, _)) = held.measure(&self.folder)
        {
            held.grow(free.saturating_sub(LEFT_BY_RESERVE));
        }
    }

    /// The bytes that are free, and those of the reserve.
    pub fn space(&self) -> io::Result<Space> {
        let held = self.lock();
        let (free, _) = held.measure(&self.folder)?;
        Ok(Space {
            free,
            reserved: held.removal.len() + held.audit.len(),
            reserve_size: held.removal.size() + held.audit.size(),
        })
    }

    /// Has the device look like this from now on: for tests.
    pub fn pretend(&self, pretended: Pretended) {
        match pretended {
            Pretended::Nothing => self.pretend_free(None),
            Pretended::Full => self.pretend_free(Some(0)),
            Pretended::UsedUp => {
                self.pretend_free(Some(0));
                let mut held = self.lock();
                held.removal.empty();
                held.audit.empty();
            }
        }
    }

    /// Has so many bytes be free from now on, or as many as there are: for tests.
    pub fn pretend_free(&self, free: Option<u64>) {
        self.lock().pretended = free;
    }

    // Nothing panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Before another program takes what this one had to release.
        self.refill();
    }
}

impl Held {
    /// Bytes that are free to us, and all bytes of the device.
    fn measure(&self, folder: &Path) -> io::Result<(u64, u64)> {
        let disk = rustix::fs::statvfs(folder)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        Ok((self.pretended.unwrap_or(free), total))
    }

    /// Bytes that the reserves lack.
    fn missing(&self) -> u64 {
        self.removal.missing() + self.audit.missing()
    }

    /// Refuses if less is free than is needed. What the reserve lacks is free, but not for this.
    fn ensure(&self, free: u64, needed: u64) -> io::Result<()> {
        if free.saturating_sub(self.missing()) < needed {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Shortens a reserve if less is free than is needed, and refuses if the reserve is too short for that.
    fn release(
        &mut self,
        free: u64,
        needed: u64,
        of: impl Fn(&mut Self) -> &mut Reserve,
    ) -> io::Result<()> {
        let lacking = needed.saturating_sub(free).next_multiple_of(STEP);
        if lacking == 0 {
            return Ok(());
        }
        let released = of(self).shrink(lacking)?;
        self.pretended = self.pretended.map(|free| free.saturating_add(released));
        Ok(())
    }

    /// Lets the reserves grow by as much as they lack, and together by so many bytes at most. The audit log comes first.
    fn grow(&mut self, most: u64) {
        let mut left = most;
        for reserve in [&mut self.audit, &mut self.removal] {
            left -= reserve.grow(left);
        }
        self.pretended = self.pretended.map(|free| free.saturating_sub(most - left));
    }
}

/// Whether an error says that there is no room: ours and the operating system's look alike.
pub fn is_lacking(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether an error says that nothing can be written: rows that a failed sync or damage has made read-only say so, and so
/// does the operating system of a file system without the right to write.
pub fn is_read_only(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ReadOnlyFilesystem
}

impl Limit {
    fn of(&self, total: u64) -> u64 {
        self.bytes.min((total / self.share).max(self.least))
    }
}

#[cfg(test)]
mod tests;
