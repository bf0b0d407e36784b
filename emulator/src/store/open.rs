//! Opens the data folder: checks that it is ours, free and of our version; then sweeps the left-overs of a kill.
//!
//! The marker is written before anything else, so that an incomplete folder is known as ours and is
//! completed. Opening does not look at every file: a million blobs open as fast as none.
//! [`Store::sweep_orphans`] does, in the background.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use azure_emulator_core::disk_calls as fs;
use azure_emulator_core::disk_space::{DiskSpace, is_out_of_space};
use azure_emulator_core::durable::key::RowsKey;
use azure_emulator_core::durable::marker::Marker;
use azure_emulator_core::durable::repair::RepairCommand;
use azure_emulator_core::durable::{
    self, Durability, Notice, OpenError, OpenOptions, make_dir_durably,
};
use azure_emulator_core::lock_file::{LockError, LockFile};
use hkdf::Hkdf;
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::database::Database;
use super::disk::{make_contents_private, make_folders, make_private, replace_file};
use super::error::StoreError;
use super::handle::Store;
use super::layout::{BACKGROUND_FILES, Layout, OLD_FORMAT_VERSION, SERVICE_KEY};
use super::marker::{Found, read_marker, write_marker};
use super::new_object::Claims;
use super::objects::FolderObjects;
use super::objects::folder::Restorer;
use super::secrets::read_secret;
use super::tables::Table;

/// The purpose of the derived journal key. It must not change.
const JOURNAL_KEY: &[u8] = b"sealyard rows v1";

/// A data folder that is ours and locked by this process. Its rows are not open yet.
#[derive(Debug)]
pub struct LockedFolder {
    layout: Layout,
    marker: Marker,
    /// Whether the marker was missing, and was derived from the rest of the folder.
    is_assumed: bool,
    durability: Durability,
    lock: LockFile,
}

impl LockedFolder {
    /// Locks the data folder, and makes it if it is missing. Blocks.
    ///
    /// A folder with anything else in it is refused: lock it before other files are made in it.
    pub fn lock(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let layout = Layout::new(path);
        make_dir_durably(path)?;
        // A refused folder stays as it was.
        match read_marker(&layout)? {
            Found::Nothing if !is_as_good_as_empty(&layout)? => {
                return Err(StoreError::ForeignFolder { path: path.to_owned() });
            }
            Found::Damage => return Err(marker_is_damaged(&layout)),
            _ => {}
        }
        let lock = take_lock(&layout)?;
        // Read again under the lock: another process may have made the folder meanwhile.
        let found = read_marker(&layout)?;
        let is_assumed = matches!(found, Found::Assumed(_));
        let marker = match found {
            Found::Marker(marker) | Found::Assumed(marker) => marker,
            Found::Damage => return Err(marker_is_damaged(&layout)),
            Found::Nothing => {
                make_private(path)?;
                write_marker(&layout, true, durability)?
            }
        };
        Ok(Self { layout, marker, is_assumed, durability, lock })
    }

    /// Whether the embedded vault must wait until this folder is open. It must if the rows are of an earlier format, because
    /// opening them migrates them or refuses the folder; and on a nearly full device, where each of them could use the space
    /// that the other counts on.
    pub fn must_open_first(&self) -> bool {
        let has_space = DiskSpace::without_reserve(self.layout.root()).has_space_for_two_starts();
        self.marker.format_version == OLD_FORMAT_VERSION || !has_space.unwrap_or(false)
    }

    /// Opens the store in the folder. Left-overs of unfinished work are swept, except those that need a look at all
    /// files: see [`Store::sweep_orphans`]. Blocks.
    pub fn open(self) -> Result<Store, StoreError> {
        let Self { layout, marker, is_assumed, durability, lock } = self;
        let disk_space = Arc::new(DiskSpace::open(layout.root()));
        make_folders(&layout, durability)?;
        let database = open_rows(&layout, &marker, is_assumed, durability, &disk_space)?;
        let store = Store {
            database,
            objects: Box::new(FolderObjects::open(layout.clone(), durability)?),
            layout,
            durability,
            disk_space,
            claims: Claims::default(),
            without_file: Mutex::default(),
            _lock: lock,
            released: CancellationToken::new().drop_guard(),
        };
        *store.lock_without_file() = store.uploads_without_file()?;
        make_contents_private(&store.layout)?;
        // Otherwise a start would wait for the check: then both are done in the background.
        if store.database.integrity().is_proven() {
            store.finish_uploads()?;
        }
        if store.database.integrity().are_complete() {
            store.sweep_left_behind()?;
        }
        Ok(store)
    }
}

impl Store {
    /// Opens the data folder, or makes it: see [`LockedFolder`], which does it in two steps.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        LockedFolder::lock(path, durability)?.open()
    }
}

fn marker_is_damaged(layout: &Layout) -> StoreError {
    let repair = RepairCommand::new("sealyard", layout.root()).to_string();
    OpenError::Marker { file: layout.marker(), repair }.into()
}

