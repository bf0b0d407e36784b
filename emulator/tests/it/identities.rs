//! The identities of registries: taken, given back, made, deleted, and the one that a registry has by itself.

use mock_keyvault::clock::Clock;
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use serde_json::{Value, json};

use crate::support::{Answer, Client, content, start, start_with_clock};

/// Longer than a lease.
const LATER: std::time::Duration = std::time::Duration::from_secs(6);

fn client_of(emulator: &Sealyard, name: &str) -> Client {
    Client::named(&emulator.registry_url(), &format!("{name}.azurecr.localhost"))
}

async fn change(client: &Client, name: &str, body: &Value) -> Answer {
    let path = format!("/_sealyard/registries/{name}");
    Answer::of(client.request(Method::PATCH, &path).json(body).send().await.unwrap()).await
}

/// A registry with an image, whose one identity has its name.
async fn pushed() -> (Sealyard, Client, Client, Clock, Vec<u8>) {
    let (emulator, admin, clock) = start_with_clock().await;
    emulator.create_registry("team1").await.unwrap();
    let client = client_of(&emulator, "team1");
    let layer = content::bytes(1, 100_000);
    client.push_image("app", "v1", &[&layer]).await;
    (emulator, admin, client, clock, layer)
}

#[tokio::test]
async fn a_registry_whose_identity_is_taken_goes_dark_and_is_back_when_it_is_given_back() {
    let (emulator, admin, client, clock, layer) = pushed().await;
    let client_id = emulator.registry_named("team1").unwrap().profile().identities[0]
        .principal
        .client_id
        .clone();

    let taken = change(&admin, "team1", &json!({ "removeIdentities": ["team1"] })).await.json();
    clock.advance(LATER);
    let refused = client.pull_blob("app", &layer).await;
    let rotate = admin.send_json("/_sealyard/registries/team1/rotate-key", &json!({})).await;
    let back = change(&admin, "team1", &json!({ "assignIdentities": ["team1"] })).await.json();

    assert_eq!(
        (&taken["state"], &taken["cause"]),
        (&json!("unavailable"), &json!("identityRemoved"))
    );
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let words = format!(
        "does not have access to identity '{client_id}' Try forcibly adding the identity to the registry team1."
    );
    let message = rotate.json()["error"]["message"].to_string();
    assert_eq!(rotate.status, StatusCode::BAD_REQUEST, "{message}");
    assert!(message.contains(&words), "{message}");
    assert_eq!(back["state"], "active", "{back}");
    assert!(client.pull_blob("app", &layer).await.body == layer);
    assert_eq!(emulator.registry().key_ring().status().cause, None, "local is not touched");
}

#[tokio::test]
async fn local_loses_and_gets_back_the_identity_that_everything_was_started_with() {
    let (emulator, client) = start().await;
    client.push_blob("app", b"layer").await;

    let taken = change(&client, "local", &json!({ "removeIdentities": ["sealyard"] })).await.json();
    let refused = client.pull_blob("app", b"layer").await;
    change(&client, "local", &json!({ "assignIdentities": ["sealyard"] })).await;

    assert_eq!(taken["cause"], "identityRemoved");
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(client.pull_blob("app", b"layer").await.body, b"layer");
    assert_eq!(emulator.registry().profile().identities.len(), 1);
}

#[tokio::test]
async fn an_identity_that_is_in_use_is_deleted_by_force_alone_and_another_of_its_name_is_not_it() {
    let (emulator, admin, client, clock, layer) = pushed().await;
    let delete = async |query: &str| {
        admin.send(Method::DELETE, &format!("/_sealyard/identities/team1{query}"), "").await
    };

    let in_use = delete("").await;
    let forced = delete("?force=true").await;
    clock.advance(LATER);
    let refused = client.pull_blob("app", &layer).await;
    let again = admin.send_json("/_sealyard/identities", &json!({ "name": "team1" })).await;
    let status = emulator.registry_named("team1").unwrap().key_ring().check().await;

    assert_eq!((in_use.status, forced.status), (StatusCode::CONFLICT, StatusCode::NO_CONTENT));
    assert!(in_use.json()["error"]["message"].as_str().unwrap().contains("team1"), "{in_use:?}");
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(again.status, StatusCode::CREATED);
    assert_eq!(status.cause, Some(sealyard::keys::Cause::IdentityRemoved));
    assert_eq!(delete("/none").await.status, StatusCode::NOT_FOUND);
    let start = admin.send(Method::DELETE, "/_sealyard/identities/sealyard", "").await;
    assert_eq!(start.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn the_identity_of_a_registry_itself_goes_with_it() {
    let (emulator, admin, _client, _clock, _) = pushed().await;
    let own = change(&admin, "team1", &json!({ "systemAssignedIdentity": true })).await.json();
    let own = own["systemAssignedIdentity"]["clientId"].as_str().unwrap().to_owned();
    let has = || {
        let principals = emulator.vault().unwrap().principals();
        principals.iter().any(|principal| principal.client_id() == own)
    };

    assert!(has());
    admin.send(Method::DELETE, "/_sealyard/registries/team1", "").await;

    assert!(!has());
}
