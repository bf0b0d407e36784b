//! Tests that a registry is created and deleted as a whole, without any effect on other registries.

use super::support::{DATA_KEY, REGISTRY, TestStore, digest, manifest, object, registry};
use crate::names::RegistryName;
use crate::store::*;
use azure_emulator_core::disk_space::Purpose;

fn ring() -> RingRow {
    RingRow { generation: 1, head: vec![9], entries: vec![(DATA_KEY, vec![1])] }
}

fn record(name: &str) -> RegistryRecord {
    RegistryRecord {
        name: name.to_owned(),
        row: RegistryRow {
            id: None,
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
            bypass: None,
            created_by: None,
            former_identity: None,
        },
        tags: std::collections::BTreeMap::new(),
        identities: std::collections::BTreeMap::new(),
    }
}

/// As many tags and identities as Azure accepts, each as long as possible.
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
fn a_registry_and_its_ring_are_stored_together_and_survive_a_kill() {
    let test = TestStore::with(Durability::Full);

    test.store.create_registry(&large("other").into(), Some(&ring())).unwrap();

    let killed = test.killed();
    assert_eq!(killed.store.registries().unwrap(), [large("other")]);
    assert_eq!(killed.store.ring(&registry("other")).unwrap(), Some(ring()));
    assert_eq!(killed.store.registry(&registry("another")).unwrap(), None);
}

#[test]
fn a_name_is_used_once_and_a_refused_registry_leaves_no_ring() {
    let test = TestStore::new();
    test.store.create_registry(&record("first").into(), None).unwrap();

    let taken = test.store.create_registry(&record("first").into(), Some(&ring()));
    let of_a_ring = test.store.create_registry(&record(RegistryName::LOCAL).into(), Some(&ring()));

    assert!(matches!(taken, Err(StoreError::RegistryExists)), "{taken:?}");
    assert!(matches!(of_a_ring, Err(StoreError::RegistryExists)), "{of_a_ring:?}");
    assert_eq!(test.store.ring(&registry("first")).unwrap(), None);
    assert_eq!(test.store.registries().unwrap(), [record("first")]);
}

#[test]
fn a_change_replaces_all_properties_of_a_registry() {
    let test = TestStore::new();
    test.store.create_registry(&large("first").into(), None).unwrap();

    assert!(test.store.replace_registry(&record("first"), &End::Nothing, Purpose::Rows).unwrap());
    assert!(!test.store.replace_registry(&record("second"), &End::Nothing, Purpose::Rows).unwrap());

    assert_eq!(test.store.registries().unwrap(), [record("first")]);
}

/// Adds a task run whose log is empty.
fn add_run(test: &TestStore) -> TaskRunRow {
    let file = test.store.new_object().unwrap();
    let run = NewTaskRun {
        name: None,
        status: "Succeeded".to_owned(),
        created: 1,
        finished: 1,
        ends: 2,
        digest: digest("sha256:log").to_string(),
        log: object(file.id(), "", 1),
    };
    test.store.add_task_run(&REGISTRY, &run, file).unwrap()
}

/// A store with content in `local`, and a second registry.
fn full() -> TestStore {
    let test = TestStore::new();
    test.store.create_registry(&large(RegistryName::LOCAL).into(), None).unwrap();
    test.store.create_registry(&large("local2").into(), Some(&ring())).unwrap();
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
    assert_eq!(test.store.ring(&registry("local2")).unwrap(), Some(ring()));
    assert_eq!(test.store.ring(&REGISTRY).unwrap(), None);
    assert_eq!(test.store.stats(&REGISTRY).unwrap(), Stats::default());
    assert_eq!(test.store.all_objects(&REGISTRY).count(), 0);
    // The name is free, and a new registry of this name is empty.
    test.store.create_registry(&record(RegistryName::LOCAL).into(), Some(&ring())).unwrap();
    assert_eq!(test.store.registry(&REGISTRY).unwrap(), Some(record(RegistryName::LOCAL)));
    assert_eq!(test.tagged("app", "v1"), None);
    assert_eq!(test.store.uploads(&REGISTRY).unwrap(), []);
    assert_eq!(add_run(test).number, 1);
}

#[test]
fn a_registry_is_deleted_with_all_rows_and_files_and_its_name_is_free() {
    let test = full();

    assert!(test.store.begin_leaving(&REGISTRY).unwrap());
    assert!(!test.store.begin_leaving(&REGISTRY).unwrap());
    test.store.empty_leaving(&REGISTRY).unwrap();
    test.store.end_leaving(&REGISTRY, &End::Nothing).unwrap();

    assert_is_gone(&test);
}

