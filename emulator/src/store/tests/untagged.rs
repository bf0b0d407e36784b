//! Tests of the collection of untagged manifests, with and without concurrent pushes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::support::{
    Manifest, REGISTRY, TestStore, digest, label, labels, manifest, repository_of,
};
use crate::names::{Digest, RepositoryName};
use crate::store::*;

/// Collects with `--untagged` everything that was pushed before `before` and is not recent.
fn collect(
    test: &TestStore,
    before: i64,
    is_recent: &dyn Fn(&RepositoryName, &Digest) -> bool,
) -> (Collected, usize) {
    let kept = std::cell::Cell::new(0);
    let rules = CollectRules {
        unreferenced_before: before,
        uploads_touched_before: before,
        is_live: &|_| true,
        is_recent,
        untagged: true,
        on_retained: &|what| {
            if matches!(what, Retained::Manifest { .. }) {
                kept.set(kept.get() + 1);
            }
        },
    };
    let collected = test.store.collect(&REGISTRY, rules, &mut |_| ()).unwrap();
    (collected, kept.get())
}

fn put(test: &TestStore, digest: &str, more: Manifest) {
    let new = Manifest { digest: digest.to_owned(), ..more };
    assert_eq!(test.put("app", &new), Put::Stored, "{digest}");
}

fn children(of: &[&str]) -> Manifest {
    Manifest {
        children: of.iter().map(|child| (*child).to_owned()).collect(),
        ..Manifest::default()
    }
}

fn referrer(of: &str) -> Manifest {
    Manifest { subject: Some(of.to_owned()), ..Manifest::default() }
}

fn tagged(tag: &str, more: Manifest) -> Manifest {
    Manifest { tag: Some(tag.to_owned()), ..more }
}

fn left(test: &TestStore) -> Vec<String> {
    let rows = test.store.manifests(&REGISTRY, &repository_of("app"), None, usize::MAX).unwrap();
    rows.iter().map(|(digest, _)| label(digest)).collect()
}

fn lock(test: &TestStore, of: Lockable<'_>) {
    let change = |attributes: &mut Attributes| attributes.write = false;
    assert!(test.store.change_attributes(&REGISTRY, &repository_of("app"), of, change).unwrap());
}

#[test]
fn manifests_that_a_tag_reaches_stay_and_others_are_removed_with_their_blobs() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:layer", 0);
    test.push_blob("app", "sha256:shared", 0);
    for digest in ["a-child", "b-inner", "c-single", "d-of-old", "e-shared"] {
        put(&test, digest, Manifest::default());
    }
    put(&test, "f-layered", manifest("", &["sha256:layer", "sha256:shared"]));
    put(&test, "g-image", tagged("image", manifest("", &["sha256:shared"])));
    put(&test, "h-nested", children(&["b-inner"]));
    put(&test, "i-index", tagged("index", children(&["a-child", "h-nested", "e-shared"])));
    put(&test, "j-old-index", children(&["d-of-old", "e-shared"]));
    put(&test, "k-signature", referrer("a-child"));
    put(&test, "l-of-signature", referrer("k-signature"));
    put(&test, "m-of-single", referrer("c-single"));
    put(&test, "n-of-nothing", referrer("sha256:never"));

    let (collected, kept) = collect(&test, 1, &|_, _| false);

    let expected = ["a-child", "b-inner", "e-shared", "g-image", "h-nested", "i-index"];
    let signatures = ["k-signature", "l-of-signature"];
    assert_eq!(left(&test), [&expected[..], &signatures].concat());
    assert_eq!((collected.manifests, collected.links, collected.blobs, kept), (6, 1, 1, 0));
    let stats = test.store.stats(&REGISTRY).unwrap();
    assert_eq!((stats.manifests, stats.blobs), (8, 1));
    assert_eq!(test.files().len(), 9);
    assert_eq!(
        collect(&test, 1, &|_, _| false).0,
        Collected::default(),
        "a second collection removes nothing"
    );
}

