//! An open file.

use std::fmt;
use std::fs::{Metadata, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::FileExt as _;

use super::hook::{self, Change, Kind};

/// An open file, whose errors name its path.
pub struct File(fs_err::File);

impl File {
    /// Opens a file for reading.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file for writing. It is created, or loses its content.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    /// An open file of the system, and its path.
    pub fn from_parts(file: std::fs::File, path: impl Into<PathBuf>) -> Self {
        Self(fs_err::File::from_parts(file, path.into()))
    }

    /// The file of the system, and its path.
    pub fn into_parts(self) -> (std::fs::File, PathBuf) {
        self.0.into_parts()
    }

    /// The path by which it was opened.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The file of the system.
    pub fn file(&self) -> &std::fs::File {
        self.0.file()
    }

    /// Waits until its content and its metadata are on the disk. Blocks.
    pub fn sync_all(&self) -> io::Result<()> {
        hook::call_on(Kind::Sync, &self.0, Change::Sync, || self.0.sync_all())
    }

    /// Waits until its content and its length are on the disk. Blocks.
    pub fn sync_data(&self) -> io::Result<()> {
        hook::call_on(Kind::Sync, &self.0, Change::Sync, || self.0.sync_data())
    }

    /// Waits until the whole file system with it is on the disk. Blocks.
    pub(super) fn sync_file_system(&self) -> io::Result<()> {
        let sync = || Ok(rustix::fs::syncfs(self.file())?);
        hook::call_on(Kind::Sync, &self.0, Change::SyncAll, sync)
    }

    /// Allocates the blocks of a part of it. It gets longer if the part ends behind its end.
    pub(super) fn allocate(&self, from: u64, len: u64) -> io::Result<()> {
        let flags = rustix::fs::FallocateFlags::empty();
        let allocate = || Ok(rustix::fs::fallocate(self.file(), flags, from, len)?);
        hook::call_on(Kind::SetLen, &self.0, Change::SetLen(from + len), allocate)
    }

    /// Changes its length.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        hook::call_on(Kind::SetLen, &self.0, Change::SetLen(len), || self.0.set_len(len))
    }

    /// Its metadata.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    /// Changes its permissions.
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.0.set_permissions(permissions)
    }

    /// A second handle of the same open file.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Locks it, and fails if another process has locked it.
    pub fn try_lock(&self) -> Result<(), std::fs::TryLockError> {
        self.0.file().try_lock()
    }

    /// Reads as many bytes as fit, beginning at an offset.
    pub fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    /// Reads some bytes, beginning at an offset.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }

    /// Writes all bytes, beginning at an offset.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        hook::write(&self.0, bytes, Some(offset), |bytes| {
            self.0.write_all_at(bytes, offset).map(|()| bytes.len())
        })
        .map(drop)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Read for File {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Read for &File {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(bytes)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        hook::write(&self.0, bytes, None, |bytes| (&self.0).write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        (&self.0).flush()
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl Seek for &File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        (&self.0).seek(to)
    }
}

/// How a file is opened: as in the standard library.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    options: std::fs::OpenOptions,
    makes: bool,
    truncates: bool,
}

impl OpenOptions {
    /// Nothing is set.
    #[expect(clippy::new_without_default, reason = "it is the type of the standard library")]
    pub fn new() -> Self {
        Self { options: std::fs::OpenOptions::new(), makes: false, truncates: false }
    }

    /// Whether it can be read.
    pub fn read(&mut self, yes: bool) -> &mut Self {
        self.options.read(yes);
        self
    }

    /// Whether it can be written.
    pub fn write(&mut self, yes: bool) -> &mut Self {
        self.options.write(yes);
        self
    }

    /// Whether each write goes to its end.
    pub fn append(&mut self, yes: bool) -> &mut Self {
        self.options.append(yes);
        self
    }

    /// Whether it is created if there is none.
    pub fn create(&mut self, yes: bool) -> &mut Self {
        self.options.create(yes);
        self.makes = yes;
        self
    }

    /// Whether it is created, and there must be none.
    pub fn create_new(&mut self, yes: bool) -> &mut Self {
        self.options.create_new(yes);
        self.makes = yes;
        self
    }

    /// Whether it loses its content.
    pub fn truncate(&mut self, yes: bool) -> &mut Self {
        self.options.truncate(yes);
        self.truncates = yes;
        self
    }

    /// The mode of a new file.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.options.mode(mode);
        self
    }

    /// Opens the file.
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        let change = if self.makes && !path.exists() {
            Change::Create
        } else if self.truncates {
            Change::SetLen(0)
        } else {
            Change::Nothing
        };
        let options = fs_err::OpenOptions::from_options(self.options.clone());
        hook::call(Kind::Open, path, change, || options.open(path).map(File))
    }
}
