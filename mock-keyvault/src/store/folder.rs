//! The format of a vault's data folder: which one it has, and the way from format 1 to the present one.
//!
//! Format 1 was a sled database in `vaults/`. Now the rows are in `journal/`, and `vaults/` is a [`Refuser`]. The migration makes the
//! journal and the index, then puts the refuser in place of the old database, then writes the marker. After a kill before the refuser
//! is in place, the next start does all of it again; after that, it goes on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::StoreError;
use crate::durable::key::RowsKey;
use crate::durable::repair::RepairCommand;
use crate::durable::{
    Durability, Notice, OpenOptions, Refuser, Rows, give_up_migration, make_dir_durably, migrate,
    old_error,
};
use crate::files::{Access, read_if_there, write_whole};
use crate::random;
use crate::room::Room;

/// The present format.
pub(super) const FORMAT_VERSION: u64 = 2;

/// What the database of format 1 says about its format: tree, key, value.
const OLD_FORMAT: (&str, &str, &str) = ("settings", "format", "1");

/// What `mock-keyvault.json` says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    format_version: u64,
    /// Set while the folder is being made: its journal may not be there yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unfinished: bool,
}

/// What is to be done with a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// To make it.
    New,
    /// To migrate it from format 1.
    Migrate,
    /// To open it.
    Open,
}

/// Opens the rows in this data folder, or makes them.
pub(super) fn open(
    folder: &Path,
    trees: &'static [&'static str],
    durability: Durability,
    room: Arc<Room>,
) -> Result<Rows, StoreError> {
    make_dir_durably(folder)?;
    let refuser = refuser(folder);
    let marker = read_marker(folder)?;
    let work = work(&refuser, marker.as_ref())?;
    if work == Work::New && marker.is_none() {
        write_marker(folder, true)?;
    }
    let repair = RepairCommand::of("mock-keyvault", folder).to_string();
    let options = OpenOptions {
        folder,
        trees,
        key: Arc::new(RowsKey::from_root(&journal_key(folder, work != Work::Open)?)),
        durability,
        room,
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
            give_up_migration(&options);
        }
    })?;
    // The rows are there: from now on no older program may begin others. What somebody put there later stays as it is.
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

fn work(refuser: &Refuser<'_>, marker: Option<&Marker>) -> io::Result<Work> {
    Ok(match marker {
        Some(marker) if marker.unfinished => Work::New,
        Some(_) => Work::Open,
        // It came after the journal: only the marker is missing.
        None if refuser.is_there() || refuser.kept.try_exists()? => Work::Open,
        None if refuser.database.try_exists()? => Work::Migrate,
        None => Work::New,
    })
}

/// Makes the journal from the database of format 1.
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
        // It is written before anything else: without it, and with something done, the rows were lost.
        None if migrated.rows == 0 && !has_events(options.folder)? => return Ok(()),
        None => {
            let words = "the database says no format: rows are missing";
            old_error(old, io::Error::new(io::ErrorKind::InvalidData, words)).into()
        }
    };
    give_up_migration(options);
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

/// Whether the folder says that there is a journal in it.
pub(super) fn is_initialised(folder: &Path) -> bool {
    let marker = read_marker(folder).ok().flatten();
    work(&refuser(folder), marker.as_ref()).is_ok_and(|work| work == Work::Open)
}

fn read_marker(folder: &Path) -> Result<Option<Marker>, StoreError> {
    let path = marker_path(folder);
    let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
    let marker: Marker = match serde_json::from_slice(&bytes) {
        Ok(marker) => marker,
        // The journal says better than this file whether the folder is a vault's.
        Err(_) if folder.join("journal").is_dir() => return Ok(None),
        Err(error) => return Err(StoreError::Damaged(format!("{}: {error}", path.display()))),
    };
    if marker.format_version != FORMAT_VERSION {
        return Err(StoreError::Format { found: marker.format_version.to_string() });
    }
    Ok(Some(marker))
}

fn write_marker(folder: &Path, unfinished: bool) -> io::Result<()> {
    let marker = Marker { format_version: FORMAT_VERSION, unfinished };
    write_whole(&marker_path(folder), &serde_json::to_vec(&marker)?, Access::Public)
}

fn marker_path(folder: &Path) -> PathBuf {
    folder.join("mock-keyvault.json")
}

/// The root of the key of the journal, from a file of its own. A missing one is made for a new journal only.
pub(super) fn journal_key(folder: &Path, may_make: bool) -> io::Result<Zeroizing<[u8; 32]>> {
    let path = folder.join("journal.key");
    if let Some(bytes) = read_if_there(&path)?.map(Zeroizing::new) {
        let key: Option<&[u8; 32]> = bytes.as_array();
        let words = || format!("{} does not hold a key of 32 bytes", path.display());
        let key = key.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, words()))?;
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

    #[test]
    fn a_missing_or_damaged_marker_is_written_again_and_said() {
        let harms: [Option<&[u8]>; 3] = [None, Some(b""), Some(b"{\"formatVersion\"\x00")];
        for harm in harms {
            let temporary = tempfile::tempdir().unwrap();
            let folder = temporary.path();
            let opened =
                || open(folder, &["rows"], Durability::Relaxed, Arc::new(Room::open(folder)));
            let rows = opened().unwrap();
            rows.transact(|view| {
                view.put(0, b"k", b"x");
                Ok::<_, io::Error>(())
            })
            .unwrap();
            drop(rows);
            let whole = fs::read(marker_path(folder)).unwrap();
            match harm {
                Some(bytes) => fs::write(marker_path(folder), bytes).unwrap(),
                None => fs::remove_file(marker_path(folder)).unwrap(),
            }

            let rows = opened().unwrap();

            assert_eq!(&*rows.get(0, b"k").unwrap().unwrap(), b"x");
            assert_eq!(fs::read(marker_path(folder)).unwrap(), whole);
            assert!(rows.notices().contains(&Notice::MarkerMissing { file: marker_path(folder) }));
        }
    }
}
