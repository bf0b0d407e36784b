//! How much room the device of a data folder has left.
//!
//! sled does not recover from a write that finds no room: after one, nothing can be stored until the program is started
//! again. So whoever wants to write asks here first, and is refused while sled still has some. New content stops early;
//! changes of rows, by which content is deleted as well, go on until little is left. Reading asks for nothing.
//!
//! [`crate::durable::DurableDb`] has one for its folder. This module knows nothing of vaults and of registries, nor of
//! what is written. It holds no room back: what others write between the question and the write is not seen.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What is left to sled when new content is refused.
const FOR_CONTENT: Reserve = Reserve { bytes: 64 << 20, share: 16, least: 2 << 20 };
/// What is left to sled when every change is refused: a few segments of its log.
const FOR_ROWS: Reserve = Reserve { bytes: 4 << 20, share: 32, least: 1 << 20 };

/// Stands for "as much as the device says".
const NOT_PRETENDED: u64 = u64::MAX;

/// The device of one data folder.
#[derive(Debug)]
pub struct Room {
    folder: PathBuf,
    pretended: AtomicU64,
}

/// So many bytes, but of a small device, such as a container's memory, not more than one part in `share`. Two segments
/// of sled's log are the least that makes sense.
struct Reserve {
    bytes: u64,
    share: u64,
    least: u64,
}

impl Room {
    /// The device of this folder, which must exist when it is asked.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), pretended: AtomicU64::new(NOT_PRETENDED) }
    }

    /// Whether new content may be begun, or go on. [`io::ErrorKind::StorageFull`] if not.
    pub fn for_content(&self) -> io::Result<()> {
        self.ensure(&FOR_CONTENT)
    }

    /// Whether rows may be changed. [`io::ErrorKind::StorageFull`] if not.
    pub fn for_rows(&self) -> io::Result<()> {
        self.ensure(&FOR_ROWS)
    }

    /// Has so many bytes be free from now on, or as many as there are: for tests, which cannot fill a disk.
    pub fn pretend(&self, free: Option<u64>) {
        self.pretended.store(free.unwrap_or(NOT_PRETENDED), Ordering::Relaxed);
    }

    fn ensure(&self, reserve: &Reserve) -> io::Result<()> {
        let (free, total) = self.measure()?;
        if free < reserve.of(total) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Bytes that are free to us, and all bytes of the device.
    fn measure(&self) -> io::Result<(u64, u64)> {
        let disk = rustix::fs::statvfs(&self.folder)?;
        let free = match self.pretended.load(Ordering::Relaxed) {
            NOT_PRETENDED => disk.f_bavail.saturating_mul(disk.f_frsize),
            pretended => pretended,
        };
        Ok((free, disk.f_blocks.saturating_mul(disk.f_frsize)))
    }
}

/// Whether an error says that there is no room: ours and the operating system's look alike.
pub fn is_lacking(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Reserve {
    fn of(&self, total: u64) -> u64 {
        self.bytes.min((total / self.share).max(self.least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_device_keeps_less_back_than_a_large_one_but_never_less_than_two_segments() {
        let of = |mebibytes: u64| (FOR_CONTENT.of(mebibytes << 20), FOR_ROWS.of(mebibytes << 20));

        assert_eq!(of(1 << 20), (64 << 20, 4 << 20));
        assert_eq!(of(64), (4 << 20, 2 << 20));
        assert_eq!(of(4), (2 << 20, 1 << 20));
    }

    #[test]
    fn content_is_refused_before_rows_are_and_both_are_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::of(folder.path());
        let asked = |free| {
            room.pretend(free);
            (room.for_content().is_ok(), room.for_rows().is_ok())
        };

        assert_eq!(asked(Some(0)), (false, false));
        // The most that rows ever leave; on a device of some size it is too little for content.
        assert!(asked(Some(FOR_ROWS.bytes)).1);
        assert_eq!(asked(Some(u64::MAX - 1)), (true, true));
        room.pretend(Some(0));
        assert_eq!(room.for_rows().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