#[test]
fn a_deletion_interrupted_by_a_kill_is_resumed() {
    let test = full();
    let (upload, _) = test.upload("app", 1);
    assert!(test.store.begin_leaving(&REGISTRY).unwrap());
    let early = test.store.create_registry(&record(RegistryName::LOCAL).into(), Some(&ring()));
    let stored = test.store.create_upload(
        &REGISTRY,
        &UploadRow { id: "x".into(), file: FileId::random(), ..upload },
        9999,
    );

    let test = test.reopened();
    assert_eq!(test.store.leaving().unwrap(), std::slice::from_ref(&*REGISTRY));
    for _ in 0..2 {
        test.store.empty_leaving(&REGISTRY).unwrap();
    }
    test.store.end_leaving(&REGISTRY, &End::Nothing).unwrap();

    assert!(test.store.leaving().unwrap().is_empty());
    assert!(matches!(early, Err(StoreError::RegistryExists)), "{early:?}");
    assert!(matches!(stored, Err(StoreError::DataKeyRetired)), "{stored:?}");
    assert_is_gone(&test);
}

/// A batch of rows needs less, and all rows of the registry of these tests need more.
const RECORD_LIMIT: usize = 32 << 10;

#[test]
fn a_registry_whose_rows_do_not_fit_into_one_record_of_the_journal_is_deleted() {
    let test = full();
    test.store.database.journal().simulate_record_limit(4 * RECORD_LIMIT);

    assert!(test.store.begin_leaving(&REGISTRY).unwrap());
    test.store.empty_leaving(&REGISTRY).unwrap();
    test.store.end_leaving(&REGISTRY, &End::Nothing).unwrap();

    assert_is_gone(&test);
}

#[test]
fn a_registry_whose_rows_do_not_fit_into_one_record_of_the_journal_is_reset_under_its_intent() {
    let test = full();
    let intent = IntentRow {
        id: uuid::Uuid::from_u128(7),
        operation: "reset".to_owned(),
        step: String::new(),
        begun: 1,
        parameters: Vec::new(),
        damage: None,
    };
    test.store.begin_intent(&intent, Purpose::Removal).unwrap();
    test.store.database.journal().simulate_record_limit(RECORD_LIMIT);
    let new = RingRow { generation: 5, head: vec![5], entries: vec![([8; 16], vec![1])] };

    test.store.begin_registry_again(&REGISTRY, &new, &End::Forget(intent.id)).unwrap();

    let test = test.reopened();
    assert_eq!(test.files(), Vec::<String>::new());
    assert_eq!(test.store.ring(&REGISTRY).unwrap(), Some(new));
    assert_eq!(test.store.stats(&REGISTRY).unwrap(), Stats::default());
    assert_eq!(test.store.all_objects(&REGISTRY).count(), 0);
    assert!(test.store.registry(&REGISTRY).unwrap() == Some(large(RegistryName::LOCAL)));
    assert_eq!(test.store.intents().unwrap(), []);
}

#[test]
fn a_reset_unlinks_all_files_before_it_removes_the_rows_of_content() {
    let new = RingRow { generation: 5, head: vec![5], entries: vec![([8; 16], vec![1])] };
    let (mut was_cut_short, mut has_ended) = (false, false);
    // A full disk refuses records above a certain length. Files have the longest records, so a wrong order would remove rows first.
    for limit in (1..100).map(|step| step * (2 << 10)) {
        let test = full();
        let rows = test.store.all_objects(&REGISTRY).count();
        test.store.database.journal().simulate_record_limit(limit);

        let reset = test.store.begin_registry_again(&REGISTRY, &new, &End::Nothing);

        let (files_left, rows_left) =
            (test.files().len(), test.store.all_objects(&REGISTRY).count());
        assert!(rows_left == rows || files_left == 0, "{limit}: {files_left} {rows_left}");
        if reset.is_ok() {
            has_ended = true;
            break;
        }
        was_cut_short = true;
    }
    assert!(was_cut_short && has_ended);
}

