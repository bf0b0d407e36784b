//! Opens the data folder: checks that it is ours, free and of our version; then sweeps the left-overs of a kill.
//!
//! The marker is written before anything else, so that an incomplete folder is known as ours and is
//! completed. Opening does not look at every file: a million blobs open as fast as none.
//! [`Store::sweep_orphans`] does, in the background.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_emulator_core::durable::key::RowsKey;
use azure_emulator_core::durable::marker::Marker;
use azure_emulator_core::durable::repair::RepairCommand;
use azure_emulator_core::durable::{
    self, Durability, Listener, Notice, OpenError, OpenOptions, Proof, make_dir_durably, sync_dir,
};
use azure_emulator_core::files;
use azure_emulator_core::lock_file::{LockError, LockFile};
use azure_emulator_core::room::{Room, is_lacking};
use fs_err as fs;
use hkdf::Hkdf;
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::Sha256;
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

use super::carried::Restorer;
use super::database::Database;
use super::error::StoreError;
use super::files::{Claims, replace_file};
use super::layout::{BACKGROUND_FILES, Layout, OLD_FORMAT_VERSION, SERVICE_KEY, Table};
use super::marker::{Found, read_marker, write_marker};
use super::rows::{UploadRow, decode, nth_part};
use super::secrets::read_secret;

