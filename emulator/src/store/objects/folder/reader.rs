//! Reads a file in ranges.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::store::objects::ObjectReader;
use crate::store::objects::reader::ReadObject;

/// An open file.
///
/// It is the plain type of the system: `fs-err` hides the numbers of errors, and the caller must tell a fault of the disk from
/// a limit of the process.
pub(super) struct FileReader(File);

impl FileReader {
    pub(super) fn open(path: &Path) -> io::Result<ObjectReader> {
        Ok(ObjectReader::new(Self(File::open(path)?)))
    }
}

impl ReadObject for FileReader {
    fn total_len(&self) -> io::Result<u64> {
        (&self.0).seek(SeekFrom::End(0))
    }

    /// The new space is not filled with zeros first.
    fn read_range(&self, offset: u64, len: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut file = &self.0;
        file.seek(SeekFrom::Start(offset))?;
        bytes.reserve_exact(len);
        file.take(len as u64).read_to_end(bytes)?;
        Ok(())
    }
}
