//! Tests that an operation that waits for its next attempt does not undo a newer operation.

use std::sync::Arc;

use azure_emulator_core::disk_space::SimulatedDisk;
use azure_emulator_core::identity::SUBSCRIPTION;
use serde_json::json;

use super::*;
use crate::keys::KeyId;
use crate::registry::{
    Error, IdentityResource, Intents, KeyChange, Kind, RegistryName, Tags, Update,
};
use crate::reset::{self, ResetError};
use crate::revocation::RevocationMethod;

/// Leaves an operation in the state after a failure: it waits for its next attempt.
pub(super) async fn leave(emulator: &Sealyard, kind: Kind, parameters: Value) -> Intents {
    let intents = emulator.app().registries.intents().clone();
    drop(intents.begin(kind, &parameters).await.unwrap());
    intents
}

fn resource(name: &str) -> IdentityResource {
    IdentityResource::new(ResourceGroup::default(), name).unwrap()
}

pub(super) fn name(text: &str) -> RegistryName {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_reset_does_not_run_again_after_a_later_one() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    for kind in [Kind::UpdateRegistry, Kind::RotateKey, Kind::DeleteGroup] {
        leave(&emulator, kind, json!({ "registry": "local", "group": "team" })).await;
    }
    let intents = leave(&emulator, Kind::Reset, Value::Null).await;

    emulator.reset().await.unwrap();
    let unfinished = intents.unfinished();
    emulator.create_registry("team1").await.unwrap();
    let is_there = emulator.registry_named("team1").is_some();
    drop(intents);
    emulator.shutdown().await;

    assert!(unfinished.is_empty(), "{unfinished:?}");
    assert!(is_there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_created_that_an_interrupted_reset_would_remove() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let app = emulator.app().clone();
    // The next attempt waits until this is dropped.
    let resetting = app.resetting.lock().await;
    leave(&emulator, Kind::Reset, Value::Null).await;

    let body = || Some(json!({ "name": "team1" }));
    let (status, refusal) = ask(&emulator, Method::POST, "/_sealyard/registries", body()).await;
    let url = format!("{}/_sealyard/registries", emulator.registry_url());
    let answer = reqwest::Client::new().post(url).json(&json!({ "name": "team1" })).send().await;
    let retry = answer.unwrap().headers().get("retry-after").map(|after| after.as_bytes().to_vec());
    let body_of_key = Some(json!({ "operation": "rotate" }));
    let key = "/_sealyard/registries/local/key";
    let (key_status, _) = ask(&emulator, Method::POST, key, body_of_key).await;
    let (read_status, _) = ask(&emulator, Method::GET, "/_sealyard/registries", None).await;
    let by_handle = emulator.create_registry("team1").await.is_err();
    let by_hand = emulator.create_identity("one").await.is_err();
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/team");
    let place = json!({ "location": "eastus" });
    let version = [("api-version", "2022-12-01")];
    let refused = app.owner().unwrap().resource(Method::PUT, &group, &version, Some(&place)).await;
    drop(resetting);
    operations_end(&emulator).await;
    let (after, _) = ask(&emulator, Method::POST, "/_sealyard/registries", body()).await;
    emulator.shutdown().await;

    assert_eq!((status, key_status), (StatusCode::SERVICE_UNAVAILABLE, status), "{refusal}");
    assert_eq!(refusal["error"]["code"], "ResetUnfinished");
    assert_eq!(read_status, StatusCode::OK);
    assert!(by_handle && by_hand);
    let refused = refused.unwrap_err();
    assert_eq!(refused.status(), Some(503));
    // The listener of the registry, and that of Azure.
    assert_eq!(retry.as_deref(), Some(&b"1"[..]));
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(after, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_reset_creates_the_vault_anew_while_the_emulator_serves() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let vault = emulator.vault().unwrap();
    vault.create_key("local", "another", mock_keyvault::KeySize::Rsa2048).await.unwrap();

    leave(&emulator, Kind::Reset, Value::Null).await;
    operations_end(&emulator).await;

    let owner = emulator.app().owner().unwrap().clone();
    let keys = owner.key_names(&"local".parse().unwrap()).await.unwrap();
    emulator.shutdown().await;
    assert!(!keys.iter().any(|key| key == "another"), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_that_was_created_again_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let registries = emulator.app().registries.clone();
    let first = emulator.create_identity("one").await.unwrap();
    let steps =
        json!({ "identity": resource("one").to_string(), "client_id": first.principal.client_id });

    // The user has created it again, successfully.
    let intents = leave(&emulator, Kind::DeleteIdentity, steps.clone()).await;
    registries.delete_identity(&resource("one"), false).await.unwrap();
    let left = intents.unfinished().len();
    emulator.create_identity("one").await.unwrap();
    // The deletion was meant for the first identity.
    leave(&emulator, Kind::DeleteIdentity, steps).await;
    operations_end(&emulator).await;
    let is_there = registries.identity(&resource("one")).await.is_ok();
    drop((registries, intents));
    emulator.shutdown().await;

    assert_eq!(left, 0);
    assert!(is_there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_was_created_again_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let registries = emulator.app().registries.clone();
    emulator.create_registry("team1").await.unwrap();
    let created = registries.get("team1").unwrap().profile().created.unix_timestamp();
    let steps = |created: i64| json!({ "registry": "team1", "created": created });

    let intents = leave(&emulator, Kind::DeleteRegistry, steps(created)).await;
    registries.delete(&name("team1")).await.unwrap();
    let left = intents.unfinished().len();
    emulator.create_registry("team1").await.unwrap();
    leave(&emulator, Kind::DeleteRegistry, steps(created - 1)).await;
    operations_end(&emulator).await;
    let is_there = registries.get("team1").is_some();
    drop((registries, intents));
    emulator.shutdown().await;

    assert_eq!(left, 0);
    assert!(is_there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_change_of_a_registry_ends_its_waiting_updates_and_rotations() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let registries = emulator.app().registries.clone();
    emulator.create_registry("team1").await.unwrap();
    let steps = json!({ "registry": "team1" });
    let key = "https://local.vault.azure.net/keys/other".parse().unwrap();
    // This creates the key, to which the registry rotates below.
    emulator.create_registry("other").await.unwrap();

    let intents = leave(&emulator, Kind::UpdateRegistry, steps.clone()).await;
    let port = Change { port: Some(5123), ..Change::default() };
    registries.change(&name("team1"), port).await.unwrap();
    let after_port = intents.unfinished().len();
    let tags = Change { tags: Some(Tags::default()), ..Change::default() };
    registries.change(&name("team1"), tags).await.unwrap();
    let after_tags = intents.unfinished().len();
    leave(&emulator, Kind::UpdateRegistry, steps.clone()).await;
    leave(&emulator, Kind::RotateKey, steps.clone()).await;
    registries.rotate_key(&name("team1"), KeyChange::default()).await.unwrap();
    let after_rotation = intents.unfinished().len();
    leave(&emulator, Kind::RotateKey, steps).await;
    let update = Update { key: KeyChange { key: Some(key), identity: None }, ..Update::default() };
    // Permit the identity to use all keys of the vault.
    registries.update(&name("team1"), update).await.unwrap();
    let after_update = intents.unfinished().len();
    drop((registries, intents));
    emulator.shutdown().await;

    assert_eq!((after_port, after_tags, after_rotation, after_update), (1, 0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_of_a_key_that_the_registry_no_longer_has_is_not_performed() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let ring = emulator.registry().key_ring().clone();
    let before = ring.describe();
    let body = Some(json!({ "operation": "newVersion" }));
    ask(&emulator, Method::POST, "/_sealyard/registries/local/key", body).await;
    let other: KeyId = "https://local.vault.azure.net/keys/other".parse().unwrap();
    let steps = json!({ "registry": "local", "key": null, "before": other });

    leave(&emulator, Kind::RotateKey, steps).await;
    operations_end(&emulator).await;
    let after = ring.describe();
    drop(ring);
    emulator.shutdown().await;

    assert_eq!(after.versioned, before.versioned);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_restoration_does_not_undo_a_newer_revocation() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let app = emulator.app().clone();

    let intents = leave(&emulator, Kind::Restore, json!({ "registry": "local", "by": null })).await;
    app.revocations
        .revoke(emulator.registry(), app.revocation_context(), RevocationMethod::Policy, true)
        .await
        .unwrap();
    let unfinished = intents.unfinished();
    let methods = app.revocations.methods_of("local");
    app.revocations
        .restore(emulator.registry(), app.revocation_context(), None, true)
        .await
        .unwrap();
    drop((app, intents));
    emulator.shutdown().await;

    assert!(unfinished.is_empty(), "{unfinished:?}");
    assert_eq!(methods, [RevocationMethod::Policy]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_in_use_is_kept_when_its_creation_is_undone() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    emulator.create_registry("team1").await.unwrap();
    let registries = &emulator.app().registries;
    let client_id = registries.identity(&resource("team1")).await.unwrap().principal.client_id;
    let made = json!({ "identity": resource("team1").to_string(), "vault": "local", "client_id": client_id });
    let steps = json!({ "registry": "team2", "resource": "/x", "has_system_identity": false, "identity": made });

    leave(&emulator, Kind::CreateRegistry, steps).await;
    operations_end(&emulator).await;
    let is_there = emulator.app().registries.identity(&resource("team1")).await.is_ok();
    let state = state(&emulator, "team1").await;
    emulator.shutdown().await;

    assert!(is_there);
    assert_eq!(state, State::Active);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_intents_prevent_no_start_and_a_reset_ends_them() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let rows = emulator.app().registries.intents().rows();
    for operation in ["levitate", "reset", "revoke"] {
        let row = crate::store::IntentRow {
            id: uuid::Uuid::new_v4(),
            operation: operation.to_owned(),
            step: String::new(),
            begun: 0,
            parameters: vec![1; 9000],
            damage: None,
        };
        rows.begin_intent(&row, azure_emulator_core::disk_space::Purpose::Rows).unwrap();
    }
    drop(rows);
    assert_eq!(push(&emulator, b"before").await, StatusCode::CREATED);
    emulator.shutdown().await;

    let emulator = start(folder.path()).await;
    // The reset needs no parameters, so it continues, and ends the others.
    operations_end(&emulator).await;
    let pushed = push(&emulator, b"after").await;
    let pulled = pull(&emulator, b"before").await;
    emulator.shutdown().await;

    assert_eq!((pushed, pulled), (StatusCode::CREATED, StatusCode::NOT_FOUND));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_on_a_full_disk_completes_or_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    emulator.create_registry("team1").await.unwrap();
    let change = Change { system_identity: Some(true), ..Change::default() };
    emulator.app().registries.change(&RegistryName::local(), change).await.unwrap();
    assert_eq!(push(&emulator, b"layer").await, StatusCode::CREATED);
    let rotate = Some(json!({ "operation": "rotate" }));
    ask(&emulator, Method::POST, "/_sealyard/registries/local/key", rotate).await;

    // The vault needs a new key, for which the disk has no space.
    emulator.set_disk(SimulatedDisk::Full);
    let refused = reset::reset(emulator.app()).await;
    let (status, _) = ask(&emulator, Method::POST, "/_sealyard/reset", Some(json!({}))).await;
    let pulled = pull(&emulator, b"layer").await;
    let is_there = emulator.registry_named("team1").is_some();
    let unfinished = emulator.app().registries.intents().unfinished();
    emulator.set_disk(SimulatedDisk::Off);
    emulator.reset().await.unwrap();

    // The vault is in its initial state.
    emulator.create_identity("one").await.unwrap();
    let change = Change { system_identity: Some(true), ..Change::default() };
    emulator.app().registries.change(&RegistryName::local(), change).await.unwrap();
    assert_eq!(push(&emulator, b"layer").await, StatusCode::CREATED);
    emulator.set_disk(SimulatedDisk::Full);
    let done = emulator.reset().await;
    let gone = pull(&emulator, b"layer").await;
    emulator.set_disk(SimulatedDisk::Off);
    let pushed = push(&emulator, b"after").await;
    emulator.shutdown().await;

    assert!(
        matches!(refused, Err(ResetError::Registry { source: Error::DiskFull, .. })),
        "{refused:?}"
    );
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!((pulled, is_there), (StatusCode::OK, true));
    assert!(unfinished.is_empty(), "{unfinished:?}");
    done.unwrap();
    assert_eq!((gone, pushed), (StatusCode::NOT_FOUND, StatusCode::CREATED));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_removals_use_the_reserve_for_their_intents() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let intents = emulator.app().registries.intents().clone();
    let disk_space = Arc::clone(emulator.app().registries.disk_space());
    let long = "x".repeat(2 << 20);

    emulator.set_disk(SimulatedDisk::Full);
    let before = disk_space.space().unwrap().reserved;
    let refused = intents.begin(Kind::Deploy, &long).await;
    let after = disk_space.space().unwrap().reserved;
    let removal = intents.begin(Kind::DeleteGroup, &json!({})).await;
    let ended = removal.unwrap().end().await;
    emulator.set_disk(SimulatedDisk::Off);
    drop(intents);
    emulator.shutdown().await;

    assert!(matches!(refused, Err(Error::DiskFull)), "{refused:?}");
    assert_eq!(before, after);
    ended.unwrap();
}