/// The open data folder. Share it in an `Arc`; all methods block.
#[derive(Debug)]
pub struct Store {
    pub(super) database: Database,
    pub(super) layout: Layout,
    pub(super) durability: Durability,
    /// The room on the device, and the reserve for a full disk.
    pub(super) room: Arc<Room>,
    /// Files that will be published and that no row names yet.
    pub(super) claims: Claims,
    /// Files in `uploads/` that existed at the opening and were not checked yet.
    pub(super) left_behind: Mutex<Vec<PathBuf>>,
    /// Rows of uploads that had no file at the opening and were not checked again yet.
    without_file: Mutex<Vec<(String, UploadRow)>>,
    /// Held until the database is closed: fields are dropped in this order.
    _lock: LockFile,
    /// Reports that the folder is free, after the lock.
    released: DropGuard,
}

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
        let has_space = Room::of(self.layout.root()).has_space_for_two_starts();
        self.marker.format_version == OLD_FORMAT_VERSION || !has_space.unwrap_or(false)
    }

    /// Opens the store in the folder. Left-overs of unfinished work are swept, except those that need a look at all
    /// files: see [`Store::sweep_orphans`]. Blocks.
    pub fn open(self) -> Result<Store, StoreError> {
        let Self { layout, marker, is_assumed, durability, lock } = self;
        let room = Arc::new(Room::open(layout.root()));
        make_folders(&layout, durability)?;
        let database = open_rows(&layout, &marker, is_assumed, durability, &room)?;
        let store = Store {
            database,
            left_behind: left_behind(&layout)?,
            layout,
            durability,
            room,
            claims: Claims::default(),
            without_file: Mutex::default(),
            _lock: lock,
            released: CancellationToken::new().drop_guard(),
        };
        *store.lock_without_file() = store.uploads_without_file()?;
        make_contents_private(&store.layout)?;
        // Otherwise a start would wait for the check: then both are done in the background.
        if store.database.durable().proof().is_complete() {
            store.finish_uploads()?;
        }
        if store.database.durable().are_complete() {
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

    /// The room on the device, and the reserve for a full disk.
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// The notices about the rows since the start, as sentences.
    pub fn notices(&self) -> Vec<String> {
        self.database.durable().notices().iter().map(ToString::to_string).collect()
    }

    /// Sends all notices to a listener: the earlier ones at once, then each new one. It must not use the store.
    pub fn listen_to_notices(&self, listener: Listener) {
        self.database.durable().listen(listener);
    }

    /// Blocks until the rows are checked. Wrong rows were then replaced, if that was possible.
    pub fn wait_for_proof(&self) {
        self.database.durable().wait_for_proof();
    }

    /// From now on a change waits no longer than this for the check of the rows: [`StoreError::NotProven`] then.
    pub fn wait_at_most(&self, limit: Duration) {
        self.database.durable().wait_at_most(limit);
    }

    /// Ends the check of the rows, and all waits for it: the program stops.
    pub fn stop_soon(&self) {
        self.database.durable().stop_soon();
    }

    /// Marks the rows as checked or not: for tests.
    pub fn pretend_proven(&self, proven: bool) {
        self.database.durable().pretend_proof(if proven { Proof::Matched } else { Proof::Pending });
    }

    /// Cancelled when the folder is free for another process. It does not keep the store open.
    pub fn released(&self) -> CancellationToken {
        self.released.token().clone()
    }

    /// Rejoins the rows of uploads and their files that the last process separated. The rows are checked.
    pub(super) fn finish_uploads(&self) -> Result<(), StoreError> {
        match self.finish_those_without_file() {
            // On a full disk the left-overs wait for another start, because the content must stay readable.
            Err(StoreError::DiskFull(error)) => {
                tracing::warn!(%error, "the left-overs of unfinished work stay until the disk has room");
                Ok(())
            }
            finished => finished,
        }
    }

    fn finish_those_without_file(&self) -> Result<(), StoreError> {
        let left = std::mem::take(&mut *self.lock_without_file());
        if left.is_empty() {
            return Ok(());
        }
        // An upload of this process has no file for a moment while it is published: it is not among those.
        let found = self.uploads_without_file()?;
        for (registry, row) in found.into_iter().filter(|one| left.contains(one)) {
            let published = self.layout.file(row.file);
            if published.try_exists()? {
                // Killed between the rename and the row. The client got no answer, so it can still finish.
                fs::rename(published, self.layout.upload(row.file))?;
            } else {
                self.forget_upload(&registry, &row.id, |_| true)?;
            }
        }
        Ok(())
    }

    fn lock_without_file(&self) -> MutexGuard<'_, Vec<(String, UploadRow)>> {
        self.without_file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uploads_without_file(&self) -> Result<Vec<(String, UploadRow)>, StoreError> {
        let mut found = Vec::new();
        for entry in self.database.scan(Table::Uploads, &[]) {
            let (key, bytes) = entry?;
            let row: UploadRow = decode(&bytes)?;
            if !self.layout.upload(row.file).try_exists()? {
                found.push((nth_part(&key, 0)?, row));
            }
        }
        Ok(found)
    }
}

fn marker_is_damaged(layout: &Layout) -> StoreError {
    let repair = RepairCommand::of("sealyard", layout.root()).to_string();
    OpenError::Marker { file: layout.marker(), repair }.into()
}

/// Opens the rows. Rows of format 1 are migrated; the marker is written last, so that a kill leaves a folder of either format.
fn open_rows(
    layout: &Layout,
    marker: &Marker,
    is_assumed: bool,
    durability: Durability,
    room: &Arc<Room>,
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
    let repair = RepairCommand::of("sealyard", layout.root()).to_string();
    let restorer = Restorer::new(layout);
    let options = OpenOptions {
        folder: layout.root(),
        trees: Table::NAMES,
        key: Arc::new(journal_key(layout, is_new || migrating, durability)?),
        durability,
        room: Arc::clone(room),
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
            durable::give_up_migration(&options);
            let words = "it holds no rows, but there are files that rows have named";
            let error = io::Error::new(io::ErrorKind::InvalidData, words);
            return Err(durable::old_error(&old, error).into());
        }
    }
    let database = Database::open(&options).inspect_err(|_| {
        if migrating {
            durable::give_up_migration(&options);
        }
    })?;
    if is_new || migrating || is_assumed {
        write_marker(layout, false, durability)?;
    }
    if is_assumed {
        database.durable().note(Notice::MarkerMissing { file: layout.marker() });
    }
    if old.try_exists()? {
        database.durable().note(Notice::Migrated { kept: old });
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

/// The files in `uploads/` at the opening: those without a row can be removed when the rows are checked.
fn left_behind(layout: &Layout) -> Result<Mutex<Vec<PathBuf>>, StoreError> {
    let entries = fs::read_dir(layout.uploads())?;
    Ok(Mutex::new(entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?))
}

/// Refuses a folder that has other files in it, before this program makes any there. Accepts a missing or an empty folder.
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
    let mut lock = LockFile::take(&layout.lock()).map_err(|error| match error {
        LockError::Held(pid) => StoreError::InUse { path: layout.root().to_owned(), pid },
        LockError::Io(error) => error.into(),
    })?;
    // On a full disk an empty lock file stays empty: the id is only for people.
    match lock.name_this_process() {
        Err(error) if is_lacking(&error) => {
            tracing::warn!(%error, "the lock file does not say which process holds the folder");
        }
        written => written?,
    }
    Ok(lock)
}

/// Removes the permissions of other users from files of older versions and of the database. Published files never had any: their
/// 256 folders are not read, and the vault does this for its own folder.
fn make_contents_private(layout: &Layout) -> Result<(), StoreError> {
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

/// Makes a folder. Returns false if it exists.
pub(super) fn make_dir(path: &Path) -> Result<bool, StoreError> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
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
