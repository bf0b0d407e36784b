//! Opening the data folder: is it ours, is it free, is it of our version; then sweep what a killed process left.
//!
//! The marker is written before anything else, so that a folder whose making was cut short is known as ours and is
//! completed. Nothing here looks at every file: a million blobs open as fast as none. What needs such a look is
//! [`Store::sweep_orphans`], for the background.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::Path;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use mock_keyvault::durable::{Durability, make_dir_durably, sync_dir};
use serde::{Deserialize, Serialize};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::database::Database;
use super::error::StoreError;
use super::files::{Claims, remove_if_there, replace_file};
use super::layout::{FORMAT_VERSION, Layout, Table};
use super::rows::{UploadRow, decode, nth_part};

/// The open data folder. Share it in an `Arc`; all methods block.
#[derive(Debug)]
pub struct Store {
    pub(super) database: Database,
    pub(super) layout: Layout,
    pub(super) durability: Durability,
    /// Files that are on their way to be published, which no row names yet.
    pub(super) claims: Claims,
    /// Held until the database is closed: fields are dropped in this order.
    _lock: fs::File,
    /// Says that the folder is free, after the lock.
    released: DropGuard,
}

/// What `sealyard.json` says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    format_version: u64,
}

impl Store {
    /// Opens the data folder, or makes it. Left-overs of unfinished work are swept, but for those that need a look
    /// through all files: see [`Store::sweep_orphans`].
    ///
    /// A folder that has anything else in it is refused: open the store before something is put beside it.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let layout = Layout::new(path);
        make_dir_durably(path)?;
        if !marker_is_ours(&layout)? && !is_as_good_as_empty(&layout)? {
            return Err(StoreError::ForeignFolder { path: path.to_owned() });
        }
        let lock = take_lock(&layout)?;
        // Looked at again under the lock: somebody else may have made the folder meanwhile.
        if !marker_is_ours(&layout)? {
            make_private(path)?;
            let marker = serde_json::to_vec(&Marker { format_version: FORMAT_VERSION })
                .map_err(io::Error::from)?;
            replace_file(&layout.marker(), &marker, durability)?;
        }
        make_folders(&layout, durability)?;
        let database = Database::open(&layout.rows(), durability)?;
        let store = Self {
            database,
            layout,
            durability,
            claims: Claims::default(),
            _lock: lock,
            released: CancellationToken::new().drop_guard(),
        };
        store.finish_all_leaving()?;
        store.sweep_uploads()?;
        Ok(store)
    }

    /// Is cancelled when the folder is free for another process. It does not hold the store.
    pub fn released(&self) -> CancellationToken {
        self.released.token().clone()
    }

    /// Makes rows and files of uploads agree again.
    fn sweep_uploads(&self) -> Result<(), StoreError> {
        let mut known = HashSet::new();
        for entry in self.database.scan(Table::Uploads, &[]) {
            let (key, bytes) = entry?;
            let row: UploadRow = decode(&bytes)?;
            known.insert(row.file.to_string());
            let (at, published) = (self.layout.upload(row.file), self.layout.file(row.file));
            if at.try_exists()? {
                continue;
            }
            if published.try_exists()? {
                // Killed between the rename and the row. The client was told nothing: it can still finish.
                fs::rename(published, at)?;
                continue;
            }
            let registry = nth_part(&key, 0)?;
            self.forget_upload(&registry, &row.id, |_| true)?;
        }
        for entry in fs::read_dir(self.layout.uploads())? {
            let entry = entry?;
            let name = entry.file_name();
            if !name.to_str().is_some_and(|name| known.contains(name)) {
                remove_if_there(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// Whether the folder says that it is ours. It is refused if it says another version.
fn marker_is_ours(layout: &Layout) -> Result<bool, StoreError> {
    let bytes = match fs::read(layout.marker()) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let marker: Marker = serde_json::from_slice(&bytes)
        .map_err(|_| StoreError::ForeignFolder { path: layout.root().to_owned() })?;
    if marker.format_version != FORMAT_VERSION {
        return Err(StoreError::FormatVersion {
            path: layout.root().to_owned(),
            found: marker.format_version,
            supported: FORMAT_VERSION,
        });
    }
    Ok(true)
}

/// Whether nothing is in the folder but what this program puts there before the marker.
fn is_as_good_as_empty(layout: &Layout) -> Result<bool, StoreError> {
    for entry in fs::read_dir(layout.root())? {
        let path = entry?.path();
        if path != layout.lock() && path != Layout::replacement(&layout.marker()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn take_lock(layout: &Layout) -> Result<fs::File, StoreError> {
    let mut lock = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(layout.lock())?;
    match lock.try_lock() {
        Ok(()) => (),
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let pid = lock.read_to_string(&mut pid).ok().and_then(|_| pid.trim().parse().ok());
            return Err(StoreError::InUse { path: layout.root().to_owned(), pid });
        }
        Err(std::fs::TryLockError::Error(error)) => return Err(error.into()),
    }
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())?;
    Ok(lock)
}

/// Nobody else looks into the folder. A mounted volume may belong to another user: then it is as private as they left it.
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    match fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            tracing::warn!(folder = %path.display(), "the data folder belongs to another user: its mode stays as it is");
            Ok(())
        }
        result => Ok(result?),
    }
}

fn make_folders(layout: &Layout, durability: Durability) -> Result<(), StoreError> {
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

/// Makes a folder; false: it was there.
fn make_dir(path: &Path) -> Result<bool, StoreError> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.into()),
    }
}
