//! Tests of small files in the journal, after a power cut that loses unsynced data.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::support::{DATA_KEY, REGISTRY, TestStore, digest, manifest, object};
use crate::store::objects::folder::MAX_CARRIED_LEN;
use crate::store::*;

/// A store with a small blob and a manifest, and their files relative to the data folder.
fn pushed() -> (TestStore, Vec<PathBuf>) {
    let test = TestStore::with(Durability::Full);
    test.push_blob("app", "sha256:a", 5);
    assert_eq!(test.put("app", &manifest("sha256:m", &["sha256:a"])), Put::Stored);
    let files = vec![relative(&test, blob(&test).file), relative(&test, image(&test).file)];
    (test, files)
}

fn blob(test: &TestStore) -> ObjectRow {
    test.blob("app", "sha256:a").unwrap()
}

fn image(test: &TestStore) -> ObjectRow {
    test.manifest("app", "sha256:m").unwrap().object
}

fn relative(test: &TestStore, file: FileId) -> PathBuf {
    test.store.layout.file(file).strip_prefix(test.path()).unwrap().to_owned()
}

/// Whether the bytes are in a segment of the journal.
fn journal_holds(folder: &Path, bytes: &[u8]) -> bool {
    fs_err::read_dir(folder.join("journal")).unwrap().any(|entry| {
        let content = fs_err::read(entry.unwrap().path()).unwrap();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[test]
fn small_files_that_a_power_cut_lost_are_restored() {
    let (test, files) = pushed();

    let after = test.powered_off(|folder| {
        for file in &files {
            fs_err::remove_file(folder.join(file)).unwrap();
        }
    });

    assert_eq!(after.read(&blob(&after)), "sha256:a");
    assert_eq!(after.read(&image(&after)), "sha256:m");
    assert_eq!(after.store.orphans().unwrap(), []);
    assert_eq!(after.files().len(), 2);
}

#[test]
fn small_files_that_a_power_cut_truncated_or_zeroed_are_restored() {
    let (test, files) = pushed();

    let after = test.powered_off(|folder| {
        fs_err::write(folder.join(&files[0]), "sha").unwrap();
        fs_err::write(folder.join(&files[1]), [0; 8]).unwrap();
    });

    assert_eq!(after.read(&blob(&after)), "sha256:a");
    assert_eq!(after.read(&image(&after)), "sha256:m");
}

#[test]
fn a_restored_file_can_be_lost_again_by_the_next_power_cut() {
    let (test, files) = pushed();
    let lose = |folder: &Path| fs_err::remove_file(folder.join(&files[0])).unwrap();

    let after = test.powered_off(lose).powered_off(lose);

    assert_eq!(after.read(&blob(&after)), "sha256:a");
}

#[test]
fn a_small_file_whose_rename_was_lost_is_published_and_its_old_name_is_removed() {
    let (test, files) = pushed();
    let id = blob(&test).file;

    let after = test.powered_off(|folder| {
        fs_err::rename(folder.join(&files[0]), folder.join("uploads").join(id.to_string()))
            .unwrap();
    });
    after.store.sweep_orphans().unwrap();

    assert_eq!(after.read(&blob(&after)), "sha256:a");
    assert_eq!(after.files().len(), 2);
}

#[test]
fn a_file_that_was_deleted_before_the_power_cut_is_not_restored() {
    let (test, _) = pushed();
    assert_eq!(test.delete_manifest("app", "sha256:m"), Deleted::Removed);
    assert_eq!(test.unlink_blob("app", "sha256:a"), Unlinked::Removed);

    let after = test.powered_off(|_| ());

    assert!(after.files().is_empty(), "{:?}", after.files());
}

#[test]
fn the_log_of_a_task_run_is_in_the_journal_too() {
    let test = TestStore::with(Durability::Full);
    let mut new = test.store.new_object().unwrap();
    new.write_all(b"log").unwrap();
    let run = NewTaskRun {
        name: None,
        status: "Succeeded".to_owned(),
        created: 1,
        finished: 1,
        ends: 9,
        digest: digest("sha256:log").to_string(),
        log: object(new.id(), "log", 1),
    };
    let row = test.store.add_task_run(&REGISTRY, &run, new).unwrap();
    let log = relative(&test, row.run.log.file);

    let after = test.powered_off(|folder| fs_err::remove_file(folder.join(&log)).unwrap());

    assert_eq!(after.read(&row.run.log), "log");
}

#[test]
fn only_files_up_to_the_limit_are_in_the_journal() {
    let test = TestStore::with(Durability::Full);
    let limit = usize::try_from(MAX_CARRIED_LEN).unwrap();
    let push = |name: &str, byte: u8, len: usize| {
        let (upload, mut file) = test.upload("app", 5);
        let content = vec![byte; len];
        file.write_all(&content).unwrap();
        let object = ObjectRow {
            file: upload.file,
            size: 1,
            data_key: DATA_KEY,
            created: 5,
            sealed_len: None,
        };
        test.publish("app", name, &upload, &object, file).unwrap();
        journal_holds(&test.path(), &content[..100])
    };

    assert!(push("sha256:a", 0xa1, limit));
    assert!(!push("sha256:b", 0xb2, limit + 1));
}
