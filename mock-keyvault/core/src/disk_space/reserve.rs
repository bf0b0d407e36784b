//! A file that only occupies space on the device, which can be released when the device is full.
//!
//! Its blocks are really allocated. A sparse copy of a data folder may have lost them; then the file is filled again. Its
//! content means nothing, and it is not synced: after a power cut its length is that in the file system.

use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use crate::disk_calls as fs;
use rustix::io::Errno;

use crate::random;

/// The unit of `st_blocks`.
const BLOCK: u64 = 512;

/// A file that occupies up to `size` bytes. The default one has no file and occupies nothing.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    path: PathBuf,
    size: u64,
    len: u64,
    file: Option<fs::File>,
}

impl Reserve {
    /// Opens the file if it exists. It does not grow yet.
    pub(super) fn open(path: PathBuf, size: u64) -> Self {
        let mut reserve = Self { path, size, len: 0, file: None };
        if reserve.path.exists()
            && let Err(error) = reserve.open_file(false)
        {
            tracing::warn!(%error, "cannot open the reserve of the disk");
        }
        reserve
    }

    /// Bytes that it occupies.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes that it occupies when it is full.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are missing until it is full.
    pub(super) fn missing(&self) -> u64 {
        self.size.saturating_sub(self.len)
    }

    /// Releases so many bytes to the device, and returns their number. If it has less, it refuses and keeps all.
    pub(super) fn shrink(&mut self, bytes: u64) -> io::Result<u64> {
        let file = self.file.as_ref().filter(|_| bytes <= self.len);
        let file = file.ok_or(io::ErrorKind::StorageFull)?;
        file.set_len(self.len - bytes)?;
        self.len -= bytes;
        Ok(bytes)
    }

    /// Releases all bytes.
    pub(super) fn empty(&mut self) {
        if let Err(error) = self.shrink(self.len) {
            tracing::debug!(%error, "cannot empty the reserve of the disk");
        }
    }

    /// Refills the file by at most so many bytes. Returns by how much it grew, which is 0 if it cannot.
    pub(super) fn grow(&mut self, most: u64) -> u64 {
        let wanted = self.missing().min(most);
        if wanted == 0 {
            return 0;
        }
        match self.occupy(wanted) {
            Ok(()) => wanted,
            Err(error) => {
                tracing::debug!(%error, "cannot refill the reserve of the disk");
                0
            }
        }
    }

    fn occupy(&mut self, bytes: u64) -> io::Result<()> {
        if self.file.is_none() {
            self.open_file(true)?;
        }
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        if let Err(error) = allocate(file, self.len, bytes) {
            // Some of the bytes may be allocated.
            file.set_len(self.len)?;
            return Err(error);
        }
        self.len += bytes;
        Ok(())
    }

    fn open_file(&mut self, make: bool) -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create(make).mode(0o600).open(&self.path)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        let found = file.metadata()?;
        let (len, allocated) = (found.len(), found.blocks().saturating_mul(BLOCK));
        // It may be too long after a change of the size, or may have lost its blocks; then it begins again.
        self.len = if allocated < len { 0 } else { len.min(self.size) };
        if self.len != len {
            file.set_len(self.len)?;
        }
        self.file = Some(file);
        Ok(())
    }
}

/// Allocates the blocks from `from` on. If the file system does not support that, random bytes are written, which cannot be
/// compressed.
fn allocate(mut file: &fs::File, from: u64, bytes: u64) -> io::Result<()> {
    match fs::fallocate(file, from, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => (),
        done => return Ok(done?),
    }
    io::Seek::seek(&mut file, io::SeekFrom::Start(from))?;
    let mut left = bytes;
    while left > 0 {
        let block = random::bytes::<4096>()?;
        let part = usize::try_from(left).unwrap_or(block.len()).min(block.len());
        file.write_all(&block[..part])?;
        left -= part as u64;
    }
    Ok(())
}
