//! The clock: requests advance, set, freeze and resume it, and due events happen in the order of time.

use std::time::Duration;

use azure_emulator_core::clock::{Clock, ClockRequest};
use azure_emulator_core::duration::IsoDuration;
use mock_keyvault::MockKeyVault;
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use sealyard::internals::keys::{KeyOperation, Purpose};
use sealyard::{Config, VaultChoice};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::support::{Answer, Client, external, start_with_clock};

const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
const DAY: time::Duration = time::Duration::DAY;

async fn ask(client: &Client, body: Value) -> Answer {
    client.send_json("/_sealyard/clock", &body).await
}

/// The time of each rotation, from the audit log of the key.
async fn rotations(emulator: &Sealyard) -> Vec<OffsetDateTime> {
    let uses = emulator.registry().key_uses(10_000).await.unwrap();
    let mut seen: Vec<(String, OffsetDateTime)> = Vec::new();
    for key_use in uses {
        let wraps = key_use.operation == KeyOperation::WrapKey;
        if wraps && key_use.purpose == Purpose::Rotation {
            let version = key_use.version.unwrap().to_string();
            if seen.last().is_none_or(|(last, _)| *last != version) {
                seen.push((version, key_use.time));
            }
        }
    }
    seen.into_iter().map(|(_, at)| at).collect()
}

#[tokio::test]
async fn an_advance_by_ninety_days_rotates_to_each_version_within_an_hour_of_its_creation() {
    let (emulator, client, _clock) = start_with_clock().await;
    client.push_blob("app", b"before").await;
    let vault = emulator.vault().unwrap();
    let each = IsoDuration::days(30);
    vault.rotate_automatically("local", "registry-key", each, None).await.unwrap();
    let looks = || vault.calls().len();
    let before = looks();

    let moved = ask(&client, json!({"advance": "P91D"})).await;

    assert_eq!(moved.status, StatusCode::OK, "{moved:?}");
    let rotated = rotations(&emulator).await;
    assert_eq!(rotated.len(), 3, "{rotated:?}");
    for (at, due) in rotated.iter().zip([START + DAY * 30, START + DAY * 60, START + DAY * 90]) {
        assert!(
            (due..due + time::Duration::HOUR).contains(at),
            "{at} is not within the hour of {due}"
        );
    }
    let used = emulator.registry().key_ring().describe();
    let newest = vault.latest_version("local", "registry-key").await.unwrap().unwrap();
    assert_eq!(
        used.versioned.unwrap().version().unwrap().as_str(),
        newest.version.unwrap().as_str()
    );
    assert!(
        looks() - before < 100,
        "the registry asks the vault only when something can have changed"
    );
    assert_eq!(client.pull_blob("app", b"before").await.body, b"before");
}

#[tokio::test]
async fn versions_that_expire_before_the_next_check_are_reported_in_the_order_of_time() {
    let (emulator, client, _clock) = start_with_clock().await;
    client.push_blob("app", b"before").await;
    let vault = emulator.vault().unwrap();
    let (each, life) = (IsoDuration::days(30), IsoDuration::days(60));
    vault.rotate_automatically("local", "registry-key", each, Some(life)).await.unwrap();

    emulator.advance(Duration::from_hours(24 * 100)).await.unwrap();

    let made: Vec<OffsetDateTime> = vault.events().iter().map(|event| event.event_time).collect();
    assert!(made.is_sorted(), "{made:?}");
    assert_eq!(rotations(&emulator).await.len(), 3);
    let status = emulator.registry().key_ring().status();
    assert_eq!((status.state.name(), status.cause), ("active", None));
}

#[tokio::test]
async fn an_advance_returns_only_when_the_state_is_that_of_the_new_time() {
    let (emulator, client, _clock) = start_with_clock().await;
    client.push_blob("app", b"before").await;
    let vault = emulator.vault().unwrap();
    vault.delete_key("local", "registry-key").await.unwrap();
    emulator.registry().key_ring().check().await;
    let seen = client.get("/_sealyard/status").await.json();
    assert_eq!(seen["registries"][0]["cause"], "keyDeleted", "{seen}");

    ask(&client, json!({"advance": "P91D"})).await;

    let seen = client.get("/_sealyard/status").await.json();
    assert_eq!(seen["registries"][0]["cause"], "keyPurged", "{seen}");
    let since = OffsetDateTime::parse(
        seen["registries"][0]["since"].as_str().unwrap(),
        &time::format_description::well_known::Rfc3339,
    );
    assert_eq!(
        since.unwrap(),
        START + DAY * 90,
        "the state changed when it was due, and not when the advance ended"
    );
}

