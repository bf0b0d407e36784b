//! Tests of opening a folder: its owner, its lock, and the small files in it.

use std::os::unix::fs::PermissionsExt;

use azure_emulator_core::durable::Notice;
use azure_emulator_core::durable::marker::Marker;
use azure_emulator_core::durable::repair::RepairCommand;

use super::support::{REGISTRY, TestStore};
use crate::store::marker::{Found, read_marker};
use crate::store::*;

#[test]
fn a_folder_that_is_in_use_is_refused_and_names_the_process() {
    let test = TestStore::new();

    let error = Store::open(&test.path(), Durability::Relaxed).unwrap_err();

    assert!(matches!(error, StoreError::InUse { pid: Some(pid), .. } if pid == std::process::id()));
    let message = error.to_string();
    assert!(message.contains(&format!("in use by process {}", std::process::id())), "{message}");
}

#[test]
fn a_folder_with_other_files_is_refused_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("thesis.tex"), "x").unwrap();

    let error = Store::open(folder.path(), Durability::Relaxed).unwrap_err();

    assert!(matches!(error, StoreError::ForeignFolder { .. }));
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_of_another_format_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let newer = Marker { format_version: 3, unfinished: false }.encode().unwrap();
    fs_err::write(folder.path().join("sealyard.json"), newer).unwrap();

    let error = Store::open(folder.path(), Durability::Relaxed).unwrap_err();

    assert!(matches!(error, StoreError::FormatVersion { found: 3, supported: 2, .. }));
    assert!(error.to_string().contains("format version 3"), "{error}");
    let repair = RowsRepair::examine(folder.path()).unwrap_err();
    assert!(matches!(repair, StoreError::FormatVersion { .. }));
}

/// Every content that differs from this one in one bit.
fn with_flipped_bits(marker: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..marker.len() * 8).map(|bit| {
        let mut flipped = marker.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

#[test]
fn a_missing_or_damaged_marker_is_written_again_and_reported() {
    let mut test = TestStore::new();
    test.push_blob("app", "sha256:a", 0);
    let path = test.path();
    let marker = path.join("sealyard.json");
    let whole = fs_err::read(&marker).unwrap();
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
            Some(bytes) => fs_err::write(&marker, bytes).unwrap(),
            None => fs_err::remove_file(&marker).unwrap(),
        }

        test = test.reopened();

        let store = &test.store;
        assert!(test.blob("app", "sha256:a").is_some());
        assert_eq!(fs_err::read(&marker).unwrap(), whole);
        let notices = store.database.journal().notices();
        let is_named = |notice: &Notice| notice.to_string().contains("sealyard.json was missing");
        assert!(notices.iter().any(is_named), "{notices:?}");
    }
}

#[test]
fn no_flipped_bit_of_the_marker_makes_the_folder_new_or_changes_its_format() {
    let test = TestStore::new();
    let whole = fs_err::read(test.path().join("sealyard.json")).unwrap();
    let right = Found::Assumed(Marker { format_version: 2, unfinished: false });
    let older = br#"{"formatVersion":2}"#;
    for flipped in with_flipped_bits(&whole).chain(with_flipped_bits(older)) {
        fs_err::write(test.path().join("sealyard.json"), &flipped).unwrap();

        let found = read_marker(&test.store.layout).unwrap();

        assert_eq!(found, right, "{}", String::from_utf8_lossy(&flipped));
    }
}

#[test]
fn a_damaged_marker_without_a_journal_is_refused_and_the_named_command_repairs_it() {
    let test = TestStore::new();
    let path = test.path();
    let marker = path.join("sealyard.json");
    let whole = fs_err::read(&marker).unwrap();
    let folder = test.closed();
    fs_err::remove_dir_all(path.join("journal")).unwrap();
    for flipped in with_flipped_bits(&whole) {
        fs_err::write(&marker, &flipped).unwrap();

        let message = Store::open(&path, Durability::Relaxed).unwrap_err().to_string();

        assert!(message.contains("sealyard.json is damaged"), "{message}");
        let command = RepairCommand::new("sealyard", &path);
        assert!(message.ends_with(&format!("run `{command}`")), "{message}");
    }
    let repair = RowsRepair::examine(&path).unwrap();
    assert_eq!(repair.marker(), Some(marker.clone()));
    assert_ne!(fs_err::read(&marker).unwrap(), whole, "an examination changes nothing");
    assert!(repair.apply("damaged-1", &[]).unwrap().is_some());
    assert_eq!(fs_err::read(&marker).unwrap(), whole);
    drop(Store::open(&path, Durability::Relaxed).unwrap());
    drop(folder);
}

