//! The data folder of a vault: who holds it, and what is where in it.
//!
//! Called at a start. One process holds a folder at a time; the lock goes with the process, however it ends.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::StartError;
use crate::durable::make_dir_durably;

/// Locked while the folder is in use. Its content means nothing.
const LOCK_FILE: &str = "lock";

/// An open data folder. Dropping it unlocks it, and removes one that was temporary.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: fs::File,
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
        Ok(Self { path: path.to_owned(), _lock: lock(path)?, _temporary: None })
    }

    /// Makes a folder that is removed with this.
    pub(super) fn temporary() -> Result<Self, StartError> {
        let temporary = tempfile::Builder::new().prefix("mock-keyvault-").tempdir()?;
        let path = temporary.path().to_owned();
        Ok(Self { _lock: lock(&path)?, path, _temporary: Some(temporary) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The key that seals private keys.
    pub(super) fn sealing_key(&self) -> PathBuf {
        self.path.join("sealing.key")
    }

    /// The database of the vaults.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join("vaults")
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

fn lock(folder: &Path) -> Result<fs::File, StartError> {
    let path = folder.join(LOCK_FILE);
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match file.file().try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(StartError::FolderInUse { folder: folder.to_owned() })
        }
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}
