//! Opening: whose folder is it, is it free, and small files beside the rows.

use std::os::unix::fs::PermissionsExt;

use super::support::{REGISTRY, TestStore};
use crate::store::*;

#[test]
fn a_folder_that_is_in_use_is_refused_and_names_the_process() {
    let test = TestStore::new();

    let error = Store::open(&test.path(), Durability::Relaxed).unwrap_err();

    assert!(matches!(error, StoreError::InUse { pid: Some(pid), .. } if pid == std::process::id()));
    let words = error.to_string();
    assert!(words.contains(&format!("in use by process {}", std::process::id())), "{words}");
}

#[test]
fn a_folder_with_something_else_in_it_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("thesis.tex"), "x").unwrap();

    let error = Store::open(folder.path(), Durability::Relaxed).unwrap_err();

    assert!(matches!(error, StoreError::ForeignFolder { .. }));
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_of_another_format_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("sealyard.json"), r#"{"formatVersion":3}"#).unwrap();

    let error = Store::open(folder.path(), Durability::Relaxed).unwrap_err();

    assert!(matches!(error, StoreError::FormatVersion { found: 3, supported: 2, .. }));
    assert!(error.to_string().contains("format version 3"), "{error}");
}

#[test]
fn a_missing_or_damaged_marker_is_written_again_and_said() {
    let harms: [Option<&[u8]>; 3] = [None, Some(b""), Some(b"{\"formatVersion\"\x00")];
    for harm in harms {
        let test = TestStore::new();
        test.push_blob("app", "sha256:a", 0);
        let path = test.path();
        let marker = path.join("sealyard.json");
        let whole = fs_err::read(&marker).unwrap();
        let folder = test.closed();
        match harm {
            Some(bytes) => fs_err::write(&marker, bytes).unwrap(),
            None => fs_err::remove_file(&marker).unwrap(),
        }

        let store = Store::open(&path, Durability::Relaxed).unwrap();

        assert!(store.blob(REGISTRY, "app", "sha256:a").unwrap().is_some());
        assert_eq!(fs_err::read(&marker).unwrap(), whole);
        assert!(store.notices().iter().any(|notice| notice.contains("sealyard.json was missing")));
        drop((store, folder));
    }
}

#[test]
fn a_folder_whose_making_was_cut_short_is_completed() {
    for made in [&["lock"][..], &["lock", "sealyard.json.replacement"]] {
        let folder = tempfile::tempdir().unwrap();
        for name in made {
            fs_err::write(folder.path().join(name), "").unwrap();
        }

        let store = Store::open(folder.path(), Durability::Full).unwrap();

        assert_eq!(store.stats(REGISTRY).unwrap(), Stats::default());
        assert_eq!(fs_err::read_dir(folder.path().join("files")).unwrap().count(), 256);
    }
}

#[test]
fn the_folder_is_private_and_opens_again_after_it_was_closed() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 0);
    let mode = |path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    let blob = test.store.blob(REGISTRY, "app", "sha256:a").unwrap().unwrap();

    assert_eq!(mode(test.path()), 0o700);
    assert_eq!(mode(test.store.layout.file(blob.file)), 0o600);
    let test = test.reopened();

    assert_eq!(test.store.blob(REGISTRY, "app", "sha256:a").unwrap(), Some(blob));
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
        assert_eq!(wrong.parse::<FileId>(), Err(InvalidFileId), "{wrong}");
    }
}
