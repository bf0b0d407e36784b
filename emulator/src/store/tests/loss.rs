//! Tests that everything a repair needs stays while rows may be lost: mirrors of rings, data keys, and files without rows.

use std::io::Write as _;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::support::{DATA_KEY, Manifest, REGISTRY, TestStore, manifest, object, registry};
use crate::names::RegistryName;
use crate::store::*;

const LOST_KEY: [u8; 16] = [5; 16];

fn ring(generation: u64, ids: &[[u8; 16]]) -> RingRow {
    let entries = ids.iter().map(|id| (*id, id.to_vec())).collect();
    RingRow { generation, head: vec![9], entries }
}

/// Writes the mirror of a registry as an earlier run left it.
fn write_mirror(test: &TestStore, registry: &str, rings: Vec<RingRow>) {
    let mirror = RingMirror { registry: registry.to_owned(), record: None, rings };
    let path = test.path().join(format!("rings/{registry}.ring"));
    fs_err::write(path, mirror.encode().unwrap()).unwrap();
}

fn mirrored(test: &TestStore) -> Vec<(String, Vec<RingRow>)> {
    let mirrors = test.store.ring_mirrors().unwrap().into_iter().map(Result::unwrap);
    mirrors.map(|mirror| (mirror.registry, mirror.rings)).collect()
}

/// Writes the record of a start that lost rows.
fn lose_rows(test: &TestStore) {
    fs_err::write(test.path().join("journal/loss"), "").unwrap();
}

fn put_into_quarantine(test: &TestStore) -> std::path::PathBuf {
    let quarantine = test.path().join("quarantine");
    fs_err::create_dir_all(&quarantine).unwrap();
    let path = quarantine.join(FileId::random().to_string());
    fs_err::write(&path, "sealed").unwrap();
    path
}

#[test]
fn the_mirror_of_a_lost_registry_stays_until_nothing_is_in_quarantine() {
    let test = TestStore::new();
    let lost = ("team1".to_owned(), vec![ring(4, &[LOST_KEY])]);
    write_mirror(&test, "team1", lost.1.clone());
    lose_rows(&test);
    let orphan = FileId::random();
    let at = test.path().join(format!("files/{}/{orphan}", &orphan.to_string()[..2]));
    fs_err::write(at, "sealed").unwrap();

    test.store.mirror_rings().unwrap();
    test.store.remove_mirror(&registry("team1")).unwrap();
    assert!(mirrored(&test).contains(&lost), "rows may be lost");
    assert_eq!(test.store.sweep_orphans().unwrap(), 1);
    let test = test.reopened();
    test.store.mirror_rings().unwrap();
    assert!(mirrored(&test).contains(&lost), "a file is in quarantine");

    assert_eq!(test.store.quarantined().unwrap(), [orphan]);
    test.store.leave_quarantine(orphan).unwrap();
    test.store.mirror_rings().unwrap();
    assert!(!mirrored(&test).contains(&lost));
}

#[test]
fn rows_of_a_registry_without_a_valid_name_do_not_stop_the_mirrors_of_the_others() {
    let test = TestStore::new();
    for invalid in ["a name!", "Local"] {
        test.store.add_rows_of(invalid);
    }
    let path = test.path().join("rings/local.ring");
    let whole = fs_err::read(&path).unwrap();

    fs_err::remove_file(&path).unwrap();
    let test = test.reopened();
    test.store.mirror_missing_rings().unwrap();
    assert_eq!(fs_err::read(&path).unwrap(), whole);
    fs_err::remove_file(&path).unwrap();
    test.store.mirror_rings().unwrap();
    assert_eq!(fs_err::read(&path).unwrap(), whole);
    fs_err::write(&path, "damaged").unwrap();
    test.store.replace_damaged_mirrors().unwrap();
    assert_eq!(fs_err::read(&path).unwrap(), whole);

    let names: Vec<String> = mirrored(&test).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [RegistryName::LOCAL]);
    assert!(test.store.leaving().unwrap().is_empty());
}

