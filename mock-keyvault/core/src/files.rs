//! Small files that are written whole: certificates, keys, secrets, endpoints.
//!
//! Called wherever a file is a value rather than a stream. A reader sees the old bytes or the new ones, never a part,
//! and after a return the new ones survive a power cut. This module knows nothing of what the files hold.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fs_err as fs;

use crate::durable::sync_dir;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody: mode 0644.
    Public,
    /// The owner alone: mode 0600.
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

/// Closes a file, or a folder with all in it, to everybody but its owner: files become 0600 and folders 0700, also those
/// that an older version of the program made. Files of the names `public` stay as they are, and so do links. Blocks.
///
/// A file of another user stays as it is, as in a mounted volume: the log says so.
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
                tracing::warn!(path = %path.display(), "belongs to another user: its mode stays as it is");
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

/// Writes `bytes` to the file `path`, which is replaced in one step, durably. The folder must exist. Blocks.
pub fn write_whole(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    write(path, bytes, access, true)
}

/// The same for what is true only while this process runs: it is not synced, so that a start does not wait for a disk.
pub fn write_for_this_run(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    write(path, bytes, access, false)
}

fn write(path: &Path, bytes: &[u8], access: Access, durably: bool) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // A temporary file is made with mode 0600: nobody else can read a secret even for a moment.
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .map_err(|error| with_path(&error, "a file could not be made in", folder))?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(access.mode()))?;
    if durably {
        file.as_file().sync_all()?;
    }
    file.persist(path)
        .map_err(|error| with_path(&error.error, "a file could not be moved to", path))?;
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
    fn a_private_file_is_for_its_owner_alone_and_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");

        write_whole(&path, b"a longer first value", Access::Private).unwrap();
        write_whole(&path, b"second", Access::Private).unwrap();

        assert_eq!(read_if_there(&path).unwrap().unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_was_open_to_everybody_is_closed_except_for_its_public_files() {
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
    fn a_file_that_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();

        assert!(read_if_there(&folder.path().join("none")).unwrap().is_none());
    }
}
