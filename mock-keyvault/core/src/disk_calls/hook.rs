//! The place through which each call goes.

use std::io;
use std::path::Path;

#[cfg(any(test, feature = "internals"))]
use super::watch;

/// The purpose of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Opens a file, and may create it.
    Open,
    /// Writes bytes.
    Write,
    /// Changes the length of a file, or allocates its blocks.
    SetLen,
    /// Waits until a file, a folder or a file system is on the disk.
    Sync,
    /// Gives a file or a folder another name.
    Rename,
    /// Removes a file, or a folder with its content.
    Unlink,
    /// Gives a file a second name.
    Link,
    /// Makes a folder.
    MakeDir,
}

/// The change that a call has made, for a record of all calls.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(any(test, feature = "internals")),
    expect(dead_code, reason = "only the tests record the calls")
)]
pub(super) enum Change<'a> {
    /// The call changed nothing.
    Nothing,
    /// There is a new, empty file.
    Create,
    /// The file has another length.
    SetLen(u64),
    /// The content or the names of this path are on the disk.
    Sync,
    /// Everything is on the disk.
    SyncAll,
    /// It has this name now.
    Rename(&'a Path),
    /// The two exchanged their names.
    Exchange(&'a Path),
    /// It is gone, with its content.
    Unlink,
    /// It has this second name.
    Link(&'a Path),
    /// This file has the content of it.
    Copy(&'a Path),
    /// There is a new folder.
    MakeDir,
}

/// Carries out a call on this path.
#[cfg(any(test, feature = "internals"))]
pub(super) fn call<T>(
    kind: Kind,
    path: &Path,
    change: Change<'_>,
    make: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    match watch::of(path) {
        Some(watch) => watch.call(kind, path, change, make),
        None => make(),
    }
}

/// Carries out a call on this path.
#[cfg(not(any(test, feature = "internals")))]
#[inline]
pub(super) fn call<T>(
    _: Kind,
    _: &Path,
    _: Change<'_>,
    make: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    make()
}

/// Carries out a call on an open file.
#[cfg(any(test, feature = "internals"))]
pub(super) fn call_on<T>(
    kind: Kind,
    file: &fs_err::File,
    change: Change<'_>,
    make: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    match watch::of(file.path()) {
        Some(watch) => watch.call(kind, &watch::current_path(file), change, make),
        None => make(),
    }
}

/// Carries out a call on an open file.
#[cfg(not(any(test, feature = "internals")))]
#[inline]
pub(super) fn call_on<T>(
    _: Kind,
    _: &fs_err::File,
    _: Change<'_>,
    make: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    make()
}

/// Writes bytes to an open file. Without an offset they go to the file's position.
#[cfg(any(test, feature = "internals"))]
pub(super) fn write(
    mut file: &fs_err::File,
    bytes: &[u8],
    offset: Option<u64>,
    mut make: impl FnMut(&[u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    match watch::of(file.path()) {
        Some(watch) => watch.write(file, bytes, &mut |bytes| {
            let written = make(bytes)?;
            let end = match offset {
                Some(offset) => offset + written as u64,
                None => io::Seek::stream_position(&mut file)?,
            };
            Ok((end - written as u64, written))
        }),
        None => make(bytes),
    }
}

/// Writes bytes to an open file. Without an offset they go to the file's position.
#[cfg(not(any(test, feature = "internals")))]
#[inline]
pub(super) fn write(
    _: &fs_err::File,
    bytes: &[u8],
    _: Option<u64>,
    mut make: impl FnMut(&[u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    make(bytes)
}
