//! A registry is created as a whole or not at all, whichever platform call fails.

use super::platform::FakePlatform;
use super::*;

#[track_caller]
fn assert_no_registry(registries: &Registries, what: &str) {
    let (store, team1) = (&registries.common().store, "team1".parse().unwrap());
    assert_eq!(store.registry(&team1).unwrap(), None, "{what}");
    assert_eq!(store.ring(&team1).unwrap(), None, "{what}");
    assert!(registries.get("team1").is_none(), "{what}");
}

/// Asserts that nothing is left of a failed creation: rows, ring, identities, permissions.
async fn assert_nothing_is_left(registries: &Registries, platform: &FakePlatform, what: &str) {
    assert_no_registry(registries, what);
    assert!(platform.identities.lock().unwrap().is_empty(), "{what}");
    assert!(platform.allowed.lock().unwrap().is_empty(), "{what}");
    assert_eq!(registries.identities().await.unwrap().len(), 1, "{what}: only the start identity");
}

fn team1() -> NewRegistry {
    NewRegistry { system_identity: true, ..NewRegistry::named("team1".parse().unwrap()) }
}

#[tokio::test]
async fn a_failure_at_any_call_leaves_no_registry_and_no_identity_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let platform = FakePlatform::new();
    let registries = open(&folder, &platform).await;
    let resource = IdentityResource::new(ResourceGroup::default(), "one").unwrap();
    let one = registries
        .create_identity(resource.clone(), Location::default(), Tags::default())
        .await
        .unwrap();
    registries.platform().allow(&"local".parse().unwrap(), &one.principal).await.unwrap();
    let key = "https://local.vault.localhost/keys/k".parse().unwrap();
    let new = NewRegistry {
        identities: vec![resource],
        encryption: Some(Encryption { key, identity: None }),
        ..team1()
    };

    let mut failed = 0;
    loop {
        platform.fail_at(failed);
        let created = registries.create(new.clone()).await;
        platform.fail_no_more();
        if created.is_ok() {
            break;
        }
        assert_no_registry(&registries, &format!("call {failed}"));
        assert_eq!(platform.identities.lock().unwrap().len(), 1, "call {failed}");
        failed += 1;
    }

    // The calls: system-assigned identity, get, wrap, unwrap.
    assert_eq!((failed, platform.calls()), (4, 4));
    let made = registries.get("team1").unwrap();
    assert!(made.content().await.is_ok());
    assert!(made.profile().system_identity.is_some());
}

#[tokio::test]
async fn a_failure_at_any_call_removes_everything_made_for_the_registry() {
    let folder = tempfile::tempdir().unwrap();
    let platform = FakePlatform::new();
    let registries = open(&folder, &platform).await;
    let create = || {
        let new = NewRegistry { system_identity: false, ..team1() };
        registries.create_with_dependencies(new, None, None)
    };

    let mut failed = 0;
    loop {
        platform.fail_at(failed);
        let created = create().await;
        platform.fail_no_more();
        if created.is_ok() {
            break;
        }
        assert_nothing_is_left(&registries, &platform, &format!("call {failed}")).await;
        failed += 1;
    }

    // The calls: key, identity, permission, get, wrap, unwrap.
    assert_eq!((failed, platform.calls()), (6, 6));
    assert!(registries.get("team1").unwrap().profile().is_cmk());
}

/// Resumes all interrupted operations until none is left.
async fn resume_all(registries: &Registries) {
    while let Some(intent) = registries.intents().take_due(|_, _| true) {
        registries.resume(intent).await.unwrap();
    }
    assert!(registries.intents().unfinished().is_empty());
}

