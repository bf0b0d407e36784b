//! How much room the device of the data folder has left.
//!
//! sled does not recover from a write that finds no room: after one, nothing can be stored until the program is started
//! again. So whoever wants to write asks here first, and is refused while sled still has some. New content stops early;
//! changes of rows, by which content is deleted as well, go on until little is left. Reading asks for nothing.

use std::io;
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// What is left to sled when new content is refused.
const FOR_CONTENT: Reserve = Reserve { bytes: 64 << 20, share: 16 };
/// What is left to sled when every change is refused: a few segments of its log.
const FOR_ROWS: Reserve = Reserve { bytes: 4 << 20, share: 32 };

/// The device of one data folder.
#[derive(Debug)]
pub(super) struct Room {
    folder: PathBuf,
    /// How many bytes are free, for tests: they cannot fill a disk.
    #[cfg(test)]
    pub(super) pretended: std::sync::Mutex<Option<u64>>,
}

/// So many bytes, but of a small device, such as a container's memory, not more than one part in `share`.
struct Reserve {
    bytes: u64,
    share: u64,
}

impl Room {
    pub(super) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            #[cfg(test)]
            pretended: std::sync::Mutex::default(),
        }
    }

    /// Whether new content may be begun, or go on.
    pub(super) fn for_content(&self) -> Result<(), StoreError> {
        self.ensure(&FOR_CONTENT)
    }

    /// Whether rows may be changed.
    pub(super) fn for_rows(&self) -> Result<(), StoreError> {
        self.ensure(&FOR_ROWS)
    }

    fn ensure(&self, reserve: &Reserve) -> Result<(), StoreError> {
        let (free, total) = self.measure()?;
        if free < reserve.bytes.min(total / reserve.share) {
            return Err(StoreError::DiskFull(io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }

    /// Bytes that are free to us, and all bytes of the device.
    fn measure(&self) -> Result<(u64, u64), StoreError> {
        let disk = rustix::fs::statvfs(&self.folder).map_err(io::Error::from)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        #[cfg(test)]
        let free = self.pretended.lock().unwrap().unwrap_or(free);
        Ok((free, disk.f_blocks.saturating_mul(disk.f_frsize)))
    }
}
