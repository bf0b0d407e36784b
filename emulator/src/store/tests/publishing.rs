//! Uploads, blobs, manifests, tags and referrers, one after the other.

use std::io::Write;

use azure_emulator_core::disk_space::SimulatedDisk;

use super::support::{
    DATA_KEY, Manifest, REGISTRY, TestStore, digest, id_of, manifest, object, registry,
    repository_of, tag, text, texts,
};
use crate::names::UploadId;
use crate::store::encoding::prefix;
use crate::store::tables::Table;
use crate::store::*;

const DAY: i64 = 86_400;

#[test]
fn a_published_blob_is_shown_only_in_its_repository() {
    let test = TestStore::with(Durability::Full);

    test.push_blob("app", "sha256:a", 5);

    let blob = test.blob("app", "sha256:a").unwrap();
    assert_eq!(test.read(&blob), "sha256:a");
    assert_eq!(test.blob("other", "sha256:a"), None);
    let of_another =
        test.store.blob(&registry("another"), &repository_of("app"), &digest("sha256:a"));
    assert_eq!(of_another.unwrap(), None);
    assert_eq!(test.store.uploads(&REGISTRY).unwrap(), []);
    assert_eq!(test.files().len(), 1);
}

#[test]
fn acknowledged_writes_survive_a_kill() {
    let test = TestStore::with(Durability::Full);
    test.push_blob("app", "sha256:a", 5);
    assert_eq!(test.put("app", &manifest("sha256:m", &["sha256:a"])), Put::Stored);
    let (upload, _file) = test.upload("app", 6);

    let killed = test.killed();

    let blob = killed.blob("app", "sha256:a").unwrap();
    assert_eq!(killed.read(&blob), "sha256:a");
    let row = killed.manifest("app", "sha256:m").unwrap();
    assert_eq!(killed.read(&row.object), "sha256:m");
    assert_eq!(killed.store.uploads(&REGISTRY).unwrap(), std::slice::from_ref(&upload));
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

    let row = killed.store.upload(&REGISTRY, id_of(&upload)).unwrap().unwrap();
    assert_eq!(killed.store.read_upload(&row).unwrap().object_len().unwrap(), 4);
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
    assert_eq!(test.store.upload(&REGISTRY, id_of(&upload)).unwrap(), None);
    assert_eq!(test.store.stats(&REGISTRY).unwrap().uploads, 0);
    assert!(!test.store.data_key_in_use(&REGISTRY, DATA_KEY).unwrap());
}

#[test]
fn the_newest_push_of_a_digest_replaces_its_file_in_all_repositories() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 5);
    let first = test.blob("app", "sha256:a").unwrap();

    test.push_blob("other", "sha256:a", 6);
    test.push_blob("app", "sha256:a", 7);

    let last = test.blob("other", "sha256:a").unwrap();
    assert_ne!(last.file, first.file);
    assert_eq!((last.created, test.read(&last)), (first.created, "sha256:a".to_owned()));
    assert_eq!(test.blob("app", "sha256:a"), Some(last.clone()));
    assert_eq!(test.files(), [last.file.to_string()]);
    assert!(!test.store.owns_file(first.file).unwrap());
    let stats = test.store.stats(&REGISTRY).unwrap();
    assert_eq!((stats.blobs, stats.bytes, stats.uploads), (1, 8, 0));
}

#[test]
fn a_cancelled_upload_cannot_be_published_and_leaves_no_file() {
    let test = TestStore::new();
    let (upload, file) = test.upload("app", 5);
    assert!(test.store.remove_upload(&REGISTRY, id_of(&upload)).unwrap());
    assert!(!test.store.remove_upload(&REGISTRY, id_of(&upload)).unwrap());

    let object = object(upload.file, "x", 5);
    let result = test.publish("app", "sha256:a", &upload, &object, file);

    assert!(matches!(result, Err(StoreError::UnknownUpload)), "{result:?}");
    assert!(test.files().is_empty());
    assert!(matches!(test.store.read_upload(&upload), Err(StoreError::NotFound(_))));
}

#[test]
fn a_mount_needs_a_blob_and_keeps_it_after_the_first_repository_unlinks_it() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 5);

    assert!(!test.link_blob("other", "sha256:b", 6));
    assert!(test.link_blob("other", "sha256:a", 6));
    let unlinked = test.unlink_blob("app", "sha256:a");

    assert_eq!(unlinked, Unlinked::Removed);
    assert_eq!(test.blob("app", "sha256:a"), None);
    let blob = test.blob("other", "sha256:a").unwrap();
    assert_eq!(test.read(&blob), "sha256:a");
    let unlinked = test.unlink_blob("other", "sha256:a");
    assert_eq!(unlinked, Unlinked::Removed);
    assert!(matches!(test.store.open_object(blob.file), Err(StoreError::NotFound(_))));
    assert_eq!(test.store.stats(&REGISTRY).unwrap(), Stats::default());
}