#[test]
fn rows_that_were_migrated_are_not_migrated_again_when_marker_and_journal_are_lost() {
    let test = TestStore::new();
    let path = test.path();
    let folder = test.closed();
    fs_err::remove_file(path.join("sealyard.json")).unwrap();
    fs_err::remove_dir_all(path.join("journal")).unwrap();
    // The rows that a migration keeps until the first clean stop.
    fs_err::create_dir(path.join("rows")).unwrap();

    let refused = Store::open(&path, Durability::Relaxed).unwrap_err();

    let command = RepairCommand::new("sealyard", &path);
    assert!(refused.to_string().ends_with(&format!("run `{command}`")), "{refused}");
    drop(folder);
}

#[test]
fn a_refused_folder_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("sealyard.json");
    fs_err::write(&marker, "of something else").unwrap();

    Store::open(folder.path(), Durability::Full).unwrap_err();

    let entries = fs_err::read_dir(folder.path()).unwrap();
    assert_eq!(entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>(), [marker]);
}

#[test]
fn a_repair_of_whole_rows_writes_a_damaged_marker_again_and_nothing_else() {
    let test = TestStore::new();
    let path = test.path();
    let marker = path.join("sealyard.json");
    let whole = fs_err::read(&marker).unwrap();
    let folder = test.closed();
    fs_err::write(&marker, br#"{"formatVersion":3}"#).unwrap();

    let applied = RowsRepair::examine(&path).unwrap().apply("damaged-1", &[]).unwrap();

    assert_eq!(applied, None);
    assert_eq!(fs_err::read(&marker).unwrap(), whole);
    let store = Store::open(&path, Durability::Relaxed).unwrap();
    assert_eq!(store.database.journal().notices(), []);
    assert!(store.database.integrity().are_complete());
    drop((store, folder));
}

#[test]
fn an_incomplete_new_folder_is_completed() {
    for made in [&["lock"][..], &["lock", "sealyard.json.replacement"]] {
        let folder = tempfile::tempdir().unwrap();
        for name in made {
            fs_err::write(folder.path().join(name), "").unwrap();
        }

        let store = Store::open(folder.path(), Durability::Full).unwrap();

        assert_eq!(store.stats(&REGISTRY).unwrap(), Stats::default());
        assert_eq!(fs_err::read_dir(folder.path().join("files")).unwrap().count(), 256);
    }
}

#[test]
fn the_folder_is_private_and_opens_again_after_it_was_closed() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 0);
    let mode = |path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    let blob = test.blob("app", "sha256:a").unwrap();

    assert_eq!(mode(test.path()), 0o700);
    assert_eq!(mode(test.store.layout.file(blob.file)), 0o600);
    let test = test.reopened();

    assert_eq!(test.blob("app", "sha256:a"), Some(blob));
}

#[test]
fn small_files_are_replaced_as_a_whole() {
    let test = TestStore::with(Durability::Full);
    assert_eq!(test.store.read_settings("settings.json").unwrap(), None);
    assert!(test.store.read_secret_file("other.key").unwrap().is_none());

    test.store.write_settings("settings.json", b"{}").unwrap();
    test.store.write_secret_file("other.key", &[1; 32]).unwrap();
    test.store.write_secret_file("other.key", &[2; 32]).unwrap();

    let test = test.reopened();
    assert_eq!(test.store.read_settings("settings.json").unwrap().unwrap(), b"{}");
    assert_eq!(*test.store.read_secret_file("other.key").unwrap().unwrap(), [2; 32]);
    let mode = fs_err::metadata(test.path().join("other.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(test.store.audit_folder().is_dir());
}

#[test]
fn a_file_id_is_32_lower_case_hexadecimal_digits() {
    let id = FileId::random();
    assert_eq!(id.to_string().parse(), Ok(id));
    let upper = "A".repeat(32);
    for wrong in [
        "",
        "ab",
        "zz000000000000000000000000000000",
        upper.as_str(),
        "../../../../../../../../etc/pass",
    ] {
        assert_eq!(wrong.parse::<FileId>(), Err(file_id::InvalidFileId), "{wrong}");
    }
}
