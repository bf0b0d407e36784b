//! New versions on request and by policy, and scheduled actions as time passes.

use std::time::Duration;

use azure_emulator_core::events::EventKind;
use mock_keyvault::{KeySize, MockKeyVault};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, World};

const DAY: u64 = 86_400;

fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY)
}

async fn set_policy(world: &World, policy: Value) -> Answer {
    world.owner(Method::PUT, "/keys/k/rotationpolicy", Some(policy)).await
}

fn rotate_after(span: &str, expiry: Option<&str>) -> Value {
    json!({
        "lifetimeActions": [{"trigger": {"timeAfterCreate": span}, "action": {"type": "Rotate"}}],
        "attributes": {"expiryTime": expiry},
    })
}

/// The creation times of all versions, the oldest first, in days since the test began.
async fn versions(world: &World, start: i64) -> Vec<i64> {
    let listed = world.owner(Method::GET, "/keys/k/versions", None).await.json();
    let created = |item: &Value| (item["attributes"]["created"].as_i64().unwrap() - start) / 86_400;
    let mut all: Vec<i64> = listed["value"].as_array().unwrap().iter().map(created).collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn rotating_creates_a_version_like_the_newest_and_the_old_one_still_works() {
    let world = World::new().await;
    let body = json!({"kty": "RSA", "key_size": 3072, "key_ops": ["wrapKey", "unwrapKey"], "tags": {"a": "1"}, "attributes": {"exp": 4_000_000_000_i64}});
    let first = world.owner(Method::POST, "/keys/k/create", Some(body)).await.json();
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await;
    let old = wrapped.field("kid").rsplit('/').next().unwrap().to_owned();

    let second = world.owner(Method::POST, "/keys/k/rotate", None).await.json();

    assert_ne!(second["key"]["kid"], first["key"]["kid"]);
    assert_ne!(second["key"]["n"], first["key"]["n"]);
    assert_eq!(
        second["key"]["n"].as_str().unwrap().len(),
        first["key"]["n"].as_str().unwrap().len()
    );
    for same in ["kty", "key_ops"] {
        assert_eq!(second["key"][same], first["key"][same]);
    }
    assert_eq!(second["tags"], first["tags"]);
    assert_eq!(second["attributes"]["exp"], Value::Null, "no policy sets an expiry");
    let path = format!("/keys/k/{old}/unwrapkey");
    assert_eq!(world.wrap(&path, "RSA-OAEP-256", &wrapped.value()).await.value(), b"x");
}

#[tokio::test]
async fn a_rotated_version_expires_when_the_policy_says() {
    let world = World::with_key().await;
    let set = set_policy(&world, rotate_after("P2M", Some("P90D"))).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);

    let made = world.owner(Method::POST, "/keys/k/rotate", None).await.json();

    let attributes = &made["attributes"];
    let life = attributes["exp"].as_i64().unwrap() - attributes["created"].as_i64().unwrap();
    assert_eq!(life, 90 * 86_400);
}

#[tokio::test]
async fn rotating_needs_a_live_key_and_the_permission() {
    let world = World::with_key().await;
    world.vault.delete_key("local", "k").await.unwrap();

    let deleted = world.owner(Method::POST, "/keys/k/rotate", None).await;
    let absent = world.owner(Method::POST, "/keys/none/rotate", None).await;
    let refused = world.identity(Method::POST, "/keys/k/rotate", None).await;
    let policy = world.owner(Method::GET, "/keys/k/rotationpolicy", None).await;

    assert_eq!(deleted.refusal().1, "KeyNotFound");
    assert_eq!(absent.refusal().1, "KeyNotFound");
    assert_eq!(refused.refusal().1, "Forbidden/ForbiddenByPolicy");
    assert!(refused.refusal().2.contains("keys rotate permission"), "{}", refused.text);
    assert_eq!(policy.refusal().1, "KeyNotFound");
}