#[tokio::test]
async fn an_idle_upload_expires_after_a_day_and_an_active_one_does_not() {
    let (emulator, client, clock) = start_with_clock().await;
    let left = client.begin("app").await;
    clock.pass(Duration::from_mins(2));
    let active = client.begin("app").await;

    ask(&client, json!({"advance": "PT25H"})).await;

    let status = client.get(&left).await;
    assert_eq!(
        (status.status, status.code().as_str()),
        (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN")
    );
    assert_eq!(client.get(&active).await.status, StatusCode::NO_CONTENT);
    assert_eq!(emulator.registry().stats().await.unwrap().uploads, 1);
}

#[tokio::test]
async fn the_clock_is_set_frozen_and_resumed_and_never_goes_back() {
    let (_emulator, client, clock) = start_with_clock().await;

    let set = ask(&client, json!({"set": "2027-01-01T00:00:00Z", "freeze": true})).await.json();
    assert_eq!((&set["now"], &set["frozen"]), (&json!("2027-01-01T00:00:00Z"), &json!(true)));
    clock.pass(Duration::from_mins(1));
    let shown = client.get("/_sealyard/clock").await.json();
    assert_eq!(shown["now"], "2027-01-01T00:00:00Z");
    let back = ask(&client, json!({"set": "2026-06-01T00:00:00Z"})).await;
    assert_eq!(back.status, StatusCode::BAD_REQUEST);
    let message = back.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("only moves forward"), "{message}");
    let resumed = ask(&client, json!({"resume": true, "advance": "P1M"})).await.json();

    assert_eq!(
        (&resumed["now"], &resumed["frozen"]),
        (&json!("2027-02-01T00:00:00Z"), &json!(false))
    );
    for nonsense in [
        json!({}),
        json!({"freeze": true, "resume": true}),
        json!({"advance": "PT1H", "set": "2028-01-01T00:00:00Z"}),
    ] {
        assert_eq!(ask(&client, nonsense).await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(
        ask(&client, json!({"advanced": "PT1H"})).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn a_frozen_clock_is_frozen_at_the_same_time_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Sealyard::builder().ephemeral().data_dir(folder.path().join("d")).start();
    let emulator = start().await.unwrap();
    let moment = datetime!(2035-05-05 05:05:05 UTC);
    let request = ClockRequest { set: Some(moment), freeze: true, ..ClockRequest::default() };
    emulator.change_clock(request).await.unwrap();
    emulator.shutdown().await;

    let emulator = start().await.unwrap();

    assert!(emulator.clock().is_frozen());
    assert_eq!(emulator.clock().now(), moment);
}

/// An emulator with an external vault, which has its own clock and listener.
async fn beside(vault: &MockKeyVault, clock: &Clock) -> Sealyard {
    let config = Config { vault: VaultChoice::External(external(vault)), ..Config::default() };
    let builder = Sealyard::builder().config(config).ephemeral().clock(clock.clone());
    builder.start().await.unwrap()
}

#[tokio::test]
async fn the_clock_of_an_external_mock_vault_advances_step_by_step_with_the_registry() {
    let (clock, theirs) = (Clock::manual(START), Clock::manual(START));
    let vault = MockKeyVault::builder().clock(theirs.clone()).start().await.unwrap();
    let emulator = beside(&vault, &clock).await;
    let client = Client::of(&emulator);
    client.push_blob("app", b"before").await;
    let each = IsoDuration::days(30);
    vault.rotate_automatically("local", "registry-key", each, None).await.unwrap();

    let moved = ask(&client, json!({"advance": "P91D", "freeze": true})).await;

    assert_eq!(moved.status, StatusCode::OK, "{moved:?}");
    assert_eq!((clock.now(), theirs.now()), (START + DAY * 91, START + DAY * 91));
    assert!(clock.is_frozen() && theirs.is_frozen());
    let rotated = rotations(&emulator).await;
    assert_eq!(rotated.len(), 3, "{rotated:?}");
    for (at, due) in rotated.iter().zip([START + DAY * 30, START + DAY * 60, START + DAY * 90]) {
        assert!(
            (due..due + time::Duration::HOUR).contains(at),
            "{at} is not within the hour of {due}"
        );
    }
    assert_eq!(client.pull_blob("app", b"before").await.body, b"before");
    ask(&client, json!({"resume": true})).await;
    assert!(!clock.is_frozen() && !theirs.is_frozen());
}

#[tokio::test]
async fn the_clock_does_not_advance_when_the_vault_refuses() {
    let clock = Clock::manual(START);
    let vault = MockKeyVault::builder().clock(Clock::manual(START)).start().await.unwrap();
    let emulator = beside(&vault, &clock).await;
    vault.shutdown().await;

    let moved = Client::of(&emulator).send(Method::POST, "/_sealyard/clock", "{}").await;
    assert_eq!(moved.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let moved = ask(&Client::of(&emulator), json!({"advance": "PT1H"})).await;

    assert_eq!(moved.status, StatusCode::BAD_GATEWAY, "{moved:?}");
    assert_eq!(clock.now(), START);
}
