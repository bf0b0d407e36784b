//! The format of a vault's data folder: finding its version, and migrating format 1 to the current one.
//!
//! Format 1 was a sled database in `vaults/`. Now the rows are in `journal/`, and `vaults/` is a [`Refuser`]. The migration creates
//! the journal and the index, then puts the refuser in place of the old database, then writes the marker. After a kill before the
//! refuser is in place, the next start repeats everything; after a later kill, it continues.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azure_emulator_core::disk_calls as fs;
use zeroize::Zeroizing;

use super::error::{FORMAT_VERSION, StoreError};
use azure_emulator_core::disk_space::DiskSpace;
use azure_emulator_core::durable::key::RowsKey;
use azure_emulator_core::durable::marker::Marker;
use azure_emulator_core::durable::repair::RepairCommand;
use azure_emulator_core::durable::{
    Durability, Notice, OpenError, OpenOptions, Refuser, Rows, abandon_migration, make_dir_durably,
    migrate, old_error,
};
use azure_emulator_core::files::{Access, read_if_there, write_whole};
use azure_emulator_core::random;

/// The entry in the database of format 1 that names its format: tree, key, value.
const OLD_FORMAT: (&str, &str, &str) = ("settings", "format", "1");

/// The work that opening a folder requires.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Create the rows.
    New,
    /// Migrate from format 1.
    Migrate,
    /// Open the rows.
    Open,
}

/// Opens the rows in this data folder, or creates them.
pub(super) fn open(
    folder: &Path,
    trees: &'static [&'static str],
    durability: Durability,
    disk_space: Arc<DiskSpace>,
) -> Result<Rows, StoreError> {
    make_dir_durably(folder)?;
    let refuser = refuser(folder);
    let (marker, work) = match read_marker(folder)? {
        Found::Marker(marker) => (Some(marker), work(folder, &refuser, Some(&marker))?),
        Found::Nothing => (None, work(folder, &refuser, None)?),
        // The marker is written after the journal, so there is nothing to migrate, even if the folder contains a database.
        Found::Damage if journal(folder).is_dir() => (None, Work::Open),
        Found::Damage => {
            let repair = RepairCommand::new("mock-keyvault", folder).to_string();
            return Err(OpenError::Marker { file: marker_path(folder), repair }.into());
        }
    };
    if work == Work::New && marker.is_none() {
        write_marker(folder, true)?;
    }
    let repair = RepairCommand::new("mock-keyvault", folder).to_string();
    let options = OpenOptions {
        folder,
        trees,
        key: Arc::new(RowsKey::from_root(&journal_key(folder, work != Work::Open)?)),
        durability,
        disk_space,
        is_new: work == Work::New,
        repair: &repair,
        // A vault waits for the proof before it reads.
        remembered: &[],
        superseded: Some(&refuser.kept),
        restore: None,
    };
    if work == Work::Migrate {
        migrate_from(&options, &refuser.database)?;
    }
    let rows = Rows::open(&options).inspect_err(|_| {
        if work == Work::Migrate {
            abandon_migration(&options);
        }
    })?;
    // The rows exist: from now on no older program may create others. A database that was put there later is not changed.
    if work != Work::Open || marker.is_none() || !refuser.database.try_exists()? {
        refuser.put()?;
    }
    if work != Work::Open || marker.is_none() {
        write_marker(folder, false)?;
    }
    if work == Work::Open && marker.is_none() {
        rows.note(Notice::MarkerMissing { file: marker_path(folder) });
    }
    if refuser.kept.try_exists()? {
        rows.note(Notice::Migrated { kept: refuser.kept.clone() });
    }
    Ok(rows)
}

fn refuser(folder: &Path) -> Refuser<'static> {
    Refuser {
        database: folder.join("vaults"),
        format: (OLD_FORMAT.0, OLD_FORMAT.1),
        version: FORMAT_VERSION,
        kept: folder.join("vaults.format-1"),
    }
}

fn work(folder: &Path, refuser: &Refuser<'_>, marker: Option<&Marker>) -> io::Result<Work> {
    Ok(match marker {
        Some(marker) if marker.unfinished => Work::New,
        Some(_) => Work::Open,
        // The refuser is written after the journal: only the marker is missing.
        None if refuser.is_there() || refuser.kept.try_exists()? => Work::Open,
        None if refuser.database.try_exists()? => Work::Migrate,
        None if journal(folder).is_dir() => Work::Open,
        None => Work::New,
    })
}

