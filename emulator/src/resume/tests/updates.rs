//! Tests that a newer operation replaces a waiting one only if it is accepted and completes the waiting one.

use serde_json::json;

use super::replaced::{leave, name};
use super::*;
use crate::registry::{KeyChange, Kind, Tags};

/// The rest of an update of `team1` that has rotated the key: it still has to set these tags.
fn rest(emulator: &Sealyard, tag: &str) -> Value {
    let registry = emulator.registry_named("team1").unwrap();
    let key = registry.key_ring().describe().configured;
    json!({
        "registry": "team1",
        "key": key,
        "before": { "identities": {}, "system_identity": null },
        "rest": { "tags": { "tag": tag }, "remove": [] },
    })
}

fn tags(tag: &str) -> Tags {
    [("tag".to_owned(), tag.to_owned())]
        .into_iter()
        .collect::<std::collections::BTreeMap<_, _>>()
        .try_into()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rest_of_a_waiting_update_survives_a_refused_and_an_unrelated_change() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let registries = emulator.app().registries.clone();
    emulator.create_registry("team1").await.unwrap();
    let shown = || registries.get("team1").unwrap().profile();
    let off = Change { encryption: Some(false), ..Change::default() };
    let closed = Change { anonymous: Some(false), ..Change::default() };
    let newer = Change { tags: Some(tags("newest")), ..Change::default() };
    let no_key = "https://local.vault.azure.net/keys/none".parse().unwrap();
    let no_key = KeyChange { key: Some(no_key), identity: None };

    leave(&emulator, Kind::UpdateRegistry, rest(&emulator, "one")).await;
    let refused = registries.change(&name("team1"), off).await;
    operations_end(&emulator).await;
    let after_refused = shown().tags.clone();
    leave(&emulator, Kind::UpdateRegistry, rest(&emulator, "two")).await;
    registries.change(&name("team1"), closed).await.unwrap();
    operations_end(&emulator).await;
    let after_unrelated = (shown().tags.clone(), shown().anonymous);
    leave(&emulator, Kind::UpdateRegistry, rest(&emulator, "three")).await;
    let no_rotation = registries.rotate_key(&name("team1"), no_key).await;
    operations_end(&emulator).await;
    let after_rotation = shown().tags.clone();
    leave(&emulator, Kind::UpdateRegistry, rest(&emulator, "four")).await;
    registries.change(&name("team1"), newer).await.unwrap();
    operations_end(&emulator).await;
    let after_newer = shown().tags.clone();
    drop(registries);
    emulator.shutdown().await;

    assert!(refused.is_err() && no_rotation.is_err(), "{refused:?} {no_rotation:?}");
    assert_eq!(after_refused, tags("one"));
    assert_eq!(after_unrelated, (tags("two"), false));
    assert_eq!(after_rotation, tags("three"));
    assert_eq!(after_newer, tags("newest"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_rotation_or_deletion_replaces_no_waiting_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let registries = emulator.app().registries.clone();
    emulator.create_registry("team1").await.unwrap();
    let no_key = "https://local.vault.azure.net/keys/none".parse().unwrap();
    let no_key = KeyChange { key: Some(no_key), identity: None };

    // No waiting operation is tried meanwhile.
    let reset = registries.intents().begin(Kind::Reset, &()).await.unwrap();
    let intents = leave(&emulator, Kind::RotateKey, json!({ "registry": "team1" })).await;
    let waiting = || intents.unfinished().iter().filter(|one| one.operation == "rotateKey").count();
    let refused = registries.rotate_key(&name("team1"), no_key.clone()).await;
    let update = crate::registry::Update { key: no_key, ..crate::registry::Update::default() };
    let not_updated = registries.update(&name("team1"), update).await;
    let after_refused = waiting();
    registries.rotate_key(&name("team1"), KeyChange::default()).await.unwrap();
    let after_rotation = waiting();
    reset.end().await.unwrap();
    operations_end(&emulator).await;
    drop((registries, intents));
    emulator.shutdown().await;

    assert!(refused.is_err() && not_updated.is_err(), "{refused:?} {not_updated:?}");
    assert_eq!((after_refused, after_rotation), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_creation_leaves_the_identity_of_a_running_creation_of_the_same_name() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let registries = emulator.app().registries.clone();
    let intents = registries.intents().clone();
    let new = || NewRegistry { system_identity: false, ..NewRegistry::named(name("team1")) };

    // The identity is created, but the registry is not.
    intents.stop().one_after(Kind::CreateRegistry, 1);
    let creating = registries.clone();
    let first = tokio::spawn(async move {
        creating.create_with_dependencies(new(), None, None).await.map(drop)
    });
    intents.stop().reached().await;
    let no_key = "https://local.vault.azure.net/keys/none".parse().unwrap();
    let second = registries.create_with_dependencies(new(), Some(no_key), None).await.map(drop);
    intents.stop().release();
    let first = first.await.unwrap();
    operations_end(&emulator).await;
    let state = state(&emulator, "team1").await;
    let identities = registries.identities().await.unwrap().len();
    // The last failed creation removes it.
    let no_key = "https://local.vault.azure.net/keys/none".parse().unwrap();
    let other = NewRegistry::named(name("team2"));
    let third = registries.create_with_dependencies(other, Some(no_key), None).await.map(drop);
    operations_end(&emulator).await;
    let after_third = registries.identities().await.unwrap().len();
    drop((registries, intents));
    emulator.shutdown().await;

    assert!(second.is_err() && third.is_err(), "{second:?} {third:?}");
    first.unwrap();
    assert_eq!(state, State::Active);
    assert_eq!((identities, after_third), (2, 2));
}