#[test]
fn an_interrupted_reset_keeps_its_intent_and_repeating_it_completes_the_work() {
    let test = full();
    let intent = IntentRow {
        id: uuid::Uuid::from_u128(7),
        operation: "reset".to_owned(),
        step: String::new(),
        begun: 1,
        parameters: Vec::new(),
        damage: None,
    };
    test.store.begin_intent(&intent, Purpose::Removal).unwrap();
    // The new ring fits, and the first batch of rows does not.
    test.store.database.journal().simulate_record_limit(2 << 10);
    let new = RingRow { generation: 5, head: vec![5], entries: vec![([8; 16], vec![1])] };
    let end = End::Forget(intent.id);
    let cut = test.store.begin_registry_again(&REGISTRY, &new, &end).unwrap_err();

    let test = test.reopened();
    let upload = test.store.uploads(&REGISTRY).unwrap().pop().unwrap();
    let late = UploadRow { id: "late".into(), file: FileId::random(), ..upload };
    let late = test.store.create_upload(&REGISTRY, &late, 9999);
    let kept = test.store.intents().unwrap().len();
    test.store.begin_registry_again(&REGISTRY, &new, &end).unwrap();

    assert!(cut.to_string().contains("in several steps"), "{cut}");
    assert!(matches!(late, Err(StoreError::DataKeyRetired)), "{late:?}");
    assert_eq!((kept, test.store.intents().unwrap().len()), (1, 0));
    assert_eq!(test.files(), Vec::<String>::new());
    assert_eq!(test.store.all_objects(&REGISTRY).count(), 0);
}

#[test]
fn an_identity_is_found_by_group_and_name_in_any_case() {
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

    assert!(test.store.create_identity(&row, &End::Nothing, None).unwrap());
    assert!(
        !test
            .store
            .create_identity(
                &IdentityRow { name: "puller".into(), ..row.clone() },
                &End::Nothing,
                None
            )
            .unwrap()
    );

    assert_eq!(test.store.identity("gROUP", "pULLER").unwrap(), Some(row.clone()));
    assert_eq!(test.store.identity("group", "other").unwrap(), None);
    let tagged = IdentityRow { tags: [("b".to_owned(), "1".to_owned())].into(), ..row };
    assert!(test.store.replace_identity_tags(&tagged).unwrap());
    assert_eq!(test.killed().store.identities().unwrap(), std::slice::from_ref(&tagged));
    assert!(test.store.delete_identity("GROUP", "PULLER", &End::Nothing).unwrap());
    assert!(!test.store.replace_identity_tags(&tagged).unwrap());
    let again = IdentityRow { tags: [].into(), ..tagged };
    assert!(test.store.create_identity(&again, &End::Nothing, None).unwrap());
    assert_eq!(test.store.identity("group", "puller").unwrap(), Some(again), "no tag was left");
    assert!(test.store.delete_identity("group", "puller", &End::Nothing).unwrap());
    assert!(!test.store.delete_identity("group", "puller", &End::Nothing).unwrap());
}

#[test]
fn the_mirror_follows_the_properties_of_a_registry_and_is_deleted_with_it() {
    let test = TestStore::new();
    let mirrored = || {
        let mirrors = test.store.ring_mirrors().unwrap().into_iter().map(Result::unwrap);
        mirrors.map(|mirror| (mirror.registry, mirror.record)).collect::<Vec<_>>()
    };

    test.store.create_registry(&record("other").into(), Some(&ring())).unwrap();
    let refused = test.store.create_registry(&large("other").into(), Some(&ring()));
    assert!(matches!(refused, Err(StoreError::RegistryExists)));
    assert_eq!(mirrored()[1], ("other".to_owned(), Some(record("other"))));
    assert!(test.store.replace_registry(&large("other"), &End::Nothing, Purpose::Rows).unwrap());
    assert_eq!(mirrored()[1], ("other".to_owned(), Some(large("other"))));
    assert!(test.store.begin_leaving(&registry("other")).unwrap());
    test.store.empty_leaving(&registry("other")).unwrap();
    test.store.end_leaving(&registry("other"), &End::Nothing).unwrap();

    assert_eq!(mirrored(), [(REGISTRY.to_string(), None)]);
}

#[test]
fn the_mirror_of_a_registry_whose_creation_failed_is_removed_after_the_check_of_the_rows() {
    let test = TestStore::new();
    {
        let writer = test.store.database.writer().unwrap();
        test.store.mirror_record(&writer, &record("never"), Some(ring()), Purpose::Rows).unwrap();
    }

    test.store.mirror_missing_rings().unwrap();
    assert_eq!(test.store.ring_mirrors().unwrap().len(), 2);
    test.store.mirror_rings().unwrap();

    assert_eq!(test.store.ring_mirrors().unwrap().len(), 1);
}
