//! The calls that name a path.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::file::File;
use super::hook::{self, Change, Kind};

/// The content of a file.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    hook::call(Kind::Open, path, Change::Nothing, || fs_err::read(path))
}

/// The content of a file of text.
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref();
    hook::call(Kind::Open, path, Change::Nothing, || fs_err::read_to_string(path))
}

/// Opens a file for reading, as the standard library does: its errors do not name the path.
pub fn open_without_path(path: impl AsRef<Path>) -> io::Result<std::fs::File> {
    let path = path.as_ref();
    hook::call(Kind::Open, path, Change::Nothing, || std::fs::File::open(path))
}

/// Writes a file, and replaces its content.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    io::Write::write_all(&mut File::create(path)?, bytes.as_ref())
}

/// Gives a file or a folder another name.
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    hook::call(Kind::Rename, from, Change::Rename(to), || fs_err::rename(from, to))
}

/// Exchanges the names of two files or folders, in one step. Some file systems cannot do that.
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    hook::call(Kind::Rename, one, Change::Exchange(other), || {
        Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
    })
}

/// Removes a file.
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    hook::call(Kind::Unlink, path, Change::Unlink, || fs_err::remove_file(path))
}

/// Removes an empty folder.
pub fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    hook::call(Kind::Unlink, path, Change::Unlink, || fs_err::remove_dir(path))
}

/// Removes a folder with its content.
pub fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    hook::call(Kind::Unlink, path, Change::Unlink, || fs_err::remove_dir_all(path))
}

/// Gives a file a second name.
pub fn hard_link(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    hook::call(Kind::Link, from, Change::Link(to), || fs_err::hard_link(from, to))
}

/// Copies the content of a file to another one, and returns its length.
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let (from, to) = (from.as_ref(), to.as_ref());
    hook::call(Kind::Write, to, Change::Copy(from), || fs_err::copy(from, to))
}

/// Makes a folder.
pub fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    hook::call(Kind::MakeDir, path, Change::MakeDir, || fs_err::create_dir(path))
}

/// Makes a folder that only the owner can read. Its error does not name the path.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    hook::call(Kind::MakeDir, path, Change::MakeDir, || {
        std::fs::DirBuilder::new().mode(0o700).create(path)
    })
}

/// Makes a folder and its missing parents.
pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    hook::call(Kind::MakeDir, path, Change::MakeDir, || fs_err::create_dir_all(path))
}

/// Allocates the blocks of a part of a file, which gets longer if the part ends behind its end.
pub fn fallocate(file: &File, from: u64, len: u64) -> Result<(), Errno> {
    file.allocate(from, len).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Waits until the whole file system with this file or folder is on the disk. Blocks.
pub fn syncfs(file: &File) -> io::Result<()> {
    file.sync_file_system()
}

/// The boot id of the system, which changes when the machine is started again. A test can choose another one for a folder.
pub fn boot_id(folder: &Path) -> io::Result<[u8; 16]> {
    #[cfg(any(test, feature = "internals"))]
    if let Some(id) = super::watch::boot_id(folder) {
        return Ok(id);
    }
    let _ = folder;
    let text = fs_err::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let id: uuid::Uuid = text.trim().parse().map_err(io::Error::other)?;
    Ok(*id.as_bytes())
}
