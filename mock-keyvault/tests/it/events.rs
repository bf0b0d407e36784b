//! The event log: the events of keys, in the form of Event Grid.

use std::time::Duration;

use azure_emulator_core::events::EventKind;
use mock_keyvault::{KeySize, MockKeyVault};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{World, admin, send};

const DAY: u64 = 86_400;

fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY)
}

/// A vault with a key called `k` that expires after these days.
async fn ending_after(days: i64) -> World {
    let world = World::new().await;
    let exp = world.clock.unix_now() + days * 86_400;
    let body = json!({"kty": "RSA", "attributes": {"exp": exp}});
    world.owner(Method::POST, "/keys/k/create", Some(body)).await;
    world
}

fn kinds(world: &World) -> Vec<EventKind> {
    world.vault.events().iter().map(|event| event.event_type).collect()
}

#[tokio::test]
async fn a_new_key_causes_an_event_in_the_form_of_event_grid() {
    let world = World::with_key().await;
    let key = world.vault.latest_version("local", "k").await.unwrap().unwrap();

    let events = admin(&world, Method::GET, "events", None).await.json();

    let event = &events["events"][0];
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
    assert_eq!(event["eventType"], "Microsoft.KeyVault.KeyNewVersionCreated");
    assert_eq!(event["subject"], "k");
    assert_eq!(event["eventTime"], "2026-01-01T00:00:00Z");
    assert_eq!((&event["dataVersion"], &event["metadataVersion"]), (&json!("1"), &json!("1")));
    let topic = event["topic"].as_str().unwrap();
    assert!(topic.ends_with("/providers/Microsoft.KeyVault/vaults/local"), "{topic}");
    let data = json!({
        "Id": world.vault.key_uri("local", &key),
        "VaultName": "local",
        "ObjectType": "Key",
        "ObjectName": "k",
        "Version": key.version.unwrap().as_str(),
        "NBF": null,
        "EXP": null,
    });
    assert_eq!(event["data"], data);
}

#[tokio::test]
async fn ids_are_rendered_for_the_address_that_the_reader_used() {
    let world = World::with_key().await;
    let port = world.vault.address().port();

    for host in [format!("localhost:{port}"), "local.vault.azure.net".to_owned()] {
        let url = format!("{}/_keyvault/events", world.vault.uri());
        let events = send(world.http.get(url).header("Host", &host)).await.json();
        let id = events["events"][0]["data"]["Id"].as_str().unwrap().to_owned();
        assert!(id.starts_with(&format!("https://{host}/keys/k/")), "{id}");
    }
    let kept = std::fs::read_to_string(world.vault.data_dir().join("events.jsonl")).unwrap();
    assert!(!kept.contains("localhost") && !kept.contains(&port.to_string()), "{kept}");
}

#[tokio::test]
async fn a_key_is_near_its_expiry_thirty_days_before_it_and_expires_once() {
    let world = ending_after(100).await;

    world.vault.advance(days(69)).await.unwrap();
    let before = kinds(&world);
    world.vault.advance(days(1)).await.unwrap();
    let near = kinds(&world);
    world.vault.advance(days(300)).await.unwrap();

    let (created, near_expiry) = (EventKind::NewVersionCreated, EventKind::NearExpiry);
    assert_eq!(before, [created]);
    assert_eq!(near, [created, near_expiry]);
    assert_eq!(kinds(&world), [created, near_expiry, EventKind::Expired]);
    let events = world.vault.events();
    let times: Vec<i64> = events.iter().map(|event| event.event_time.unix_timestamp()).collect();
    let start = world.clock.unix_now() - 370 * 86_400;
    assert_eq!(times, [start, start + 70 * 86_400, start + 100 * 86_400]);
}

#[tokio::test]
async fn the_notice_follows_the_policy() {
    let world = ending_after(100).await;
    let policy = json!({
        "lifetimeActions": [{"trigger": {"timeBeforeExpiry": "P60D"}, "action": {"type": "Notify"}}],
    });
    world.owner(Method::PUT, "/keys/k/rotationpolicy", Some(policy)).await;

    world.vault.advance(days(40)).await.unwrap();

    assert_eq!(kinds(&world).last(), Some(&EventKind::NearExpiry));
}

#[tokio::test]
async fn a_changed_expiry_causes_new_events_and_an_older_version_none() {
    let world = ending_after(20).await;
    world.vault.run_due().await.unwrap();
    let soon = kinds(&world);
    let exp = world.clock.unix_now() + 25 * 86_400;
    let body = json!({"attributes": {"exp": exp}});
    world.owner(Method::PATCH, "/keys/k", Some(body)).await;
    world.vault.run_due().await.unwrap();
    let moved = kinds(&world);

    world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    world.vault.advance(days(100)).await.unwrap();

    let (created, near) = (EventKind::NewVersionCreated, EventKind::NearExpiry);
    assert_eq!(soon, [created, near]);
    assert_eq!(moved, [created, near, near]);
    assert_eq!(kinds(&world), [created, near, near, created]);
}

#[tokio::test]
async fn events_survive_a_restart_and_are_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    let exp = world.clock.unix_now() + 10 * 86_400;
    let body = json!({"kty": "RSA", "attributes": {"exp": exp}});
    world.owner(Method::POST, "/keys/k/create", Some(body)).await;
    world.vault.run_due().await.unwrap();
    let before = world.vault.events();
    let clock = world.clock.clone();
    world.vault.shutdown().await;

    let vault = MockKeyVault::builder().data_dir(&data).clock(clock).start().await.unwrap();
    vault.run_due().await.unwrap();

    assert_eq!(before.len(), 2);
    assert_eq!(vault.events(), before);
}

#[tokio::test]
async fn events_are_found_by_each_filter() {
    let world = ending_after(10).await;
    world.vault.run_due().await.unwrap();
    world.clock.advance(days(1));
    world.vault.create_key("local", "other", KeySize::Rsa2048).await.unwrap();
    let count = async |query: &str| {
        let found = admin(&world, Method::GET, &format!("events?{query}"), None).await;
        found.json()["events"].as_array().map_or(0, Vec::len)
    };

    assert_eq!(count("").await, 3);
    assert_eq!(count("type=KeyNearExpiry").await, 1);
    assert_eq!(count("type=Microsoft.KeyVault.KeyNewVersionCreated&key=K").await, 1);
    assert_eq!(count("since=2026-01-01T12:00:00Z").await, 1);
    assert_eq!(count("limit=2").await, 2);
    assert_eq!(count("vault=elsewhere").await, 0);
    let wrong = admin(&world, Method::GET, "events?kind=x", None).await;
    assert_eq!(wrong.status.as_u16(), 400);
    let message = wrong.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("type, vault, key, since or limit"), "{message}");
    assert_ne!(wrong.json(), Value::Null);
}
