//! Uploads, blobs, manifests, tags and referrers, one after the other.

use std::io::Write;

use azure_emulator_core::disk_space::SimulatedDisk;

use super::support::{DATA_KEY, Manifest, REGISTRY, TestStore, manifest, object, text};
use crate::store::*;

const DAY: i64 = 86_400;

#[test]
fn a_published_blob_is_shown_only_in_its_repository() {
    let test = TestStore::with(Durability::Full);

    test.push_blob("app", "sha256:a", 5);

    let blob = test.store.blob(REGISTRY, "app", "sha256:a").unwrap().unwrap();
    assert_eq!(test.read(&blob), "sha256:a");
    assert_eq!(test.store.blob(REGISTRY, "other", "sha256:a").unwrap(), None);
    assert_eq!(test.store.blob("another", "app", "sha256:a").unwrap(), None);
    assert_eq!(test.store.uploads(REGISTRY).unwrap(), []);
    assert_eq!(test.files().len(), 1);
}

#[test]
fn acknowledged_writes_survive_a_kill() {
    let test = TestStore::with(Durability::Full);
    test.push_blob("app", "sha256:a", 5);
    assert_eq!(test.put("app", &manifest("sha256:m", &["sha256:a"])), Put::Stored);
    let (upload, _file) = test.upload("app", 6);

    let killed = test.killed();

    let blob = killed.store.blob(REGISTRY, "app", "sha256:a").unwrap().unwrap();
    assert_eq!(killed.read(&blob), "sha256:a");
    let row = killed.store.manifest(REGISTRY, "app", "sha256:m").unwrap().unwrap();
    assert_eq!(killed.read(&row.object), "sha256:m");
    assert_eq!(killed.store.uploads(REGISTRY).unwrap(), std::slice::from_ref(&upload));
    killed.store.read_upload(&upload).unwrap();
    assert_eq!(killed.store.orphans().unwrap(), []);
}

#[test]
fn a_kill_between_the_rename_and_the_row_leaves_an_upload_that_can_be_resumed() {
    let test = TestStore::new();
    let (upload, mut file) = test.upload("app", 5);
    file.write_all(b"half").unwrap();
    let published = test.store.layout.file(upload.file);
    fs_err::rename(test.store.layout.upload(upload.file), &published).unwrap();

    let killed = test.killed();

    let row = killed.store.upload(REGISTRY, &upload.id).unwrap().unwrap();
    assert_eq!(killed.store.read_upload(&row).unwrap().total_len().unwrap(), 4);
    assert_eq!(killed.store.orphans().unwrap(), []);
}

#[test]
fn a_kill_while_a_manifest_is_written_leaves_nothing() {
    let test = TestStore::new();
    let mut new = test.store.new_object().unwrap();
    new.write_all(b"half").unwrap();

    let killed = test.killed();

    assert!(killed.files().is_empty());
    assert_eq!(test.files().len(), 1);
    drop(new);
    assert!(test.files().is_empty());
}

#[test]
fn uploads_without_files_and_files_without_uploads_are_removed_at_the_opening() {
    let test = TestStore::new();
    let (upload, _file) = test.upload("app", 5);
    fs_err::remove_file(test.store.layout.upload(upload.file)).unwrap();
    fs_err::write(test.store.layout.upload(FileId::random()), "x").unwrap();

    let test = test.reopened();

    assert!(test.files().is_empty());
    assert_eq!(test.store.upload(REGISTRY, &upload.id).unwrap(), None);
    assert_eq!(test.store.stats(REGISTRY).unwrap().uploads, 0);
    assert!(!test.store.data_key_in_use(REGISTRY, DATA_KEY).unwrap());
}