#[test]
fn locked_young_and_recent_manifests_stay_with_all_that_they_reach() {
    let test = TestStore::new();
    for digest in ["a", "b", "c", "d"] {
        put(&test, digest, Manifest::default());
    }
    put(&test, "locked", children(&["a"]));
    lock(&test, Lockable::Manifest(&digest("locked")));
    put(&test, "young", Manifest { now: 10, ..children(&["b"]) });
    put(&test, "recent", children(&["c"]));

    let (collected, kept) = collect(&test, 10, &|_, image| label(image) == "recent");

    assert_eq!(left(&test), ["a", "b", "c", "locked", "recent", "young"]);
    assert_eq!((collected.manifests, kept), (1, 4));
    let (collected, kept) = collect(&test, 11, &|_, _| false);
    assert_eq!(left(&test), ["a", "locked"]);
    assert_eq!((collected.manifests, kept), (4, 0));
}

#[test]
fn a_locked_repository_loses_no_manifest() {
    let test = TestStore::new();
    put(&test, "a", Manifest::default());
    lock(&test, Lockable::Repository);

    let (collected, _) = collect(&test, i64::MAX, &|_, _| false);

    assert_eq!((collected.manifests, left(&test).len()), (0, 1));
}

#[test]
fn a_manifest_that_refers_to_its_own_index_keeps_neither() {
    let test = TestStore::new();
    put(&test, "child", referrer("index"));
    put(&test, "index", children(&["child"]));

    let (collected, _) = collect(&test, i64::MAX, &|_, _| false);

    assert_eq!((collected.manifests, left(&test).len()), (2, 0));
}

#[test]
fn an_index_without_child_rows_keeps_its_children_once_they_are_recorded() {
    let test = TestStore::new();
    put(&test, "child", Manifest::default());
    put(&test, "index", tagged("v1", Manifest::default()));
    let (app, index, gone) = (repository_of("app"), digest("index"), digest("gone"));
    let lists = |index| test.store.lists_children(&REGISTRY, &app, index).unwrap();
    assert!(!lists(&index));

    let listed = [digest("child")];
    test.store.note_children(&REGISTRY, &app, &index, &listed).unwrap();
    test.store.note_children(&REGISTRY, &app, &gone, &listed).unwrap();
    collect(&test, i64::MAX, &|_, _| false);

    assert!(lists(&index));
    assert_eq!(left(&test), ["child", "index"]);
    assert!(!lists(&gone));
}

#[test]
fn a_push_during_the_collection_succeeds_or_gets_the_missing_manifests() {
    let test = TestStore::new();
    let is_done = AtomicBool::new(false);

    let stored: u32 = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                collect(&test, i64::MAX, &|_, _| false);
            }
        });
        let pushers: Vec<_> = (0..3)
            .map(|thread| {
                let test = &test;
                scope.spawn(move || (0..40).map(|_| push_tagged_index(test, thread)).sum::<u32>())
            })
            .collect();
        let results: Vec<_> = pushers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_done.store(true, Ordering::Relaxed);
        results.into_iter().map(|result| result.expect("a pusher failed")).sum()
    });

    assert!(0 < stored);
    collect(&test, i64::MAX, &|_, _| false);
    assert_eq!(test.files().len(), test.store.all_objects(&REGISTRY).count());
}

/// Pushes a blob, an image by digest and a tagged index of it, checks that all of them exist, and deletes the tag. Returns
/// how many indexes were stored.
fn push_tagged_index(test: &TestStore, thread: u64) -> u32 {
    let (image, index, tag) =
        (format!("image{thread}"), format!("index{thread}"), format!("v{thread}"));
    let blob = format!("sha256:blob{thread}");
    test.push_blob("app", &blob, 0);
    if test.put("app", &manifest(&image, &[&blob])) != Put::Stored {
        return 0;
    }
    let new = Manifest { digest: index.clone(), ..tagged(&tag, children(&[&image])) };
    match test.put("app", &new) {
        Put::Stored => {
            for digest in [&index, &image] {
                let row = test.manifest("app", digest).unwrap();
                assert_eq!(test.read(&row.object), *digest);
            }
            let object = test.blob("app", &blob).unwrap();
            assert_eq!(test.read(&object), blob);
            assert_eq!(test.delete_tag("app", &tag), Deleted::Removed);
            1
        }
        Put::MissingManifests(missing) => {
            assert_eq!(labels(&missing), [image]);
            0
        }
        other => panic!("{other:?}"),
    }
}
