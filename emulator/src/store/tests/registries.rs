//! Registries come as a whole and go as a whole, and none takes anything of another with it.

use super::support::{DATA_KEY, REGISTRY, TestStore, manifest, object};
use crate::store::*;

fn ring() -> RingRow {
    RingRow { generation: 1, head: vec![9], entries: vec![(DATA_KEY, vec![1])] }
}

fn record(name: &str) -> RegistryRecord {
    RegistryRecord {
        name: name.to_owned(),
        row: RegistryRow {
            created: 7,
            sku: "Premium".to_owned(),
            location: "eastus".to_owned(),
            group: "sealyard".to_owned(),
            key: Some(serde_json::json!({ "vault": "local", "name": "k" })),
            system_identity: None,
            content_trust: false,
            anonymous: true,
            strict: false,
            port: Some(5001),
        },
        tags: std::collections::BTreeMap::new(),
        identities: std::collections::BTreeMap::new(),
    }
}

/// As many tags and identities as Azure takes, each as long as it may be.
fn large(name: &str) -> RegistryRecord {
    let mut record = record(name);
    for i in 0..50 {
        record.tags.insert(format!("{i:0>512}"), "v".repeat(256));
        let principal = PrincipalRow { client_id: format!("{i}"), principal_id: format!("p{i}") };
        let resource_id = format!("/Subscriptions/s/{i:0>900}");
        let assigned = AssignedRow { resource_id: resource_id.clone(), principal };
        record.identities.insert(resource_id.to_lowercase(), assigned);
    }
    record
}

#[test]
fn a_registry_and_its_ring_come_together_and_are_there_after_a_kill() {
    let test = TestStore::with(Durability::Full);

    test.store.create_registry(&large("other"), Some(&ring())).unwrap();

    let killed = test.killed();
    assert_eq!(killed.store.registries().unwrap(), [large("other")]);
    assert_eq!(killed.store.ring("other").unwrap(), Some(ring()));
    assert_eq!(killed.store.registry("another").unwrap(), None);
}

#[test]
fn a_name_is_given_once_and_what_is_refused_leaves_no_ring() {
    let test = TestStore::new();
    test.store.create_registry(&record("first"), None).unwrap();

    let taken = test.store.create_registry(&record("first"), Some(&ring()));
    let of_a_ring = test.store.create_registry(&record(REGISTRY), Some(&ring()));

    assert!(matches!(taken, Err(StoreError::RegistryExists)), "{taken:?}");
    assert!(matches!(of_a_ring, Err(StoreError::RegistryExists)), "{of_a_ring:?}");
    assert_eq!(test.store.ring("first").unwrap(), None);
    assert_eq!(test.store.registries().unwrap(), [record("first")]);
}

#[test]
fn what_a_registry_had_before_a_change_is_gone_after_it() {
    let test = TestStore::new();
    test.store.create_registry(&large("first"), None).unwrap();

    assert!(test.store.replace_registry(&record("first")).unwrap());
    assert!(!test.store.replace_registry(&record("second")).unwrap());

    assert_eq!(test.store.registries().unwrap(), [record("first")]);
}

/// Adds a task run whose log is empty.
fn add_run(test: &TestStore) -> TaskRunRow {
    let file = test.store.new_file().unwrap();
    let run = NewTaskRun {
        name: None,
        status: "Succeeded".to_owned(),
        created: 1,
        finished: 1,
        ends: 2,
        digest: "sha256:log".to_owned(),
        log: object(file.id(), "", 1),
    };
    test.store.add_task_run(REGISTRY, &run, file).unwrap()
}

/// A store with content in `local`, and another registry beside it.
fn full() -> TestStore {
    let test = TestStore::new();
    test.store.create_registry(&large(REGISTRY), None).unwrap();
    test.store.create_registry(&large("local2"), Some(&ring())).unwrap();
    for i in 0..300 {
        test.push_blob("app", &format!("sha256:{i}"), 1);
    }
    let mut image = manifest("sha256:image", &["sha256:1", "sha256:2"]);
    image.tag = Some("v1".to_owned());
    image.subject = Some("sha256:subject".to_owned());
    test.put("app", &image);
    test.upload("app", 1);
    add_run(&test);
    test
}