#[test]
fn the_newest_push_of_a_digest_replaces_its_file_in_all_repositories() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 5);
    let first = test.store.blob(REGISTRY, "app", "sha256:a").unwrap().unwrap();

    test.push_blob("other", "sha256:a", 6);
    test.push_blob("app", "sha256:a", 7);

    let last = test.store.blob(REGISTRY, "other", "sha256:a").unwrap().unwrap();
    assert_ne!(last.file, first.file);
    assert_eq!((last.created, test.read(&last)), (first.created, "sha256:a".to_owned()));
    assert_eq!(test.store.blob(REGISTRY, "app", "sha256:a").unwrap(), Some(last.clone()));
    assert_eq!(test.files(), [last.file.to_string()]);
    assert!(!test.store.owns_file(first.file).unwrap());
    let stats = test.store.stats(REGISTRY).unwrap();
    assert_eq!((stats.blobs, stats.bytes, stats.uploads), (1, 8, 0));
}

#[test]
fn a_cancelled_upload_cannot_be_published_and_leaves_no_file() {
    let test = TestStore::new();
    let (upload, file) = test.upload("app", 5);
    assert!(test.store.remove_upload(REGISTRY, &upload.id).unwrap());
    assert!(!test.store.remove_upload(REGISTRY, &upload.id).unwrap());

    let object = object(upload.file, "x", 5);
    let result = test.store.publish_blob(REGISTRY, "app", "sha256:a", &upload.id, object, file);

    assert!(matches!(result, Err(StoreError::UnknownUpload)), "{result:?}");
    assert!(test.files().is_empty());
    assert!(matches!(test.store.read_upload(&upload), Err(StoreError::NotFound(_))));
}

#[test]
fn a_mount_needs_a_blob_and_keeps_it_after_the_first_repository_unlinks_it() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 5);

    assert!(!test.store.link_blob(REGISTRY, "other", "sha256:b", 6).unwrap());
    assert!(test.store.link_blob(REGISTRY, "other", "sha256:a", 6).unwrap());
    let unlinked = test.store.unlink_blob(REGISTRY, "app", "sha256:a").unwrap();

    assert_eq!(unlinked, Unlinked::Removed);
    assert_eq!(test.store.blob(REGISTRY, "app", "sha256:a").unwrap(), None);
    let blob = test.store.blob(REGISTRY, "other", "sha256:a").unwrap().unwrap();
    assert_eq!(test.read(&blob), "sha256:a");
    let unlinked = test.store.unlink_blob(REGISTRY, "other", "sha256:a").unwrap();
    assert_eq!(unlinked, Unlinked::Removed);
    assert!(matches!(test.store.open_object(blob.file), Err(StoreError::NotFound(_))));
    assert_eq!(test.store.stats(REGISTRY).unwrap(), Stats::default());
}

#[test]
fn a_reader_reads_on_after_the_blob_was_deleted() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 5);
    let blob = test.store.blob(REGISTRY, "app", "sha256:a").unwrap().unwrap();
    let reader = test.store.open_object(blob.file).unwrap();

    test.store.unlink_blob(REGISTRY, "app", "sha256:a").unwrap();

    assert_eq!(text(&reader), "sha256:a");
}

#[test]
fn a_manifest_is_refused_while_a_blob_or_child_is_missing() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 5);
    test.push_blob("other", "sha256:b", 5);
    let mut wanted = manifest("sha256:m", &["sha256:a", "sha256:b"]);
    wanted.children = vec!["sha256:child".to_owned()];

    let missing_blob = test.put("app", &wanted);
    test.store.link_blob(REGISTRY, "app", "sha256:b", 6).unwrap();
    let missing_child = test.put("app", &wanted);

    assert_eq!(missing_blob, Put::MissingBlobs(vec!["sha256:b".to_owned()]));
    assert_eq!(missing_child, Put::MissingManifests(vec!["sha256:child".to_owned()]));
    assert!(!test.store.repository_exists(REGISTRY, "app").unwrap());
    assert_eq!(test.files().len(), 2);
}

