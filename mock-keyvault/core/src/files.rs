//! Small files that are written whole: certificates, keys, secrets, endpoints.
//!
//! Called wherever a file is a value rather than a stream. A reader sees either the old bytes or the new ones, never a
//! part. When a call returns, the new bytes survive a power cut. This module knows nothing of the content of the files.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::disk_calls as fs;

use crate::folders::sync_dir;

/// The access mode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// All users can read it: mode 0644.
    Public,
    /// Only the owner can read it: mode 0600.
    Private,
}

impl Access {
    fn mode(self) -> u32 {
        match self {
            Self::Public => 0o644,
            Self::Private => 0o600,
        }
    }
}

/// Limits access to a file, or to a folder and its content, to the owner: files get mode 0600 and folders 0700, including
/// those that an older version of the program made. Files with the names `public`, and links, are not changed. Blocks.
///
/// A file of another user, such as in a mounted volume, is not changed, and a line of the log says so.
pub fn make_private(path: &Path, public: &[&str]) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let is_public =
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| public.contains(&name));
    if found.is_symlink() || is_public {
        return Ok(());
    }
    let mode = if found.is_dir() { 0o700 } else { 0o600 };
    if found.permissions().mode() & 0o777 != mode {
        match fs::set_permissions(path, std::fs::Permissions::from_mode(mode)) {
            // Another thread may have removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                tracing::warn!(path = %path.display(), "the mode is not changed: the file belongs to another user");
            }
            done => done?,
        }
    }
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            make_private(&entry?.path(), public)?;
        }
    }
    Ok(())
}

/// Replaces the file `path` by one with these bytes, atomically and durably. The folder must exist. Blocks.
pub fn write_whole(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    write(path, bytes, access, true)
}

/// Like [`write_whole`], for content that is valid only while this process runs. It does not sync, so that a start does not
/// wait for a disk. Blocks.
pub fn write_for_this_run(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    write(path, bytes, access, false)
}

fn write(path: &Path, bytes: &[u8], access: Access, durably: bool) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // A temporary file is made with mode 0600, so no other user can read a secret even for a moment.
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let mut file = tempfile::Builder::new()
        .make_in(folder, |path| options.open(path))
        .map_err(|error| with_path(&error, "cannot create a file in", folder))?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(access.mode()))?;
    if durably {
        file.as_file().sync_all()?;
    }
    fs::rename(file.path(), path)?;
    // It has its final name, so nothing has to be removed.
    file.keep().map_err(|error| with_path(&error.error, "cannot keep the file", path))?;
    if durably { sync_dir(folder) } else { Ok(()) }
}

/// The bytes of a file, or `None` when there is no such file. Blocks.
pub fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn with_path(error: &io::Error, what: &str, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_can_read_a_private_file_and_it_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");

        write_whole(&path, b"a longer first value", Access::Private).unwrap();
        write_whole(&path, b"second", Access::Private).unwrap();

        assert_eq!(read_if_there(&path).unwrap().unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_all_users_could_read_becomes_private_except_its_public_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("d/deep")).unwrap();
        for name in ["d/secret", "d/deep/secret", "d/ca.pem"] {
            fs::write(at(name), "x").unwrap();
            fs::set_permissions(at(name), std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        fs::set_permissions(at("d"), std::fs::Permissions::from_mode(0o755)).unwrap();

        make_private(&at("d"), &["ca.pem"]).unwrap();
        make_private(&at("none"), &[]).unwrap();

        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(["d", "d/deep"].map(mode), [0o700; 2]);
        assert_eq!(["d/secret", "d/deep/secret", "d/ca.pem"].map(mode), [0o600, 0o600, 0o644]);
    }

    #[test]
    fn a_missing_file_is_not_an_error() {
        let folder = tempfile::tempdir().unwrap();

        assert!(read_if_there(&folder.path().join("none")).unwrap().is_none());
    }
}