/// Creates the journal from the database of format 1.
fn migrate_from(options: &OpenOptions<'_>, old: &Path) -> Result<(), StoreError> {
    let migrated = migrate(options, old, false)?;
    let (tree, key, value) = OLD_FORMAT;
    let tree = (0..=u8::MAX).zip(options.trees).find(|(_, name)| **name == tree);
    let found = match tree {
        Some((tree, _)) => migrated.named(tree, key.as_bytes())?,
        None => None,
    };
    let refused = match found {
        Some(found) if found == value.as_bytes() => return Ok(()),
        Some(found) => StoreError::Format { found: String::from_utf8_lossy(&found).into_owned() },
        // The format is written before anything else: if it is missing although the vault was used, rows were lost.
        None if migrated.rows == 0 && !has_events(options.folder)? => return Ok(()),
        None => {
            let message = "the database has no format entry: rows are missing";
            old_error(old, io::Error::new(io::ErrorKind::InvalidData, message)).into()
        }
    };
    abandon_migration(options);
    Err(refused)
}

/// Whether the vault was ever used.
fn has_events(folder: &Path) -> io::Result<bool> {
    for name in ["events.jsonl", "audit.jsonl"] {
        match fs::metadata(folder.join(name)) {
            Ok(file) if file.len() > 0 => return Ok(true),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(false)
}

/// The facts about a folder that a repair needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FolderState {
    /// Whether the folder has a journal, or should have one.
    pub(crate) has_journal: bool,
    /// Whether the marker is missing or damaged.
    pub(crate) lacks_marker: bool,
}

/// Examines a folder before a repair.
pub(crate) fn examine(folder: &Path) -> Result<FolderState, StoreError> {
    let found = read_marker(folder)?;
    let marker = if let Found::Marker(marker) = &found { Some(marker) } else { None };
    let is_open = work(folder, &refuser(folder), marker)? == Work::Open;
    Ok(FolderState {
        has_journal: is_open || found == Found::Damage || journal(folder).try_exists()?,
        // Without a marker, the next start repeats an interrupted migration from its beginning.
        lacks_marker: found == Found::Damage || found == Found::Nothing && is_open,
    })
}

/// The state of the marker file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Missing.
    Nothing,
    /// Damaged.
    Damage,
    /// Valid.
    Marker(Marker),
}

fn read_marker(folder: &Path) -> Result<Found, StoreError> {
    let Some(bytes) = read_if_there(&marker_path(folder))? else { return Ok(Found::Nothing) };
    match Marker::read(&bytes) {
        None => Ok(Found::Damage),
        Some(marker) if marker.format_version == FORMAT_VERSION => Ok(Found::Marker(marker)),
        Some(marker) => Err(StoreError::Format { found: marker.format_version.to_string() }),
    }
}

pub(super) fn write_marker(folder: &Path, unfinished: bool) -> io::Result<()> {
    let marker = Marker { format_version: FORMAT_VERSION, unfinished };
    write_whole(&marker_path(folder), &marker.encode()?, Access::Public)
}

fn journal(folder: &Path) -> PathBuf {
    folder.join("journal")
}

pub(crate) fn marker_path(folder: &Path) -> PathBuf {
    folder.join("mock-keyvault.json")
}

