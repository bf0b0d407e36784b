//! The data folder of a vault: who holds it, and what is where in it.
//!
//! Called at a start. One process holds a folder at a time; the lock goes with the process, however it ends.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;

use super::StartError;
use azure_emulator_core::durable::make_dir_durably;
use azure_emulator_core::files::make_private;
use azure_emulator_core::lock_file::{LockError, LockFile};
use azure_emulator_core::room::Room;

/// Locked while the folder is in use. Its content means nothing.
const LOCK_FILE: &str = "lock";
/// The key of the local authority, in its folder.
const KEY_FILE: &str = "ca.key";
/// Files for everybody: where the vault is, and what clients trust.
const PUBLIC: &[&str] = &["endpoints.json", "ca-bundle.pem"];

/// An open data folder. Dropping it unlocks it, and removes one that was temporary.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    room: Arc<Room>,
    _lock: LockFile,
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    /// Opens a folder, or makes it for the owner alone.
    pub(super) fn open(path: &Path) -> Result<Self, StartError> {
        let is_new = !path.exists();
        make_dir_durably(path)?;
        if is_new {
            fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
        }
        let lock = lock(path)?;
        let room = Arc::new(Room::open(path));
        Ok(Self { path: path.to_owned(), room, _lock: lock, _temporary: None })
    }

    /// Locks a folder that is there. [`io::ErrorKind::WouldBlock`] if a process has it.
    pub(crate) fn lock_existing(path: &Path) -> io::Result<Self> {
        let locked = lock(path).map_err(|error| match error {
            StartError::FolderInUse { .. } => io::ErrorKind::WouldBlock.into(),
            other => io::Error::other(other),
        });
        Ok(Self {
            path: path.to_owned(),
            room: Arc::new(Room::of(path)),
            _lock: locked?,
            _temporary: None,
        })
    }

    /// Makes a folder that is removed with this.
    pub(super) fn temporary() -> Result<Self, StartError> {
        let temporary = tempfile::Builder::new().prefix("mock-keyvault-").tempdir()?;
        let path = temporary.path().to_owned();
        let lock = lock(&path)?;
        let room = Arc::new(Room::open(&path));
        Ok(Self { path, room, _lock: lock, _temporary: Some(temporary) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Closes what is in the folder to everybody but its owner, except for what is public. The folder itself stays as it is:
    /// it may be a mounted volume.
    pub(super) fn make_private(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            // Clients read the authority in there.
            if path != self.tls() {
                make_private(&path, PUBLIC)?;
            }
        }
        make_private(&self.tls().join(KEY_FILE), &[])
    }

    /// The room on the device of the folder.
    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// The key that seals private keys.
    pub(super) fn sealing_key(&self) -> PathBuf {
        self.path.join("sealing.key")
    }

    /// Whether the folder holds rows, of the present format or of the first.
    pub(super) fn has_rows(&self) -> bool {
        ["journal", "vaults"].iter().any(|name| self.path.join(name).exists())
    }

    /// The issuer's key and secrets.
    pub(super) fn identity(&self) -> PathBuf {
        self.path.join("identity")
    }

    /// The local certificate authority.
    pub(super) fn tls(&self) -> PathBuf {
        self.path.join("tls")
    }

    /// The audit log.
    pub(super) fn audit(&self) -> PathBuf {
        self.path.join("audit.jsonl")
    }

    /// The event log.
    pub(super) fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// The offset of the vault's own clock, in seconds; if it is frozen, then where, in seconds since 1970.
    pub(super) fn clock(&self) -> PathBuf {
        self.path.join("clock-offset")
    }
}

fn lock(folder: &Path) -> Result<LockFile, StartError> {
    LockFile::take(&folder.join(LOCK_FILE)).map_err(|error| match error {
        LockError::Held(_) => StartError::FolderInUse { folder: folder.to_owned() },
        LockError::Io(error) => error.into(),
    })
}