#[tokio::test]
async fn a_policy_is_replaced_completely_and_always_has_a_notice() {
    let world = World::with_key().await;
    let now = world.clock.unix_now();
    let id = format!("{}/keys/k/rotationpolicy", world.vault.uri());
    let notice = r#"{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Notify"}}"#;

    let unset = world.owner(Method::GET, "/keys/k/rotationpolicy", None).await;
    let first = set_policy(&world, rotate_after("P2M", None)).await;
    world.clock.advance(Duration::from_secs(5));
    let second = set_policy(
        &world,
        json!({
            "lifetimeActions": [{"trigger": {"timeBeforeExpiry": "P30D", "timeAfterCreate": null}, "action": {"type": "notify"}}],
            "attributes": {"expiryTime": "P90D"},
        }),
    )
    .await;
    let read = world.owner(Method::GET, "/keys/K/rotationpolicy", None).await;

    assert_eq!(
        unset.text,
        format!(r#"{{"id":"{id}","lifetimeActions":[{notice}],"attributes":{{}}}}"#)
    );
    assert_eq!(
        first.text,
        format!(
            r#"{{"id":"{id}","lifetimeActions":[{{"trigger":{{"timeAfterCreate":"P2M"}},"action":{{"type":"Rotate"}}}},{notice}],"attributes":{{"created":{now},"updated":{now}}}}}"#
        )
    );
    assert_eq!(
        second.text,
        format!(
            r#"{{"id":"{id}","lifetimeActions":[{notice}],"attributes":{{"expiryTime":"P90D","created":{now},"updated":{}}}}}"#,
            now + 5
        )
    );
    assert_eq!(read.text, second.text);
}

#[tokio::test]
async fn a_policy_that_the_service_would_refuse_is_refused_and_changes_nothing() {
    let world = World::with_key().await;
    let before = set_policy(&world, rotate_after("P2M", Some("P90D"))).await;
    let action = |kind: &str, trigger: Value| json!({"trigger": trigger, "action": {"type": kind}});
    let rotate = || action("ROTATE", json!({"timeAfterCreate": "P30D", "timeBeforeExpiry": ""}));
    let notify = || action("Notify", json!({"timeBeforeExpiry": "P30D"}));
    let actions = |actions: Vec<Value>| json!({"lifetimeActions": actions, "attributes": {"expiryTime": "P90D"}});

    for wrong in [
        actions(vec![rotate(), rotate()]),
        actions(vec![notify(), notify()]),
        actions(vec![action("Notify", json!({"timeAfterCreate": "P30D"}))]),
        actions(vec![action("Delete", json!({"timeAfterCreate": "P30D"}))]),
        actions(vec![action("Rotate", json!({"timeAfterCreate": "30 days"}))]),
        actions(vec![action("Rotate", json!({"timeAfterCreate": "P6D"}))]),
        actions(vec![action("Rotate", json!({}))]),
        actions(vec![action(
            "Rotate",
            json!({"timeAfterCreate": "P30D", "timeBeforeExpiry": "P30D"}),
        )]),
        actions(vec![json!({})]),
        rotate_after("P30D", Some("P27D")),
        json!({"lifetimeActions": [action("Rotate", json!({"timeBeforeExpiry": "P30D"}))]}),
        json!([]),
    ] {
        let refused = set_policy(&world, wrong.clone()).await;
        assert_eq!(
            (refused.status.as_u16(), refused.refusal().1.as_str()),
            (400, "BadParameter"),
            "{wrong}"
        );
    }
    let taken = set_policy(&world, actions(vec![notify(), rotate()])).await;

    let after = world.owner(Method::GET, "/keys/k/rotationpolicy", None).await;
    assert_eq!(taken.json()["lifetimeActions"][0]["action"]["type"], "Rotate", "{}", taken.text);
    assert_eq!(after.text, taken.text);
    assert_ne!(before.text, after.text);
}

#[tokio::test]
async fn a_jump_of_a_year_creates_every_version_with_the_time_at_which_it_was_due() {
    let world = World::with_key().await;
    let start = world.clock.unix_now();
    set_policy(&world, rotate_after("P30D", Some("P90D"))).await;

    world.vault.advance(days(365)).await.unwrap();

    let expected: Vec<i64> = (0..=12).map(|n| n * 30).collect();
    assert_eq!(versions(&world, start).await, expected);
    let newest = world.owner(Method::GET, "/keys/k", None).await.json();
    assert_eq!(newest["attributes"]["created"], start + 360 * 86_400);
    assert_eq!(newest["attributes"]["exp"], start + 450 * 86_400);
}

#[tokio::test]
async fn due_actions_are_performed_automatically_when_the_clock_moves() {
    let world = World::with_key().await;
    let first = world.vault.latest_version("local", "k").await.unwrap();
    set_policy(&world, rotate_after("P30D", None)).await;

    world.clock.advance(days(30));

    // No request triggers this: the vault's own task does it. Without the task, this would wait for ever.
    let rotated = async {
        while world.vault.latest_version("local", "k").await.unwrap() == first {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), rotated).await.unwrap();
}

#[tokio::test]
async fn rotation_before_expiry_follows_a_change_of_the_expiry() {
    let world = World::new().await;
    let start = world.clock.unix_now();
    let body = json!({"kty": "RSA", "attributes": {"exp": start + 50 * 86_400}});
    world.owner(Method::POST, "/keys/k/create", Some(body)).await;
    let policy = json!({
        "lifetimeActions": [{"trigger": {"timeBeforeExpiry": "P10D"}, "action": {"type": "Rotate"}}],
        "attributes": {"expiryTime": "P40D"},
    });
    set_policy(&world, policy).await;

    world.vault.advance(days(39)).await.unwrap();
    let before = versions(&world, start).await;
    world.vault.advance(days(32)).await.unwrap();

    assert_eq!(before, [0]);
    assert_eq!(versions(&world, start).await, [0, 40, 70]);
}

#[tokio::test]
async fn a_deleted_key_is_not_rotated_and_a_recovered_key_not_with_a_past_time() {
    let world = World::with_key().await;
    let start = world.clock.unix_now();
    set_policy(&world, rotate_after("P30D", None)).await;
    world.vault.delete_key("local", "k").await.unwrap();

    world.vault.advance(days(45)).await.unwrap();
    world.vault.recover_key("local", "k").await.unwrap();
    world.vault.run_due().await.unwrap();

    assert_eq!(versions(&world, start).await, [0, 45]);
}

#[tokio::test]
async fn a_deleted_key_is_purged_when_its_retention_is_over() {
    let world = World::with_key().await;
    world.vault.delete_key("local", "k").await.unwrap();

    world.vault.advance(days(90)).await.unwrap();

    let listed = world.owner(Method::GET, "/deletedkeys", None).await.json();
    assert_eq!(listed["value"], json!([]));
}

#[tokio::test]
async fn actions_that_became_due_while_a_vault_was_stopped_are_performed_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    let start = world.clock.unix_now();
    world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    set_policy(&world, rotate_after("P30D", Some("P37D"))).await;
    let clock = world.clock.clone();
    world.vault.shutdown().await;

    clock.advance(days(70));
    let vault = MockKeyVault::builder().data_dir(&data).clock(clock.clone()).start().await.unwrap();
    vault.run_due().await.unwrap();

    let events: Vec<(EventKind, i64)> = vault
        .events()
        .iter()
        .map(|event| (event.event_type, (event.event_time.unix_timestamp() - start) / 86_400))
        .collect();
    let (created, near) = (EventKind::NewVersionCreated, EventKind::NearExpiry);
    // The notice 30 days before the expiry of a version of 37 days comes on its seventh day.
    assert_eq!(events, [(created, 0), (created, 30), (near, 37), (created, 60), (near, 67)]);
}

