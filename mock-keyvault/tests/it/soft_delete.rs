//! Deleted keys: get, list, recover, purge.

use std::time::Duration;

use mock_keyvault::KeySize;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::World;

const DAY: u64 = 86_400;

#[tokio::test]
async fn a_deleted_key_is_not_found_and_is_recovered_with_all_its_versions() {
    let world = World::with_key().await;
    let old = world.vault.latest_version("local", "k").await.unwrap().unwrap().version.unwrap();
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await.value();
    world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();

    let deleted = world.owner(Method::DELETE, "/keys/k", None).await;
    let gone = world.identity(Method::GET, "/keys/k", None).await;
    let path = format!("/keys/k/{old}/unwrapkey");
    let refused = world.wrap(&path, "RSA-OAEP-256", &wrapped).await;
    let listed = world.owner(Method::GET, "/deletedkeys", None).await.json();
    let shown = world.owner(Method::GET, "/deletedkeys/k", None).await;
    let recovered = world.owner(Method::POST, "/deletedkeys/k/recover", None).await;
    let back = world.wrap(&path, "RSA-OAEP-256", &wrapped).await;

    let now = world.clock.unix_now();
    let start = format!(
        r#"{{"recoveryId":"{}/deletedkeys/k","deletedDate":{now},"scheduledPurgeDate":{},"key":{{"#,
        world.vault.uri(),
        now + 90 * 86_400
    );
    assert!(deleted.text.starts_with(&start), "{}", deleted.text);
    assert_eq!(shown.text, deleted.text);
    assert_eq!((gone.status.as_u16(), gone.refusal().1.as_str()), (404, "KeyNotFound"));
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert_eq!(listed["value"][0]["kid"], format!("{}/keys/k", world.vault.uri()));
    assert_eq!(recovered.json()["key"], deleted.json()["key"]);
    assert_eq!(back.value(), b"x");
    let none = world.owner(Method::GET, "/deletedkeys/k", None).await;
    assert_eq!(none.refusal().2, "Deleted Key not found: k");
}

#[tokio::test]
async fn the_name_of_a_deleted_key_cannot_be_used_until_it_is_purged() {
    let world = World::with_key().await;
    world.vault.delete_key("local", "k").await.unwrap();
    let create = || world.owner(Method::POST, "/keys/K/create", Some(json!({"kty": "RSA"})));

    let conflict = create().await;
    let twice = world.owner(Method::DELETE, "/keys/k", None).await;
    let purged = world.owner(Method::DELETE, "/deletedkeys/k", None).await;
    let made = create().await;

    assert_eq!(
        conflict.refusal(),
        (
            409,
            "Conflict/ObjectIsDeletedButRecoverable".into(),
            "Key k is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the key can only be recovered or purged.".into()
        )
    );
    assert_eq!(twice.status, StatusCode::NOT_FOUND);
    assert_eq!(purged.status, StatusCode::NO_CONTENT);
    assert!(purged.text.is_empty() && !purged.headers.contains_key("content-type"));
    assert_eq!(made.status, StatusCode::OK);
}

#[tokio::test]
async fn a_deleted_key_is_purged_when_its_retention_ends_and_not_before() {
    let world = World::with_key().await;
    world.vault.delete_key("local", "k").await.unwrap();

    world.clock.advance(Duration::from_secs(90 * DAY - 1));
    let before = world.owner(Method::GET, "/deletedkeys/k", None).await;
    world.clock.advance(Duration::from_secs(1));
    let after = world.owner(Method::GET, "/deletedkeys/k", None).await;

    assert_eq!(before.status, StatusCode::OK);
    assert_eq!(after.status, StatusCode::NOT_FOUND);
    assert!(world.vault.recover_key("local", "k").await.is_err());
}