#[track_caller]
fn assert_is_gone(test: &TestStore) {
    assert_eq!(test.files(), Vec::<String>::new());
    assert_eq!(test.store.registries().unwrap(), [large("local2")]);
    assert_eq!(test.store.ring("local2").unwrap(), Some(ring()));
    assert_eq!(test.store.ring(REGISTRY).unwrap(), None);
    assert_eq!(test.store.stats(REGISTRY).unwrap(), Stats::default());
    assert_eq!(test.store.all_objects(REGISTRY).count(), 0);
    // The name is free, and nothing of what was there shows under it.
    test.store.create_registry(&record(REGISTRY), Some(&ring())).unwrap();
    assert_eq!(test.store.registry(REGISTRY).unwrap(), Some(record(REGISTRY)));
    assert_eq!(test.store.tag_row(REGISTRY, "app", "v1").unwrap(), None);
    assert_eq!(test.store.uploads(REGISTRY).unwrap(), []);
    assert_eq!(add_run(test).number, 1);
}

#[test]
fn a_registry_goes_with_all_its_rows_and_files_and_its_name_is_free() {
    let test = full();

    assert!(test.store.delete_registry(REGISTRY).unwrap());
    assert!(!test.store.delete_registry(REGISTRY).unwrap());

    assert_is_gone(&test);
}

#[test]
fn a_going_that_was_cut_short_is_finished_at_the_next_opening() {
    let test = full();
    let (upload, _) = test.upload("app", 1);
    assert!(test.store.begin_leaving(REGISTRY).unwrap());
    let early = test.store.create_registry(&record(REGISTRY), Some(&ring()));
    let stored = test.store.create_upload(
        REGISTRY,
        &UploadRow { id: "x".into(), file: FileId::random(), ..upload },
        9999,
    );

    let test = test.reopened();

    assert!(matches!(early, Err(StoreError::RegistryExists)), "{early:?}");
    assert!(matches!(stored, Err(StoreError::DataKeyRetired)), "{stored:?}");
    assert_is_gone(&test);
}

#[test]
fn an_identity_is_known_by_group_and_name_whatever_their_case() {
    let test = TestStore::new();
    let row = IdentityRow {
        name: "Puller".to_owned(),
        group: "Group".to_owned(),
        location: "eastus".to_owned(),
        created: 1,
        tenant: "t".to_owned(),
        principal: PrincipalRow { client_id: "c".to_owned(), principal_id: "p".to_owned() },
        tags: [("team".to_owned(), "x".repeat(256))].into(),
    };

    assert!(test.store.create_identity(&row).unwrap());
    assert!(
        !test.store.create_identity(&IdentityRow { name: "puller".into(), ..row.clone() }).unwrap()
    );

    assert_eq!(test.store.identity("gROUP", "pULLER").unwrap(), Some(row.clone()));
    assert_eq!(test.store.identity("group", "other").unwrap(), None);
    let tagged = IdentityRow { tags: [("b".to_owned(), "1".to_owned())].into(), ..row };
    assert!(test.store.replace_identity_tags(&tagged).unwrap());
    assert_eq!(test.killed().store.identities().unwrap(), std::slice::from_ref(&tagged));
    assert!(test.store.delete_identity("GROUP", "PULLER").unwrap());
    assert!(!test.store.replace_identity_tags(&tagged).unwrap());
    let again = IdentityRow { tags: [].into(), ..tagged };
    assert!(test.store.create_identity(&again).unwrap());
    assert_eq!(test.store.identity("group", "puller").unwrap(), Some(again), "no tag was left");
    assert!(test.store.delete_identity("group", "puller").unwrap());
    assert!(!test.store.delete_identity("group", "puller").unwrap());
}