#[test]
fn a_reader_reads_on_after_the_blob_was_deleted() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 5);
    let blob = test.blob("app", "sha256:a").unwrap();
    let reader = test.store.open_object(blob.file).unwrap();

    test.unlink_blob("app", "sha256:a");

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
    test.link_blob("app", "sha256:b", 6);
    let missing_child = test.put("app", &wanted);

    assert_eq!(missing_blob, Put::MissingBlobs(vec![digest("sha256:b")]));
    assert_eq!(missing_child, Put::MissingManifests(vec![digest("sha256:child")]));
    assert!(!test.store.repository_exists(&REGISTRY, &repository_of("app")).unwrap());
    assert_eq!(test.files().len(), 2);
}

#[test]
fn a_referenced_blob_is_not_unlinked_until_its_last_manifest_goes() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 5);
    // The same blob twice in one manifest is one reference.
    test.put("app", &manifest("sha256:m", &["sha256:a", "sha256:a"]));
    test.put("app", &manifest("sha256:n", &["sha256:a"]));
    let unlink = || test.unlink_blob("app", "sha256:a");
    let delete = |digest| test.delete_manifest("app", digest);

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
    assert_eq!(test.tagged("app", "v1").unwrap(), "sha256:m");
    assert_eq!(test.manifest("app", "sha256:m").unwrap().pushed, 0);
    let repository = test.repository("app").unwrap();
    assert_eq!((repository.manifests, repository.tags, repository.updated), (1, 1, 9));
    let stats = test.store.stats(&REGISTRY).unwrap();
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
    let app = repository_of("app");
    let tags =
        |after, limit| texts(&test.store.tags(&REGISTRY, &app, after, limit).unwrap().unwrap());

    assert_eq!(tags(None, 10), ["B", "a", "b"]);
    assert_eq!(tags(None, 2), ["B", "a"]);
    assert_eq!(tags(Some("a"), 2), ["b"]);
    assert_eq!(tags(Some("0"), 1), ["B"]);
    assert!(tags(Some("b"), 1).is_empty());
    assert!(tags(None, 0).is_empty());
    assert_eq!(test.store.tags(&REGISTRY, &repository_of("ap"), None, 1).unwrap(), None);
    let of_n = test.store.tags_of(&REGISTRY, &app, &digest("sha256:n")).unwrap();
    assert_eq!(texts(&of_n), ["B", "b"]);

    assert_eq!(test.delete_tag("app", "a"), Deleted::Removed);
    assert_eq!(test.delete_tag("app", "a"), Deleted::Unknown);
    test.delete_manifest("app", "sha256:n");
    assert!(tags(None, 10).is_empty());
    let repository = test.repository("app").unwrap();
    assert_eq!((repository.manifests, repository.tags), (1, 0));
    assert_eq!(test.tagged("app-2", "z").unwrap(), "sha256:m");
}

#[test]
fn repositories_are_listed_in_pages_and_deleted_with_their_content() {
    let test = TestStore::new();
    for repository in ["b", "a/b", "a", "a-b"] {
        test.put(repository, &manifest("sha256:m", &[]));
    }
    let list = |after, limit| texts(&test.store.repositories(&REGISTRY, after, limit).unwrap());

    assert_eq!(list(None, 10), ["a", "a-b", "a/b", "b"]);
    assert_eq!(list(Some("a"), 2), ["a-b", "a/b"]);
    test.put("a", &Manifest { tag: Some("v1".to_owned()), ..manifest("sha256:n", &[]) });
    let deleted = test.delete_repository("a");
    let removed = DeletedRepository::Removed {
        manifests: vec![digest("sha256:m"), digest("sha256:n")],
        tags: vec![tag("v1")],
    };
    assert_eq!(deleted, removed);
    assert_eq!(test.delete_repository("a"), DeletedRepository::Unknown);
    assert_eq!(list(None, 10), ["a-b", "a/b", "b"]);
    assert!(test.tagged("a", "v1").is_none());
    assert_eq!(test.files().len(), 3);
    let stats = test.store.stats(&REGISTRY).unwrap();
    assert_eq!((stats.repositories, stats.manifests), (3, 3));
}