/// A runtime whose end works like a kill: its tasks stop at their current point.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn undoing_a_creation_keeps_a_newer_identity_of_the_same_name() {
    let resource = || IdentityResource::new(ResourceGroup::default(), "team1").unwrap();
    let (mut killed, mut by_hand) = (0, [0, 0]);
    loop {
        let folder = tempfile::tempdir().unwrap();
        let platform = FakePlatform::new();
        let before = runtime();
        let has_ended = before.block_on(async {
            let registries = open(&folder, &platform).await;
            registries.intents().stop().after(killed);
            let new = NewRegistry { system_identity: false, ..team1() };
            let intents = registries.intents().clone();
            tokio::select! {
                () = intents.stop().reached() => false,
                made = registries.create_with_dependencies(new, None, None) => made.is_ok(),
            }
        });
        before.shutdown_timeout(Duration::from_mins(1));
        if has_ended {
            break;
        }

        runtime().block_on(async {
            let registries = open(&folder, &platform).await;
            // The creation is not undone yet. If it has made the identity, the user deletes it here.
            let is_there = registries.identity(&resource()).await.is_ok();
            if is_there {
                registries.delete_identity(&resource(), true).await.unwrap();
            }
            by_hand[usize::from(is_there)] += 1;
            let (location, tags) = (Location::default(), Tags::default());
            let made = registries.create_identity(resource(), location, tags).await.unwrap();
            if registries.get("team1").is_none() {
                resume_all(&registries).await;
            }

            let found = registries.identity(&resource()).await;
            assert_eq!(found.unwrap(), made, "after {killed} boundaries");
            let principals = platform.identities.lock().unwrap().clone();
            let ids: Vec<&String> = principals.keys().collect();
            assert_eq!(ids, [&made.principal.client_id], "after {killed} boundaries");
        });
        killed += 1;
    }

    // Some kills came before the identity was made, and some after.
    assert!(by_hand.iter().all(|times| *times > 0), "{by_hand:?}");
}

#[tokio::test]
async fn a_registry_without_a_key_of_its_own_needs_no_vault() {
    let folder = tempfile::tempdir().unwrap();
    let platform = FakePlatform::new();
    let registries = open(&folder, &platform).await;
    platform.fail_at(0);

    let new = NewRegistry { sku: Sku::Basic, ..NewRegistry::named("team1".parse().unwrap()) };
    let (made, warnings) = registries.create(new).await.unwrap();

    assert_eq!((platform.calls(), warnings), (0, Vec::new()));
    assert!(made.content().await.is_ok());
}

#[tokio::test]
async fn a_registry_that_cannot_be_opened_does_not_affect_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let platform = FakePlatform::new();
    let registries = open(&folder, &platform).await;
    for name in ["team1", "team2"] {
        registries.create(NewRegistry::named(name.parse().unwrap())).await.unwrap();
    }
    let (store, team1) = (&registries.common().store, "team1".parse().unwrap());
    let ring = store.ring(&team1).unwrap().unwrap();
    let damaged = crate::store::RingRow { generation: 2, head: vec![0; 40], ..ring.clone() };
    assert!(store.replace_ring(&team1, Some(ring.generation), &damaged).unwrap());
    drop(registries);

    let registries = open(&folder, &platform).await;

    let names: Vec<String> = registries.all().iter().map(|open| open.name().to_owned()).collect();
    assert_eq!(names, ["local", "team2"]);
    let again = registries.create(NewRegistry::named("team1".parse().unwrap())).await;
    assert!(matches!(again, Err(ManageError::NameTaken(_))), "{again:?}");
}

#[tokio::test]
async fn a_registry_checks_vault_changes_made_during_its_creation() {
    let folder = tempfile::tempdir().unwrap();
    let platform = FakePlatform::new();
    let registries = open(&folder, &platform).await;
    let resource = IdentityResource::new(ResourceGroup::default(), "one").unwrap();
    let one = registries
        .create_identity(resource.clone(), Location::default(), Tags::default())
        .await
        .unwrap();
    registries.platform().allow(&"local".parse().unwrap(), &one.principal).await.unwrap();
    let key = "https://local.vault.localhost/keys/k".parse().unwrap();
    let new = NewRegistry {
        system_identity: false,
        identities: vec![resource],
        encryption: Some(Encryption { key, identity: None }),
        ..team1()
    };
    platform.fail_at(usize::MAX);
    platform.close_gate();

    let making = tokio::spawn({
        let registries = registries.clone();
        async move { registries.create(new).await }
    });
    // The creation has called get and wrapKey, and waits for unwrapKey.
    while platform.calls() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(registries.vault_changed().len(), 1, "it does not exist yet");
    platform.open_gate();
    making.await.unwrap().unwrap();

    // The first three calls created the registry: get, wrap, unwrap. The fourth is the probe.
    let probed = async {
        while platform.calls() < 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), probed).await.unwrap();
}
