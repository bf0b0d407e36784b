//! Reads a file in ranges.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use azure_emulator_core::disk_calls as fs;

use crate::store::objects::ObjectReader;
use crate::store::objects::reader::ReadObject;

/// An open file.
///
/// It is the plain type of the system: the caller names the object, so that an error needs no path.
pub(super) struct FileReader(File);

impl FileReader {
    pub(super) fn open(path: &Path) -> io::Result<ObjectReader> {
        Ok(ObjectReader::new(Self(fs::open_without_path(path)?)))
    }
}

impl ReadObject for FileReader {
    fn total_len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// Usually one call of the system, into a buffer that is allocated once.
    fn read_range(&self, offset: u64, len: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
        let start = bytes.len();
        bytes.reserve_exact(len);
        bytes.resize(start + len, 0);
        let mut filled = 0;
        let ended = loop {
            if filled == len {
                break Ok(());
            }
            match self.0.read_at(&mut bytes[start + filled..], offset + filled as u64) {
                Ok(0) => break Ok(()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => break Err(error),
            }
        };
        bytes.truncate(start + filled);
        ended
    }
}
