//! The data folder of a vault: its lock, and the paths of its files.
//!
//! Used at a start. Only one process can lock a folder; the lock ends with the process, even if the process is killed.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azure_emulator_core::disk_calls as fs;

use azure_emulator_core::disk_space::DiskSpace;
use azure_emulator_core::durable::make_dir_durably;
use azure_emulator_core::files::make_private;
use azure_emulator_core::lock_file::{LockError, LockFile};

/// Locked while the folder is in use. The content of the file has no meaning.
const LOCK_FILE: &str = "lock";
/// The file with the key of the local authority, in the authority's folder.
const KEY_FILE: &str = "ca.key";
/// Files that all users may read: the addresses of the vault, and the certificates that clients trust.
const PUBLIC: &[&str] = &["endpoints.json", "ca-bundle.pem"];

/// Why a data folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Another process has locked it.
    #[error("the data folder {} is in use", .0.display())]
    InUse(PathBuf),
    /// It cannot be read or written.
    #[error("the data folder cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// A locked data folder. Dropping it unlocks it, and removes a temporary folder.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    disk_space: Arc<DiskSpace>,
    _lock: LockFile,
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    /// Opens a folder, or creates it with access only for the owner.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let is_new = !path.exists();
        make_dir_durably(path)?;
        if is_new {
            fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
        }
        let lock = lock(path)?;
        let disk_space = Arc::new(DiskSpace::open(path));
        Ok(Self { path: path.to_owned(), disk_space, _lock: lock, _temporary: None })
    }

    /// Locks an existing folder. [`io::ErrorKind::WouldBlock`] if another process holds the lock.
    pub(crate) fn lock_existing(path: &Path) -> io::Result<Self> {
        let locked = lock(path).map_err(|error| match error {
            FolderError::InUse(_) => io::ErrorKind::WouldBlock.into(),
            other @ FolderError::Io(_) => io::Error::other(other),
        });
        Ok(Self {
            path: path.to_owned(),
            disk_space: Arc::new(DiskSpace::without_reserve(path)),
            _lock: locked?,
            _temporary: None,
        })
    }

    /// Creates a folder that is removed when this is dropped.
    pub(crate) fn temporary() -> Result<Self, FolderError> {
        let temporary = tempfile::Builder::new().prefix("mock-keyvault-").tempdir()?;
        let path = temporary.path().to_owned();
        let lock = lock(&path)?;
        let disk_space = Arc::new(DiskSpace::open(&path));
        Ok(Self { path, disk_space, _lock: lock, _temporary: Some(temporary) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Restricts the files in the folder to their owner, except the public files. The mode of the folder itself is not changed,
    /// since it may be a mounted volume.
    pub(crate) fn make_private(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            // Clients read the authority's certificate in this folder.
            if path != self.tls() {
                make_private(&path, PUBLIC)?;
            }
        }
        make_private(&self.tls().join(KEY_FILE), &[])
    }

    /// The free space on the device of the folder.
    pub(crate) fn disk_space(&self) -> &Arc<DiskSpace> {
        &self.disk_space
    }

    /// The key that seals private keys.
    pub(crate) fn sealing_key(&self) -> PathBuf {
        self.path.join("sealing.key")
    }

    /// Whether the folder holds rows, in the current format or in format 1.
    pub(crate) fn has_rows(&self) -> bool {
        ["journal", "vaults"].iter().any(|name| self.path.join(name).exists())
    }

    /// The issuer's key and secrets.
    pub(crate) fn identity(&self) -> PathBuf {
        self.path.join("identity")
    }

    /// The local certificate authority.
    pub(crate) fn tls(&self) -> PathBuf {
        self.path.join("tls")
    }

    /// The audit log.
    pub(crate) fn audit(&self) -> PathBuf {
        self.path.join("audit.jsonl")
    }

    /// The event log.
    pub(crate) fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// The offset of the vault's own clock, in seconds; for a frozen clock also its time, in seconds since 1970.
    pub(crate) fn clock(&self) -> PathBuf {
        self.path.join("clock-offset")
    }
}

fn lock(folder: &Path) -> Result<LockFile, FolderError> {
    LockFile::acquire(&folder.join(LOCK_FILE)).map_err(|error| match error {
        LockError::Held(_) => FolderError::InUse(folder.to_owned()),
        LockError::Io(error) => error.into(),
    })
}