#[tokio::test]
async fn a_rotation_that_a_kill_interrupts_leaves_whole_versions_and_is_completed_later() {
    let folder = tempfile::tempdir().unwrap();
    let open = || async {
        let vault = MockKeyVault::builder().data_dir(folder.path()).start().await.unwrap();
        let (clock, http) = (vault.clock().clone(), crate::support::client(vault.ca_pem()));
        World { vault, clock, http }
    };
    let world = open().await;
    world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    set_policy(&world, rotate_after("P30D", None)).await;
    let (http, start) = (world.http.clone(), world.vault.events()[0].event_time.unix_timestamp());
    world.vault.shutdown().await;
    let running = crate::program::Running::start(folder.path(), &[]);
    let vault = running.endpoints()["vault"].as_str().unwrap().to_owned();

    // The answer never comes: the kill is earlier.
    let request = http.post(format!("{vault}/_keyvault/clock")).json(&json!({"advance": "P360D"}));
    let moving = tokio::spawn(request.send());
    let log = folder.path().join("events.jsonl");
    while std::fs::read_to_string(&log).unwrap().lines().count() < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    running.kill();
    drop((running, moving.await));
    let world = open().await;
    world.vault.run_due().await.unwrap();

    assert_eq!(versions(&world, start).await, (0..=12).map(|n| n * 30).collect::<Vec<_>>());
    let listed = world.owner(Method::GET, "/keys/k/versions", None).await.json();
    for item in listed["value"].as_array().unwrap() {
        let version = item["kid"].as_str().unwrap().rsplit('/').next().unwrap();
        let wrapped = world.wrap(&format!("/keys/k/{version}/wrapkey"), "RSA-OAEP", b"x").await;
        let path = format!("/keys/k/{version}/unwrapkey");
        assert_eq!(world.wrap(&path, "RSA-OAEP", &wrapped.value()).await.value(), b"x");
    }
}