#[test]
fn a_mirror_damaged_together_with_rows_is_rebuilt_and_intact_mirrors_stay() {
    let test = TestStore::new();
    let path = test.path().join("rings/local.ring");
    let whole = fs_err::read(&path).unwrap();
    let lost = ("team1".to_owned(), vec![ring(4, &[LOST_KEY])]);
    write_mirror(&test, "team1", lost.1.clone());
    fs_err::write(&path, &whole[..whole.len() - 1]).unwrap();
    lose_rows(&test);

    test.store.mirror_rings().unwrap();
    test.store.sweep_orphans().unwrap();

    assert_eq!(fs_err::read(&path).unwrap(), whole);
    let damaged = test.path().join("rings/local.ring.damaged");
    assert_eq!(fs_err::read(damaged).unwrap(), whole[..whole.len() - 1]);
    assert!(mirrored(&test).contains(&lost));
}

#[test]
fn a_mirror_replaced_while_rows_may_be_lost_keeps_the_data_keys_of_the_lost_ring() {
    let test = TestStore::new();
    let (lost, new) = (ring(4, &[LOST_KEY, DATA_KEY]), ring(2, &[DATA_KEY]));
    write_mirror(&test, RegistryName::LOCAL, vec![lost.clone()]);
    lose_rows(&test);

    test.store.mirror_rings().unwrap();
    assert_eq!(mirrored(&test)[0].1, std::slice::from_ref(&lost));
    assert!(test.store.replace_ring(&REGISTRY, Some(1), &new).unwrap());

    assert_eq!(mirrored(&test)[0].1, [new, lost]);
}

#[test]
fn a_mirror_is_not_replaced_when_the_rows_cannot_be_written() {
    let test = TestStore::new();
    let rings = vec![ring(4, &[LOST_KEY, DATA_KEY])];
    test.store.database.journal().simulate_index_failure();
    assert!(test.try_put("app", &manifest("sha256:m", &[])).is_err());
    write_mirror(&test, RegistryName::LOCAL, rings.clone());

    assert!(test.store.replace_ring(&REGISTRY, Some(1), &ring(2, &[DATA_KEY])).is_err());

    assert_eq!(mirrored(&test)[0].1, rings);
}

#[test]
fn a_data_key_that_no_row_uses_stays_while_rows_may_be_lost_and_while_a_file_is_in_quarantine() {
    let test = TestStore::new();
    assert!(test.store.replace_ring(&REGISTRY, Some(1), &ring(2, &[LOST_KEY, DATA_KEY])).unwrap());
    let retire = || test.store.remove_unused_data_keys(&REGISTRY, 2, &[LOST_KEY]).unwrap().unwrap();

    lose_rows(&test);
    assert!(retire().is_empty(), "rows may be lost");
    fs_err::remove_file(test.path().join("journal/loss")).unwrap();
    let file = put_into_quarantine(&test);
    assert!(retire().is_empty(), "a file is in quarantine");
    fs_err::remove_file(file).unwrap();
    assert_eq!(retire(), [LOST_KEY]);
}

#[test]
fn complete_mirrors_are_checked_without_the_right_to_write() {
    let test = TestStore::new();
    let (send, done) = mpsc::channel();

    let ended = thread::scope(|scope| {
        let writer = test.store.database.writer().unwrap();
        let store = &test.store;
        scope.spawn(move || send.send(store.mirror_missing_rings().is_ok()));
        let ended = done.recv_timeout(Duration::from_secs(10));
        drop(writer);
        ended
    });

    assert_eq!(ended, Ok(true));
}

#[test]
fn a_blob_whose_row_is_only_in_the_journal_is_intact_after_a_restart() {
    let test = TestStore::new();
    let (upload, mut file) = test.upload("app", 1);
    file.write_all(b"sha256:a").unwrap();
    let blob = object(upload.file, "sha256:a", 1);

    test.store.database.journal().simulate_index_failure();
    let failed = test.publish("app", "sha256:a", &upload, &blob, file);
    let test = test.reopened();

    assert!(failed.is_err());
    let blob = test.blob("app", "sha256:a").unwrap();
    assert_eq!(test.read(&blob), "sha256:a");
    assert_eq!(test.store.sweep_orphans().unwrap(), 0);
}

#[test]
fn a_manifest_whose_row_is_only_in_the_journal_is_intact_after_a_restart() {
    let test = TestStore::new();
    let new = Manifest { tag: Some("v1".to_owned()), ..manifest("sha256:m", &[]) };

    test.store.database.journal().simulate_index_failure();
    let failed = test.try_put("app", &new);
    let test = test.reopened();

    assert!(failed.is_err());
    let row = test.manifest("app", "sha256:m").unwrap();
    assert_eq!(test.read(&row.object), "sha256:m");
    assert_eq!(test.store.sweep_orphans().unwrap(), 0);
}
