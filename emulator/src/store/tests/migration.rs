//! Tests of folders of format 1: a real one is migrated, even after a kill at any step, or it is refused and stays as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use azure_emulator_core::durable::marker::Marker;
use azure_emulator_core::durable::{Notice, SledFolder};
use fs_err as fs;

use super::support::copy;
use crate::store::tables::Table;
use crate::store::*;

type Rows = Vec<(u8, Vec<u8>, Vec<u8>)>;

/// The folder of format 1.
fn unpacked() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data");
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/folders/format-1.tar.gz");
    let archive = flate2::read::GzDecoder::new(fs::File::open(archive).unwrap());
    tar::Archive::new(archive).unpack(&path).unwrap();
    (root, path)
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, Durability::Full)
}

/// The rows of format 1, read directly.
fn old_rows(path: &Path) -> Rows {
    let copy = path.with_extension("reading");
    let folder = SledFolder::open(&path.join("rows"), &copy, Table::NAMES).unwrap();
    let mut rows = Vec::new();
    let each = |tree, key: &[u8], value: &[u8]| {
        rows.push((tree, key.to_vec(), value.to_vec()));
        Ok::<_, std::io::Error>(())
    };
    folder.each_row(each).unwrap();
    rows
}

fn rows(store: &Store) -> Rows {
    let mut rows = Vec::new();
    for table in Table::ALL {
        for row in store.database.scan(table, &[]) {
            let (key, value) = row.unwrap();
            rows.push((table as u8, key.to_vec(), value.to_vec()));
        }
    }
    rows
}

fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !["lock", "reserve", "reserve.audit"].iter().any(|name| path.ends_with(name)) {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

#[test]
fn every_row_is_migrated_and_the_old_rows_stay_and_a_notice_says_so() {
    let (_root, path) = unpacked();
    let (expected, before) = (old_rows(&path), files(&path.join("rows")));

    let store = open(&path).unwrap();

    assert!(expected.len() > 100);
    assert!(rows(&store) == expected);
    assert!(files(&path.join("rows")) == before);
    let notices = store.database.journal().notices();
    assert!(notices.contains(&Notice::Migrated { kept: path.join("rows") }), "{notices:?}");
    // A program of format 1 refuses any other number in this field.
    let marker = fs::read(path.join("sealyard.json")).unwrap();
    assert_eq!(Marker::read(&marker), Some(Marker { format_version: 2, unfinished: false }));
}

#[test]
fn the_old_rows_are_deleted_by_the_first_clean_stop_after_files_without_a_row_are_in_quarantine() {
    let (_root, path) = unpacked();
    let expected = old_rows(&path);
    let orphan = "00112233445566778899aabbccddeeff";
    fs::create_dir_all(path.join("files/00")).unwrap();
    fs::write(path.join("files/00").join(orphan), "sealed").unwrap();
    let store = open(&path).unwrap();
    drop(store);
    assert!(path.join("rows").exists(), "the files were not checked");

    let store = open(&path).unwrap();
    assert_eq!(store.sweep_orphans().unwrap(), 1);
    drop(store);

    assert!(!path.join("rows").exists());
    assert_eq!(fs::read(path.join("quarantine").join(orphan)).unwrap(), b"sealed");
    let store = open(&path).unwrap();
    assert!(rows(&store) == expected);
    assert_eq!(store.database.journal().notices(), []);
}

#[test]
fn a_migration_killed_at_any_step_is_completed_by_the_next_start() {
    let (root, path) = unpacked();
    let expected = old_rows(&path);
    let migrated = root.path().join("migrated");
    let store = open(&path).unwrap();
    copy(&path, &migrated);
    drop(store);
    let old_marker = r#"{"formatVersion":1}"#;
    let cut = |at: &Path| {
        for path in files(at).into_keys() {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }
    };
    let steps: [&dyn Fn(&Path); 6] = [
        &|at| {
            fs::remove_dir_all(at.join("journal")).unwrap();
            fs::remove_dir_all(at.join("index")).unwrap();
            fs::create_dir(at.join("rows.reading")).unwrap();
            fs::write(at.join("rows.reading/db"), "half").unwrap();
        },
        &|at| {
            fs::remove_dir_all(at.join("index")).unwrap();
            fs::rename(at.join("journal"), at.join("journal.new")).unwrap();
            cut(&at.join("journal.new"));
        },
        &|at| {
            fs::remove_dir_all(at.join("index")).unwrap();
            fs::remove_file(at.join("journal/loss")).unwrap();
        },
        &|at| {
            fs::remove_dir_all(at.join("index")).unwrap();
            cut(&at.join("journal"));
        },
        &|at| cut(&at.join("index")),
        &|_| {},
    ];
    for (step, prepare) in steps.iter().enumerate() {
        let at = root.path().join(step.to_string());
        copy(&migrated, &at);
        fs::write(at.join("sealyard.json"), old_marker).unwrap();
        prepare(&at);

        let store = open(&at).unwrap();

        assert!(rows(&store) == expected, "step {step}");
        assert!(!at.join("rows.reading").exists() && !at.join("journal.new").exists());
        assert!(store.database.integrity().has_loss().unwrap());
    }
}

#[test]
fn missing_or_damaged_rows_are_refused_with_a_message_and_nothing_changes() {
    type Damage<'a> = &'a dyn Fn(&Path);
    let damages: [(Damage<'_>, &str); 6] = [
        (&|at| fs::remove_dir_all(at.join("rows")).unwrap(), "not found"),
        (&|at| fs::remove_file(at.join("rows/db")).unwrap(), "No such file"),
        (&|at| fs::write(at.join("rows/db"), "").unwrap(), "damaged"),
        (
            &|at| {
                // Without a snapshot an empty database looks like a new one.
                fs::remove_dir_all(at.join("rows")).unwrap();
                fs::create_dir(at.join("rows")).unwrap();
                fs::write(at.join("rows/db"), "").unwrap();
                fs::write(at.join("rows/conf"), "").unwrap();
            },
            "it holds no rows",
        ),
        (
            &|at| {
                // The first page: it is older than the snapshot.
                let mut bytes = fs::read(at.join("rows/db")).unwrap();
                let first = bytes.windows(5).position(|window| window == b"local").unwrap();
                bytes[first] ^= 1;
                fs::write(at.join("rows/db"), bytes).unwrap();
            },
            "damaged",
        ),
        // The migration began and a file blocks it.
        (&|at| fs::write(at.join("journal.new"), "a file").unwrap(), "journal.new"),
    ];
    for (damage, expected) in damages {
        let (_root, path) = unpacked();
        damage(&path);
        let before = files(&path);

        let error = open(&path).unwrap_err().to_string();

        assert!(error.contains("cannot be migrated to format 2"), "{error}");
        assert!(error.contains(expected) && error.contains("nothing was changed"), "{error}");
        assert!(files(&path) == before, "{error}");
    }
}

#[test]
fn an_interrupted_first_start_of_format_1_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sealyard.json"), r#"{"formatVersion":1}"#).unwrap();

    let store = open(folder.path()).unwrap();

    assert_eq!(rows(&store), []);
}

#[test]
fn a_folder_of_format_1_with_a_damaged_marker_is_migrated_and_a_notice_says_so() {
    let (_root, path) = unpacked();
    let expected = old_rows(&path);
    fs::write(path.join("sealyard.json"), r#"{"formatVersion":3}"#).unwrap();
    let repair = RowsRepair::examine(&path).unwrap_err();
    assert!(matches!(repair, StoreError::OldFormat { .. }), "{repair}");

    let store = open(&path).unwrap();

    assert!(rows(&store) == expected);
    let notices = store.database.journal().notices();
    let file = path.join("sealyard.json");
    assert!(notices.contains(&Notice::MarkerMissing { file }), "{notices:?}");
}