#[tokio::test]
async fn a_vault_can_be_stopped_in_the_middle_of_a_long_move_of_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let open = || MockKeyVault::builder().data_dir(folder.path()).start();
    let vault = open().await.unwrap();
    let (clock, http) = (vault.clock().clone(), crate::support::client(vault.ca_pem()));
    let world = World { vault, clock, http };
    world.vault.create_ec_key("local", "k", mock_keyvault::Curve::P256).await.unwrap();
    set_policy(&world, rotate_after("P7D", None)).await;
    // A hundred thousand rotations: the test does not wait for the last one.
    let url = format!("{}/_keyvault/clock", world.vault.uri());
    let request = world.http.post(url).json(&json!({"advance": "P2000Y"}));
    let moving = tokio::spawn(request.send());
    while world.vault.events().len() < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    world.vault.shutdown().await;

    let answered = moving.await.unwrap().unwrap();
    assert_eq!(answered.status(), 500);
    // The folder is released, and the next start continues.
    let again = open().await.unwrap();
    assert!(again.latest_version("local", "k").await.unwrap().is_some());
    again.shutdown().await;
}

#[tokio::test]
async fn the_handle_rotates_and_sets_a_policy_as_clients_do() {
    let world = World::with_key().await;
    let start = world.clock.unix_now();
    let span = |text: &str| text.parse().unwrap();

    let rotated = world.vault.rotate_key("local", "k").await.unwrap();
    let newest = world.vault.latest_version("local", "k").await.unwrap();
    let expiry = Some(span("P90D"));
    world.vault.rotate_automatically("local", "k", span("P30D"), expiry).await.unwrap();
    world.vault.advance(days(30)).await.unwrap();

    assert_eq!(newest, Some(rotated));
    assert_eq!(versions(&world, start).await, [0, 0, 30]);
    let refused = world.vault.rotate_automatically("local", "k", span("P1D"), None).await;
    assert!(refused.unwrap_err().to_string().contains("at least 7 days"));
}
