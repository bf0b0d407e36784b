//! Threads that push and delete and collect the same content at the same time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::support::{Manifest, REGISTRY, TestStore, digest, manifest, repository_of, text};
use crate::store::*;

const N_ROUNDS: i64 = 60;

#[test]
fn a_push_during_a_collection_keeps_its_blobs_or_gets_the_missing_ones() {
    let test = TestStore::new();
    let is_done = AtomicBool::new(false);
    let n_stored = AtomicU64::new(0);

    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                collect_all_but_uploads(&test);
            }
        });
        let pushers: Vec<_> = (0..3)
            .map(|thread| {
                let (test, n_stored) = (&test, &n_stored);
                scope.spawn(move || push_rounds(test, thread, n_stored))
            })
            .collect();
        let results: Vec<_> = pushers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_done.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok), "a pusher failed");
    });

    assert!(0 < n_stored.load(Ordering::Relaxed));
    test.collect(i64::MAX);
    let referenced = test.store.all_objects(&REGISTRY).count();
    assert_eq!(test.files().len(), referenced);
}

/// Treats everything unreferenced as old, the hardest case for a push. Its uploads are live.
fn collect_all_but_uploads(test: &TestStore) {
    let rules = CollectRules {
        unreferenced_before: i64::MAX,
        uploads_touched_before: i64::MAX,
        is_live: &|_| true,
        is_recent: &|_, _| false,
        untagged: false,
        on_retained: &|_| (),
    };
    test.store.collect(&REGISTRY, rules, &mut |_| ()).unwrap();
}

/// Pushes a manifest over two blobs that all threads share, checks that it has them, and deletes it again.
fn push_rounds(test: &TestStore, thread: u64, n_stored: &AtomicU64) {
    for round in 0..N_ROUNDS {
        let label = format!("sha256:m{thread}");
        let blobs = ["sha256:a", "sha256:b"];
        for blob in blobs {
            test.push_blob("app", blob, round);
        }
        match test.put("app", &manifest(&label, &blobs)) {
            Put::Stored => {
                n_stored.fetch_add(1, Ordering::Relaxed);
                for blob in blobs {
                    assert_eq!(read_newest(test, blob), blob);
                }
                let deleted = test.delete_manifest("app", &label);
                assert_eq!(deleted, Deleted::Removed);
            }
            Put::MissingBlobs(missing) => assert!(!missing.is_empty()),
            other @ (Put::MissingManifests(_) | Put::Locked(_)) => panic!("{other:?}"),
        }
    }
}

/// Another push can replace the file between the two reads: then the row is read again.
fn read_newest(test: &TestStore, blob: &str) -> String {
    loop {
        let object = test.blob("app", blob).unwrap();
        match test.store.open_object(object.file) {
            Ok(reader) => return text(&reader),
            Err(StoreError::NotFound(_)) if !test.store.owns_file(object.file).unwrap() => (),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn concurrent_pushes_of_one_digest_store_one_file() {
    let test = TestStore::new();

    thread::scope(|scope| {
        for i in 0..8 {
            let test = &test;
            scope.spawn(move || {
                test.push_blob(&format!("app{}", i % 2), "sha256:a", 0);
                let tag = Some(format!("v{i}"));
                test.put("app0", &Manifest { tag, ..manifest("sha256:m", &[]) });
            });
        }
    });

    assert_eq!(test.files().len(), 2);
    assert_eq!(
        test.store.tags_of(&REGISTRY, &repository_of("app0"), &digest("sha256:m")).unwrap().len(),
        8
    );
    let stats = test.store.stats(&REGISTRY).unwrap();
    assert_eq!((stats.blobs, stats.manifests, stats.uploads), (1, 1, 0));
}

#[test]
fn a_file_before_its_publication_is_not_an_orphan() {
    let test = TestStore::new();
    let new = test.store.new_object().unwrap();
    let published = test.store.layout.file(new.id());
    fs_err::write(&published, "placed, but without a row").unwrap();

    assert_eq!(test.store.sweep_orphans().unwrap(), 0);
    drop(new);
    assert_eq!(test.store.sweep_orphans().unwrap(), 1);

    assert!(!published.exists());
}
