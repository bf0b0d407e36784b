//! Tests of the ring of data keys: it is replaced as a whole, and always has the data keys in use.

use azure_emulator_core::disk_space::Purpose;

use super::support::{
    DATA_KEY, REGISTRY, TestStore, digest, id_of, manifest, registry, repository_of,
};
use crate::store::*;

/// A ring of the largest size that `keys/` makes.
fn ring(generation: u64, n_entries: u16) -> RingRow {
    let entries = (0..n_entries)
        .rev()
        .map(|i| {
            let mut id = [0; 16];
            id[..2].copy_from_slice(&i.to_be_bytes());
            (id, vec![u8::try_from(i % 251).unwrap(); 2048])
        })
        .chain([(DATA_KEY, vec![1])])
        .collect();
    RingRow { generation, head: vec![9; 2048], entries }
}

#[test]
fn a_ring_of_300_data_keys_is_read_back_in_its_order_after_a_kill() {
    let test = TestStore::with(Durability::Full);
    let large = ring(2, 300);

    assert!(test.store.replace_ring(&REGISTRY, Some(1), &large).unwrap());

    assert_eq!(test.store.ring(&REGISTRY).unwrap().unwrap(), large);
    assert_eq!(test.killed().store.ring(&REGISTRY).unwrap().unwrap(), large);
    assert_eq!(test.store.ring(&registry("another")).unwrap(), None);
}

#[test]
fn a_ring_of_another_generation_is_not_replaced() {
    let test = TestStore::new();

    assert!(!test.store.replace_ring(&REGISTRY, None, &ring(2, 1)).unwrap());
    assert!(!test.store.replace_ring(&REGISTRY, Some(7), &ring(8, 1)).unwrap());
    assert!(test.store.replace_ring(&REGISTRY, Some(1), &ring(2, 1)).unwrap());
    assert!(!test.store.replace_ring(&REGISTRY, Some(1), &ring(2, 2)).unwrap());

    assert_eq!(test.store.ring(&REGISTRY).unwrap().unwrap(), ring(2, 1));
}

#[test]
fn only_one_of_concurrent_ring_replacements_succeeds() {
    let test = TestStore::new();

    let n_winners = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|i| {
                scope.spawn({
                    let store = &test.store;
                    move || store.replace_ring(&REGISTRY, Some(1), &ring(2, i)).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|won| *won).count()
    });

    assert_eq!(n_winners, 1);
}

#[test]
fn a_data_key_that_is_in_use_stays_in_the_ring() {
    let test = TestStore::new();
    let without = RingRow { generation: 2, head: vec![], entries: vec![([1; 16], vec![])] };
    let (upload, _file) = test.upload("app", 0);

    let replaced = test.store.replace_ring(&REGISTRY, Some(1), &without);
    let removed = test.store.remove_unused_data_keys(&REGISTRY, 1, &[DATA_KEY]).unwrap();

    assert!(matches!(replaced, Err(StoreError::DataKeyInUse)), "{replaced:?}");
    assert_eq!(removed, Some(vec![]));
    assert_eq!(test.store.ring(&REGISTRY).unwrap().unwrap().generation, 1);
    test.store.remove_upload(&REGISTRY, id_of(&upload)).unwrap();
    assert!(test.store.replace_ring(&REGISTRY, Some(1), &without).unwrap());
}

#[test]
fn blobs_and_manifests_keep_their_data_key_until_the_last_is_deleted() {
    let test = TestStore::new();
    let in_use = || test.store.data_key_in_use(&REGISTRY, DATA_KEY).unwrap();
    assert!(!in_use());

    test.push_blob("app", "sha256:a", 0);
    test.put("app", &manifest("sha256:m", &["sha256:a"]));
    test.push_blob("app", "sha256:a", 0);
    assert!(in_use());
    test.delete_manifest("app", "sha256:m");
    assert!(in_use());
    test.unlink_blob("app", "sha256:a");

    assert!(!in_use());
    assert!(!test.store.data_key_in_use(&REGISTRY, [1; 16]).unwrap());
}