/// Reads the root key of the journal from its own file. A missing file is created only for a new journal.
pub(super) fn journal_key(folder: &Path, may_make: bool) -> io::Result<Zeroizing<[u8; 32]>> {
    let path = folder.join("journal.key");
    if let Some(bytes) = read_if_there(&path)?.map(Zeroizing::new) {
        let key: Option<&[u8; 32]> = bytes.as_array();
        let message = || format!("{} does not hold a key of 32 bytes", path.display());
        let key = key.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, message()))?;
        return Ok(Zeroizing::new(*key));
    }
    if !may_make {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{} is missing; without it the rows cannot be verified", path.display()),
        ));
    }
    let key = random::key()?;
    write_whole(&path, &*key, Access::Private)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(folder: &Path) -> Result<Rows, StoreError> {
        open(folder, &["rows"], Durability::Relaxed, Arc::new(DiskSpace::open(folder)))
    }

    /// Every content that differs from this one in one bit.
    fn with_flipped_bits(marker: &[u8]) -> impl Iterator<Item = Vec<u8>> + use<'_> {
        (0..marker.len() * 8).map(|bit| {
            let mut flipped = marker.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        })
    }

    /// A folder with one row, and its marker.
    fn filled() -> (tempfile::TempDir, Vec<u8>) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        let rows = opened(folder).unwrap();
        rows.transact(|view| {
            view.put(0, b"k", b"x");
            Ok::<_, io::Error>(())
        })
        .unwrap();
        drop(rows);
        let marker = fs::read(marker_path(folder)).unwrap();
        (temporary, marker)
    }

    #[test]
    fn a_missing_or_damaged_marker_is_written_again_and_reported() {
        let (temporary, whole) = filled();
        let folder = temporary.path();
        let newer = String::from_utf8(whole.clone()).unwrap().replace(":2", ":3").into_bytes();
        let harms: [Option<&[u8]>; 5] = [
            None,
            Some(b""),
            Some(b"{\"formatVersion\"\x00"),
            Some(&newer),
            Some(br#"{"formatVersion":3}"#),
        ];
        for harm in harms {
            match harm {
                Some(bytes) => fs::write(marker_path(folder), bytes).unwrap(),
                None => fs::remove_file(marker_path(folder)).unwrap(),
            }

            let rows = opened(folder).unwrap();

            assert_eq!(&*rows.get(0, b"k").unwrap().unwrap(), b"x");
            assert_eq!(fs::read(marker_path(folder)).unwrap(), whole);
            assert!(rows.notices().contains(&Notice::MarkerMissing { file: marker_path(folder) }));
        }
    }

    #[test]
    fn no_flipped_bit_of_the_marker_changes_the_format_or_makes_the_folder_new() {
        let (temporary, whole) = filled();
        let folder = temporary.path();
        let older = br#"{"formatVersion":2}"#;
        for flipped in with_flipped_bits(&whole).chain(with_flipped_bits(older)) {
            fs::write(marker_path(folder), &flipped).unwrap();

            let found = examine(folder).unwrap();

            assert_eq!(found, FolderState { has_journal: true, lacks_marker: true });
            let work = work(folder, &refuser(folder), None).unwrap();
            assert!(work == Work::Open, "{}", String::from_utf8_lossy(&flipped));
        }
    }

    #[test]
    fn a_journal_with_a_damaged_marker_is_not_replaced_by_a_database_in_the_same_folder() {
        let (temporary, _) = filled();
        let folder = temporary.path();
        fs::remove_dir_all(refuser(folder).database).unwrap();
        drop(sled::open(refuser(folder).database).unwrap());
        fs::write(marker_path(folder), "junk").unwrap();

        let rows = opened(folder).unwrap();

        assert_eq!(&*rows.get(0, b"k").unwrap().unwrap(), b"x");
    }

    #[test]
    fn a_damaged_marker_without_a_journal_is_refused_and_names_the_repair() {
        let (temporary, whole) = filled();
        let folder = temporary.path();
        fs::remove_dir_all(journal(folder)).unwrap();
        for flipped in with_flipped_bits(&whole) {
            fs::write(marker_path(folder), &flipped).unwrap();

            let message = opened(folder).unwrap_err().to_string();

            assert!(message.contains("mock-keyvault.json is damaged"), "{message}");
            let command = RepairCommand::new("mock-keyvault", folder);
            assert!(message.ends_with(&format!("run `{command}`")), "{message}");
        }
    }

    #[test]
    fn a_folder_of_a_newer_format_is_refused_by_a_start_and_by_a_repair() {
        let (temporary, _) = filled();
        let folder = temporary.path();
        let newer = Marker { format_version: 3, unfinished: false };
        fs::write(marker_path(folder), newer.encode().unwrap()).unwrap();

        assert!(opened(folder).unwrap_err().to_string().contains("has format 3"));
        assert!(examine(folder).unwrap_err().to_string().contains("has format 3"));
    }
}