#[test]
fn a_referenced_blob_is_not_unlinked_until_its_last_manifest_goes() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 5);
    // The same blob twice in one manifest is one reference.
    test.put("app", &manifest("sha256:m", &["sha256:a", "sha256:a"]));
    test.put("app", &manifest("sha256:n", &["sha256:a"]));
    let unlink = || test.store.unlink_blob(REGISTRY, "app", "sha256:a").unwrap();
    let delete = |digest| test.store.delete_manifest(REGISTRY, "app", digest).unwrap();

    assert_eq!(unlink(), Unlinked::Referenced);
    assert_eq!(delete("sha256:m"), Deleted::Removed);
    assert_eq!(delete("sha256:m"), Deleted::Unknown);
    assert_eq!(unlink(), Unlinked::Referenced);
    assert_eq!(delete("sha256:n"), Deleted::Removed);
    assert_eq!(unlink(), Unlinked::Removed);
    assert_eq!(unlink(), Unlinked::Unknown);
    assert!(test.files().is_empty());
}

#[test]
fn the_same_manifest_again_sets_a_tag_and_counts_nothing_twice() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 5);
    let first = manifest("sha256:m", &["sha256:a"]);
    test.put("app", &first);

    test.put("app", &Manifest { tag: Some("v1".to_owned()), now: 9, ..first });

    assert_eq!(test.files().len(), 2);
    assert_eq!(test.store.tag_row(REGISTRY, "app", "v1").unwrap().unwrap().digest, "sha256:m");
    assert_eq!(test.store.manifest(REGISTRY, "app", "sha256:m").unwrap().unwrap().pushed, 0);
    let repository = test.store.repository(REGISTRY, "app").unwrap().unwrap();
    assert_eq!((repository.manifests, repository.tags, repository.updated), (1, 1, 9));
    let stats = test.store.stats(REGISTRY).unwrap();
    assert_eq!((stats.repositories, stats.manifests, stats.bytes), (1, 1, 16));
}

#[test]
fn tags_move_are_listed_in_pages_and_are_deleted_with_their_manifest() {
    let test = TestStore::new();
    for (digest, tag) in
        [("sha256:m", "b"), ("sha256:m", "a"), ("sha256:n", "B"), ("sha256:n", "b")]
    {
        test.put("app", &Manifest { tag: Some(tag.to_owned()), ..manifest(digest, &[]) });
    }
    test.put("app-2", &Manifest { tag: Some("z".to_owned()), ..manifest("sha256:m", &[]) });
    let tags = |after, limit| test.store.tags(REGISTRY, "app", after, limit).unwrap().unwrap();

    assert_eq!(tags(None, 10), ["B", "a", "b"]);
    assert_eq!(tags(None, 2), ["B", "a"]);
    assert_eq!(tags(Some("a"), 2), ["b"]);
    assert_eq!(tags(Some("0"), 1), ["B"]);
    assert!(tags(Some("b"), 1).is_empty());
    assert!(tags(None, 0).is_empty());
    assert_eq!(test.store.tags(REGISTRY, "ap", None, 1).unwrap(), None);
    assert_eq!(test.store.tags_of(REGISTRY, "app", "sha256:n").unwrap(), ["B", "b"]);

    assert_eq!(test.store.delete_tag(REGISTRY, "app", "a").unwrap(), Deleted::Removed);
    assert_eq!(test.store.delete_tag(REGISTRY, "app", "a").unwrap(), Deleted::Unknown);
    test.store.delete_manifest(REGISTRY, "app", "sha256:n").unwrap();
    assert!(tags(None, 10).is_empty());
    let repository = test.store.repository(REGISTRY, "app").unwrap().unwrap();
    assert_eq!((repository.manifests, repository.tags), (1, 0));
    assert_eq!(test.store.tag_row(REGISTRY, "app-2", "z").unwrap().unwrap().digest, "sha256:m");
}