#[test]
fn nothing_new_is_sealed_under_a_retired_data_key() {
    let test = TestStore::new();
    assert!(test.store.replace_ring(&REGISTRY, Some(1), &ring(2, 1)).unwrap());
    assert_eq!(test.store.remove_unused_data_keys(&REGISTRY, 1, &[DATA_KEY]).unwrap(), None);
    let removed = test.store.remove_unused_data_keys(&REGISTRY, 2, &[DATA_KEY, [3; 16]]).unwrap();
    assert_eq!(removed, Some(vec![DATA_KEY]));
    assert_eq!(test.store.ring(&REGISTRY).unwrap().unwrap().generation, 3);

    let upload = UploadRow {
        id: "u".to_owned(),
        repository: "app".to_owned(),
        file: FileId::random(),
        data_key: DATA_KEY,
        algorithm: "sha256".to_owned(),
        started: 0,
        touched: 0,
    };
    let created = test.store.create_upload(&REGISTRY, &upload, usize::MAX);
    let file = test.store.new_object().unwrap();
    let row = ManifestRow {
        object: ObjectRow {
            file: file.id(),
            size: 1,
            data_key: DATA_KEY,
            created: 0,
            sealed_len: None,
        },
        media_type: "m".to_owned(),
        artifact_type: None,
        subject: None,
        pushed: 0,
        pushed_nanos: 0,
        attributes: Attributes::default(),
    };
    let new = NewManifest {
        digest: &digest("sha256:m"),
        row,
        tags: &[],
        blobs: &[],
        children: &[],
        sparse: false,
        condemned: None,
    };
    let put = test.store.put_manifest(&REGISTRY, &repository_of("app"), new, file);

    assert!(matches!(created, Err(StoreError::DataKeyRetired)), "{created:?}");
    assert!(matches!(put, Err(StoreError::DataKeyRetired)), "{put:?}");
    assert!(test.files().is_empty());
    assert_eq!(test.store.stats(&REGISTRY).unwrap(), Stats::default());
}

/// The mirror of the registry, as `repair` reads it.
fn mirror(store: &Store) -> RingMirror {
    let mut mirrors = store.ring_mirrors().unwrap();
    assert_eq!(mirrors.len(), 1);
    mirrors.pop().unwrap().unwrap()
}

#[test]
fn the_mirror_holds_the_ring_of_the_rows_after_each_change() {
    let test = TestStore::with(Durability::Full);

    assert!(test.store.replace_ring(&REGISTRY, Some(1), &ring(2, 3)).unwrap());
    assert_eq!(mirror(&test.store).rings, [ring(2, 3)]);
    let unused: Vec<[u8; 16]> = ring(2, 3).entries.iter().map(|(id, _)| *id).take(1).collect();
    test.store.remove_unused_data_keys(&REGISTRY, 2, &unused).unwrap().unwrap();
    assert_eq!(mirror(&test.store).rings, [test.store.ring(&REGISTRY).unwrap().unwrap()]);
    test.store.begin_registry_again(&REGISTRY, &ring(9, 1), &End::Nothing).unwrap();
    assert_eq!(mirror(&test.store).rings, [ring(9, 1)]);

    let mode = std::os::unix::fs::MetadataExt::mode(
        &fs_err::metadata(test.path().join("rings/local.ring")).unwrap(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn before_a_ring_is_committed_the_mirror_has_the_new_and_the_old_ring() {
    let test = TestStore::new();
    let old = test.store.ring(&REGISTRY).unwrap();
    let mirror_at_commit = {
        let writer = test.store.database.writer().unwrap();
        test.store
            .mirror_new_ring(&writer, &REGISTRY, &ring(2, 1), old.clone(), Purpose::Rows)
            .unwrap();
        mirror(&test.store)
    };

    assert_eq!(mirror_at_commit.rings, [ring(2, 1), old.clone().unwrap()]);
    // The commit did not happen: the rows have the old ring, and the mirror keeps both.
    test.store.trim_mirror(&REGISTRY, 2);
    assert_eq!(mirror(&test.store), mirror_at_commit);
    test.store.mirror_rings().unwrap();
    assert_eq!(mirror(&test.store).rings, [old.unwrap()]);
}

#[test]
fn a_missing_mirror_is_written_and_a_damaged_one_stays_until_the_rows_are_checked() {
    let test = TestStore::new();
    let path = test.path().join("rings/local.ring");

    fs_err::remove_file(&path).unwrap();
    test.store.mirror_missing_rings().unwrap();
    let whole = fs_err::read(&path).unwrap();
    fs_err::write(&path, &whole[1..]).unwrap();
    test.store.mirror_missing_rings().unwrap();
    let damaged = test.store.ring_mirrors().unwrap().pop().unwrap().unwrap_err();
    test.store.mirror_rings().unwrap();

    assert_eq!(damaged.path, path);
    assert_eq!(fs_err::read(&path).unwrap(), whole);
}