/// Opens the rows. Rows of format 1 are migrated; the marker is written last, so that a kill leaves a folder of either format.
fn open_rows(
    layout: &Layout,
    marker: &Marker,
    is_assumed: bool,
    durability: Durability,
    disk_space: &Arc<DiskSpace>,
) -> Result<Database, StoreError> {
    let old = layout.old_rows();
    let mut is_new = marker.unfinished;
    let migrating = marker.format_version == OLD_FORMAT_VERSION && old.try_exists()?;
    if marker.format_version == OLD_FORMAT_VERSION && !migrating {
        // Format 1 made its rows before this key: a folder with neither was never completed.
        if layout.named(SERVICE_KEY).try_exists()? || has_files(layout)? {
            return Err(durable::old_error(&old, io::ErrorKind::NotFound.into()).into());
        }
        write_marker(layout, true, durability)?;
        is_new = true;
    }
    let repair = RepairCommand::new("sealyard", layout.root()).to_string();
    let restorer = Restorer::new(layout);
    let options = OpenOptions {
        folder: layout.root(),
        trees: Table::NAMES,
        key: Arc::new(journal_key(layout, is_new || migrating, durability)?),
        durability,
        disk_space: Arc::clone(disk_space),
        is_new,
        repair: &repair,
        remembered: Table::REMEMBERED,
        superseded: Some(&old),
        restore: Some(&|op| restorer.see(op)),
    };
    if migrating {
        // Damage of format 1 can hide rows, so files without a row are kept.
        let migrated = durable::migrate(&options, &old, true)?;
        if migrated.rows == 0 && has_files(layout)? {
            durable::abandon_migration(&options);
            let message = "it holds no rows, but there are files that rows have named";
            let error = io::Error::new(io::ErrorKind::InvalidData, message);
            return Err(durable::old_error(&old, error).into());
        }
    }
    let database = Database::open(&options).inspect_err(|_| {
        if migrating {
            durable::abandon_migration(&options);
        }
    })?;
    if is_new || migrating || is_assumed {
        write_marker(layout, false, durability)?;
    }
    if is_assumed {
        database.integrity().note(Notice::MarkerMissing { file: layout.marker() });
    }
    if old.try_exists()? {
        database.integrity().note(Notice::Migrated { kept: old });
    }
    Ok(database)
}

/// Whether there is any sealed file.
fn has_files(layout: &Layout) -> io::Result<bool> {
    for folder in layout.shards().chain([layout.uploads()]) {
        if fs::read_dir(folder)?.next().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The key of the journal, derived from the service-managed key. A missing service-managed key is made only for a new folder.
fn journal_key(
    layout: &Layout,
    may_make: bool,
    durability: Durability,
) -> Result<RowsKey, StoreError> {
    let path = layout.named(SERVICE_KEY);
    let service_key: Zeroizing<Vec<u8>> = match read_secret(&path, SERVICE_KEY)? {
        Some(bytes) => bytes,
        None if may_make => {
            let mut bytes = Zeroizing::new(vec![0; 32]);
            SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
            replace_file(&path, &bytes, durability)?;
            bytes
        }
        None => return Err(StoreError::NoServiceKey { file: path }),
    };
    let mut root = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, &service_key)
        .expand(JOURNAL_KEY, root.as_mut())
        .map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(RowsKey::from_root(&root))
}

/// Refuses a folder that has other files in it, before this program makes any there. Accepts a missing or an empty folder.
#[cfg(feature = "command-line")]
pub fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    let layout = Layout::new(path);
    let is_foreign = path.try_exists()?
        && read_marker(&layout)? == Found::Nothing
        && fs::read_dir(path)?.any(|entry| entry.is_ok_and(|entry| entry.path() != layout.lock()));
    if is_foreign { Err(StoreError::ForeignFolder { path: path.to_owned() }) } else { Ok(()) }
}

/// Whether the folder has only files that this program makes before the marker.
fn is_as_good_as_empty(layout: &Layout) -> Result<bool, StoreError> {
    for entry in fs::read_dir(layout.root())? {
        let path = entry?.path();
        let is_of_background = BACKGROUND_FILES.iter().any(|name| path.ends_with(name));
        if path != layout.lock()
            && path != Layout::replacement(&layout.marker())
            && !is_of_background
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// For a repair: locks a folder that has a journal, or should have one. Also returns whether its marker is
/// missing or damaged.
pub(super) fn lock_for_repair(layout: &Layout) -> Result<(LockFile, bool), StoreError> {
    let found = read_marker(layout)?;
    let is_ours = layout.files().try_exists()? || layout.journal().try_exists()?;
    match found {
        Found::Marker(Marker { format_version: OLD_FORMAT_VERSION, .. })
        | Found::Assumed(Marker { format_version: OLD_FORMAT_VERSION, .. }) => {
            Err(StoreError::OldFormat { path: layout.root().to_owned() })
        }
        Found::Marker(_) => Ok((take_lock(layout)?, false)),
        Found::Assumed(_) | Found::Damage => Ok((take_lock(layout)?, true)),
        Found::Nothing if is_ours => Ok((take_lock(layout)?, true)),
        Found::Nothing => Err(StoreError::ForeignFolder { path: layout.root().to_owned() }),
    }
}

/// The key of the journal of an existing folder.
pub(super) fn key_for_repair(layout: &Layout) -> Result<RowsKey, StoreError> {
    journal_key(layout, false, Durability::Full)
}

fn take_lock(layout: &Layout) -> Result<LockFile, StoreError> {
    let mut lock = LockFile::acquire(&layout.lock()).map_err(|error| match error {
        LockError::Held(pid) => StoreError::InUse { path: layout.root().to_owned(), pid },
        LockError::Io(error) => error.into(),
    })?;
    // On a full disk an empty lock file stays empty: the id is only for people.
    match lock.name_this_process() {
        Err(error) if is_out_of_space(&error) => {
            tracing::warn!(%error, "the lock file does not say which process holds the folder");
        }
        written => written?,
    }
    Ok(lock)
}