#[test]
fn repositories_are_listed_in_pages_and_deleted_with_their_content() {
    let test = TestStore::new();
    for repository in ["b", "a/b", "a", "a-b"] {
        test.put(repository, &manifest("sha256:m", &[]));
    }
    let list = |after, limit| test.store.repositories(REGISTRY, after, limit).unwrap();

    assert_eq!(list(None, 10), ["a", "a-b", "a/b", "b"]);
    assert_eq!(list(Some("a"), 2), ["a-b", "a/b"]);
    test.put("a", &Manifest { tag: Some("v1".to_owned()), ..manifest("sha256:n", &[]) });
    let deleted = test.store.delete_repository(REGISTRY, "a").unwrap();
    let removed = DeletedRepository::Removed {
        manifests: vec!["sha256:m".to_owned(), "sha256:n".to_owned()],
        tags: vec!["v1".to_owned()],
    };
    assert_eq!(deleted, removed);
    assert_eq!(test.store.delete_repository(REGISTRY, "a").unwrap(), DeletedRepository::Unknown);
    assert_eq!(list(None, 10), ["a-b", "a/b", "b"]);
    assert!(test.store.tag_row(REGISTRY, "a", "v1").unwrap().is_none());
    assert_eq!(test.files().len(), 3);
    let stats = test.store.stats(REGISTRY).unwrap();
    assert_eq!((stats.repositories, stats.manifests), (3, 3));
}

#[test]
fn referrers_may_precede_and_outlive_their_subject() {
    let test = TestStore::new();
    let signature =
        Manifest { subject: Some("sha256:m".to_owned()), ..manifest("sha256:sig", &[]) };
    let referrers = || test.store.referrers(REGISTRY, "app", "sha256:m").unwrap();
    let expected = Referrer {
        digest: "sha256:sig".to_owned(),
        artifact_type: Some("application/x".to_owned()),
    };

    test.put("app", &signature);
    assert_eq!(referrers(), std::slice::from_ref(&expected));
    test.put("app", &manifest("sha256:m", &[]));
    test.store.delete_manifest(REGISTRY, "app", "sha256:m").unwrap();
    assert_eq!(referrers(), [expected]);
    test.store.delete_manifest(REGISTRY, "app", "sha256:sig").unwrap();
    assert_eq!(referrers(), []);
}

#[test]
fn collection_removes_only_unreferenced_and_old_content() {
    let test = TestStore::new();
    for (digest, now) in
        [("sha256:old", 0), ("sha256:used", 0), ("sha256:seen", 0), ("sha256:new", DAY)]
    {
        test.push_blob("app", digest, now);
    }
    test.put("app", &manifest("sha256:m", &["sha256:used"]));
    test.store.see_blob(REGISTRY, "app", "sha256:seen", DAY).unwrap();
    fs_err::write(test.store.layout.file(FileId::random()), "x").unwrap();
    let (expired, _) = test.upload("app", 0);
    let (live, _) = test.upload("app", 0);
    let (touched, _) = test.upload("app", 0);
    assert!(test.store.touch_upload(REGISTRY, &touched.id, DAY).unwrap());
    assert!(!test.store.touch_upload(REGISTRY, "unknown", DAY).unwrap());

    let rules = CollectRules {
        unreferenced_before: DAY,
        uploads_touched_before: DAY,
        is_live: &|id| id == live.id,
        is_recent: &|_, _| false,
        untagged: false,
        kept: &|_| (),
    };
    let mut calls = 0;
    let collected = test.store.collect(REGISTRY, rules, &mut |_| calls += 1).unwrap();

    let expected = Collected {
        uploads: 1,
        upload_bytes: collected.upload_bytes,
        links: 1,
        blobs: 1,
        bytes: 10,
        orphans: 1,
        manifests: 0,
    };
    assert_eq!(collected, expected);
    assert!(0 < calls);
    assert_eq!(test.store.upload(REGISTRY, &expired.id).unwrap(), None);
    for digest in ["sha256:used", "sha256:seen", "sha256:new"] {
        let blob = test.store.blob(REGISTRY, "app", digest).unwrap().unwrap();
        assert_eq!(test.read(&blob), digest);
    }
    // Three blobs, the manifest, two uploads.
    assert_eq!(test.files().len(), 6);
}

