//! Makes, replaces and removes single files and folders, and sets who may read them.
//!
//! Only the user of the program can read what it makes here.

use std::io::{self, Write};
use std::path::Path;

use azure_emulator_core::disk_calls as fs;
use azure_emulator_core::durable::{Durability, sync_dir};
use azure_emulator_core::files;

use super::error::StoreError;
use super::file_id::FileId;
use super::layout::Layout;

/// Makes a file that only its owner can read and write.
pub(super) fn create_private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Replaces a small file: a reader finds the old content or the new one, also after a power cut.
pub(super) fn replace_file(
    path: &Path,
    bytes: &[u8],
    durability: Durability,
) -> Result<(), StoreError> {
    let temporary = Layout::replacement(path);
    remove_if_there(&temporary)?;
    let mut file = create_private(&temporary)?;
    file.write_all(bytes)?;
    if durability == Durability::Full {
        file.sync_all()?;
    }
    fs::rename(&temporary, path)?;
    if durability == Durability::Full
        && let Some(folder) = path.parent()
    {
        sync_dir(folder)?;
    }
    Ok(())
}

/// Removes a file, and succeeds if there is none.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes a missing file an error of its own.
pub(super) fn not_found(error: io::Error, id: FileId) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound => StoreError::NotFound(id),
        _ => error.into(),
    }
}

/// Removes the permissions of other users from files of older versions and of the database. Published files never had any: their
/// 256 folders are not read, and the vault does this for its own folder.
pub(super) fn make_contents_private(layout: &Layout) -> Result<(), StoreError> {
    let others = [layout.files(), layout.root().join("vault"), layout.root().join("tls")];
    for entry in fs::read_dir(layout.root())? {
        let path = entry?.path();
        if !others.contains(&path) {
            files::make_private(&path, &["endpoints.json", "ca-bundle.pem"])?;
        }
    }
    Ok(())
}

/// Makes the folder private. A mounted volume may belong to another user: then its mode stays as it is.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    match fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            tracing::warn!(folder = %path.display(), "the data folder belongs to another user: its mode stays as it is");
            Ok(())
        }
        result => Ok(result?),
    }
}

/// Makes the folders of the data folder that are missing.
pub(super) fn make_folders(layout: &Layout, durability: Durability) -> Result<(), StoreError> {
    let mut made = make_dir(&layout.files())?;
    made |= make_dir(&layout.uploads())?;
    made |= make_dir(&layout.audit())?;
    let mut made_shard = false;
    for shard in layout.shards() {
        made_shard |= make_dir(&shard)?;
    }
    if durability == Durability::Full {
        if made_shard {
            sync_dir(&layout.files())?;
        }
        if made {
            sync_dir(layout.root())?;
        }
    }
    Ok(())
}

/// Makes a folder. Returns false if it exists.
pub(super) fn make_dir(path: &Path) -> Result<bool, StoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    match fs::create_private_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
                make_private(path)?;
            }
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}