#[test]
fn referrers_may_precede_and_outlive_their_subject() {
    let test = TestStore::new();
    let signature =
        Manifest { subject: Some("sha256:m".to_owned()), ..manifest("sha256:sig", &[]) };
    let referrers =
        || test.store.referrers(&REGISTRY, &repository_of("app"), &digest("sha256:m")).unwrap();
    let expected = rows::Referrer {
        digest: digest("sha256:sig"),
        artifact_type: Some("application/x".to_owned()),
    };

    test.put("app", &signature);
    assert_eq!(referrers(), std::slice::from_ref(&expected));
    test.put("app", &manifest("sha256:m", &[]));
    test.delete_manifest("app", "sha256:m");
    assert_eq!(referrers(), [expected]);
    test.delete_manifest("app", "sha256:sig");
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
    test.see_blob("app", "sha256:seen", DAY);
    fs_err::write(test.store.layout.file(FileId::random()), "x").unwrap();
    let (expired, _) = test.upload("app", 0);
    let (live, _) = test.upload("app", 0);
    let (touched, _) = test.upload("app", 0);
    assert!(test.store.touch_upload(&REGISTRY, id_of(&touched), DAY).unwrap());
    assert!(!test.store.touch_upload(&REGISTRY, UploadId::random(), DAY).unwrap());

    let rules = CollectRules {
        unreferenced_before: DAY,
        uploads_touched_before: DAY,
        is_live: &|row| row.id == live.id,
        is_recent: &|_, _| false,
        untagged: false,
        on_retained: &|_| (),
    };
    let mut calls = 0;
    let collected = test.store.collect(&REGISTRY, rules, &mut |_| calls += 1).unwrap();

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
    assert_eq!(test.store.upload(&REGISTRY, id_of(&expired)).unwrap(), None);
    for digest in ["sha256:used", "sha256:seen", "sha256:new"] {
        let blob = test.blob("app", digest).unwrap();
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
    let (app, recent) = (repository_of("app"), digest("sha256:a"));

    let rules = CollectRules {
        unreferenced_before: DAY,
        uploads_touched_before: DAY,
        is_live: &|_| false,
        is_recent: &|repository, blob| *repository == app && *blob == recent,
        untagged: false,
        on_retained: &|_| (),
    };
    let collected = test.store.collect(&REGISTRY, rules, &mut |_| ()).unwrap();

    assert_eq!((collected.links, collected.blobs), (1, 1));
    assert!(test.blob("app", "sha256:a").is_some());
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
    assert_eq!(test.store.stats(&REGISTRY).unwrap(), Stats::default());
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
        digest: &digest("sha256:m"),
        row,
        tags: &[],
        blobs: &[],
        children: &[],
        sparse: false,
        condemned: None,
    };
    let result = test.store.put_manifest(&REGISTRY, &repository_of("app"), new, object);

    assert!(matches!(result, Err(StoreError::RowTooLong { .. })), "{result:?}");
    assert!(test.files().is_empty());
    assert!(!test.store.repository_exists(&REGISTRY, &repository_of("app")).unwrap());
}

#[test]
fn all_objects_are_walked_over_registry_by_registry() {
    let test = TestStore::new();
    test.push_blob("app", "sha256:a", 0);
    test.put("app", &manifest("sha256:m", &["sha256:a"]));

    let objects: Vec<_> = test.store.all_objects(&REGISTRY).collect::<Result<_, _>>().unwrap();

    let (blob, image) = (digest("sha256:a"), digest("sha256:m"));
    assert!(matches!(&objects[0], StoredObject::Blob { digest, .. } if *digest == blob));
    assert!(matches!(
        &objects[1],
        StoredObject::Manifest { repository, digest, .. }
            if *repository == repository_of("app") && *digest == image
    ));
    assert_eq!(objects.len(), 2);
    // The name of a registry is a whole part of a key.
    for table in [Table::Blobs, Table::Manifests] {
        assert_eq!(test.store.database.scan(table, &prefix(&[&"loc"])).count(), 0);
    }
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
        test.publish("app", "sha256:c", &upload, &object, writer)
    };

    simulate(SimulatedDisk::UsedUp);
    let (app, other) = (repository_of("app"), repository_of("other"));
    let too_full = test.store.unlink_blob(&REGISTRY, &app, &digest("sha256:a")).map(drop);
    simulate(SimulatedDisk::Off);
    test.store.disk_space().refill();
    simulate(SimulatedDisk::Full);
    let refused = [
        too_full,
        test.store.link_blob(&REGISTRY, &other, &digest("sha256:a"), 0).map(drop),
        test.store.new_object().map(drop),
        publish(writer),
    ];
    let read = test.blob("app", "sha256:a");
    test.see_blob("app", "sha256:a", 1_000_000);
    let deleted = test.unlink_blob("app", "sha256:b");
    simulate(SimulatedDisk::Off);

    assert!(refused.iter().all(|refused| matches!(refused, Err(StoreError::DiskFull(_)))));
    assert!(read.is_some());
    assert_eq!(deleted, Unlinked::Removed);
    publish(test.store.resume_upload(&upload, 0).unwrap()).unwrap();
    assert!(test.link_blob("other", "sha256:a", 0));
}