#[test]
fn collection_keeps_blobs_seen_in_the_last_real_seconds() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 0);
    test.push_blob("app", "sha256:b", 0);

    let rules = CollectRules {
        unreferenced_before: DAY,
        uploads_touched_before: DAY,
        is_live: &|_| false,
        is_recent: &|repository, digest| (repository, digest) == ("app", "sha256:a"),
        untagged: false,
        kept: &|_| (),
    };
    let collected = test.store.collect(REGISTRY, rules, &mut |_| ()).unwrap();

    assert_eq!((collected.links, collected.blobs), (1, 1));
    assert!(test.store.blob(REGISTRY, "app", "sha256:a").unwrap().is_some());
}

#[test]
fn more_than_one_batch_is_collected() {
    let test = TestStore::new();
    for i in 0..300 {
        test.push_blob("app", &format!("sha256:{i}"), 0);
    }

    let collected = test.collect(DAY);

    assert_eq!((collected.links, collected.blobs), (300, 300));
    assert!(test.files().is_empty());
    assert_eq!(test.store.stats(REGISTRY).unwrap(), Stats::default());
}

#[test]
fn a_media_type_that_is_too_long_is_refused_and_leaves_nothing() {
    let test = TestStore::new();
    let object = test.store.new_object().unwrap();
    let row = ManifestRow {
        object: super::support::object(object.id(), "x", 0),
        media_type: "x".repeat(5000),
        artifact_type: None,
        subject: None,
        pushed: 0,
        pushed_nanos: 0,
        attributes: Attributes::default(),
    };

    let new = NewManifest {
        digest: "sha256:m",
        row,
        tags: &[],
        blobs: &[],
        children: &[],
        sparse: false,
        condemned: None,
    };
    let result = test.store.put_manifest(REGISTRY, "app", new, object);

    assert!(matches!(result, Err(StoreError::RowTooLong { .. })), "{result:?}");
    assert!(test.files().is_empty());
    assert!(!test.store.repository_exists(REGISTRY, "app").unwrap());
}

#[test]
fn all_objects_are_walked_over_registry_by_registry() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 0);
    test.put("app", &manifest("sha256:m", &["sha256:a"]));

    let objects: Vec<_> = test.store.all_objects(REGISTRY).collect::<Result<_, _>>().unwrap();

    assert!(matches!(&objects[0], StoredObject::Blob { digest, .. } if digest == "sha256:a"));
    assert!(matches!(
        &objects[1],
        StoredObject::Manifest { repository, digest, .. }
            if repository == "app" && digest == "sha256:m"
    ));
    assert_eq!(objects.len(), 2);
    assert_eq!(test.store.all_objects("loc").count(), 0);
}

#[test]
fn a_full_disk_refuses_new_content_and_serves_reads_and_deletions_from_the_reserve() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 0);
    test.push_blob("app", "sha256:b", 0);
    let (upload, writer) = test.upload("app", 0);
    let simulate = |disk| test.store.disk_space().simulate(disk);
    let publish = |writer: ObjectWriter| {
        let object = object(upload.file, "sha256:c", 0);
        test.store.publish_blob(REGISTRY, "app", "sha256:c", &upload.id, object, writer)
    };

    simulate(SimulatedDisk::UsedUp);
    let too_full = test.store.unlink_blob(REGISTRY, "app", "sha256:a").map(drop);
    simulate(SimulatedDisk::Off);
    test.store.disk_space().refill();
    simulate(SimulatedDisk::Full);
    let refused = [
        too_full,
        test.store.link_blob(REGISTRY, "other", "sha256:a", 0).map(drop),
        test.store.new_object().map(drop),
        publish(writer),
    ];
    let read = test.store.blob(REGISTRY, "app", "sha256:a").unwrap();
    test.store.see_blob(REGISTRY, "app", "sha256:a", 1_000_000).unwrap();
    let deleted = test.store.unlink_blob(REGISTRY, "app", "sha256:b").unwrap();
    simulate(SimulatedDisk::Off);

    assert!(refused.iter().all(|refused| matches!(refused, Err(StoreError::DiskFull(_)))));
    assert!(read.is_some());
    assert_eq!(deleted, Unlinked::Removed);
    publish(test.store.resume_upload(&upload, 0).unwrap()).unwrap();
    assert!(test.store.link_blob(REGISTRY, "other", "sha256:a", 0).unwrap());
}
