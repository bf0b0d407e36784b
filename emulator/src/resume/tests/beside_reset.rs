//! Requests and operations during a reset: they neither delay it nor wait for its end.

use azure_emulator_core::identity::{OWNER_CLIENT_ID, OWNER_OBJECT_ID};
use serde_json::json;

use super::control_plane::make_group;
use super::*;
use crate::arm::{ControlPlane, PlaneOptions};
use crate::registry::{Error, Kind};
use crate::reset;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_diagnosis_does_not_wait_for_the_end_of_a_reset() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let intents = emulator.app().registries.intents().clone();

    // The reset has begun, and no caller may revoke access.
    intents.stop().one_after(Kind::Reset, 1);
    let app = emulator.app().clone();
    let resetting = tokio::spawn(async move { reset::reset(&app).await.map(drop) });
    intents.stop().reached().await;
    let diagnosed = ask(&emulator, Method::GET, "/_sealyard/diagnosis", None);
    let diagnosed = tokio::time::timeout(LIMIT, diagnosed).await;
    intents.stop().release();
    let reset = resetting.await.unwrap();
    drop(intents);
    emulator.shutdown().await;

    let (status, report) = diagnosed.expect("the diagnosis waits for the reset");
    assert_eq!(status, StatusCode::OK, "{report}");
    reset.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_a_change_slowly_delays_a_deletion_of_a_group_but_no_reset() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let intents = emulator.app().registries.intents().clone();
    make_group(&emulator).await;
    let gate = emulator.vault().unwrap().gate();
    let options = PlaneOptions::default();
    let plane = ControlPlane::new(emulator.app().registries.clone(), gate, options);

    let slow = plane.change_slowly().await;
    let caller = json!({
        "app_id": OWNER_CLIENT_ID, "object_id": OWNER_OBJECT_ID, "issuer": "i", "kind": "application",
    });
    let steps = json!({ "group": "team", "caller": caller });
    let intent = intents.begin(Kind::DeleteGroup, &steps).await.unwrap();
    let deleting = tokio::spawn(async move { plane.resume(intent).await });
    let reset = tokio::time::timeout(LIMIT, emulator.reset()).await;
    let deleted = tokio::time::timeout(LIMIT, deleting).await;
    drop(slow);
    drop(intents);
    emulator.shutdown().await;

    reset.expect("the reset waits for the slow client").unwrap();
    deleted.expect("the deletion that was replaced still waits").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_a_reset_replaces_as_it_begins_leaves_no_intent_that_would_be_tried() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let intents = emulator.app().registries.intents().clone();

    // The intent of the operation is stored, but `begin` has not returned yet.
    intents.stop().one_after(Kind::Deploy, 0);
    let deploying = intents.clone();
    let begun =
        tokio::spawn(async move { deploying.begin(Kind::Deploy, &json!({})).await.map(drop) });
    intents.stop().reached().await;
    let id = intents.unfinished().first().unwrap().id;
    let reset = intents.begin(Kind::Reset, &()).await.unwrap();
    let replacing = intents.clone();
    let replaced = tokio::spawn(async move {
        let done = replacing.replace_for_reset(&reset).await;
        (done, reset)
    });
    while !intents.is_stopping(id) {
        tokio::task::yield_now().await;
    }
    intents.stop().release();
    let begun = begun.await.unwrap();
    let (done, reset) = replaced.await.unwrap();
    let stored: Vec<_> = intents.rows().intents().unwrap().iter().map(|row| row.id).collect();
    let own = reset.id();
    reset.end().await.unwrap();
    drop(intents);
    emulator.shutdown().await;

    assert!(matches!(begun, Err(Error::Replaced)), "{begun:?}");
    done.unwrap();
    assert_eq!(stored, [own], "only that of the reset is left");
}
