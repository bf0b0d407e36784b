//! The identities of registries: removed, assigned again, created and deleted; and the system identity of a registry.

use azure_emulator_core::clock::Clock;
use mock_keyvault::{KeyPermission, VaultChanges};
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use sealyard::{Cause, State};
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

/// A registry `team1` with an image and one identity of the same name.
async fn pushed() -> (Sealyard, Client, Client, Clock, Vec<u8>) {
    let (emulator, admin, clock) = start_with_clock().await;
    emulator.create_registry("team1").await.unwrap();
    let client = client_of(&emulator, "team1");
    let layer = content::bytes(1, 100_000);
    client.push_image("app", "v1", &[&layer]).await;
    (emulator, admin, client, clock, layer)
}

#[tokio::test]
async fn a_registry_is_unavailable_while_its_identity_is_removed_and_works_when_it_is_assigned_again()
 {
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
    let sentence = format!(
        "does not have access to identity '{client_id}' Try forcibly adding the identity to the registry team1."
    );
    let message = rotate.json()["error"]["message"].to_string();
    assert_eq!(rotate.status, StatusCode::BAD_REQUEST, "{message}");
    assert!(message.contains(&sentence), "{message}");
    assert_eq!(back["state"], "active", "{back}");
    assert!(client.pull_blob("app", &layer).await.body == layer);
    assert_eq!(
        emulator.registry().key_ring().status().cause,
        None,
        "the registry local is not affected"
    );
}

#[tokio::test]
async fn the_first_identity_can_be_removed_from_local_and_assigned_again() {
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
async fn an_identity_in_use_is_deleted_only_with_force_and_a_new_one_with_its_name_does_not_replace_it()
 {
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
    assert_eq!(status.cause, Some(Cause::IdentityRemoved));
    assert_eq!(delete("/none").await.status, StatusCode::NOT_FOUND);
    let start = admin.send(Method::DELETE, "/_sealyard/identities/sealyard", "").await;
    assert_eq!(start.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn the_system_identity_of_a_registry_is_deleted_with_it() {
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

/// Enables purge protection: without it strict parity refuses rotations.
async fn protect(emulator: &Sealyard) {
    let changes = VaultChanges { purge_protection: Some(true), ..VaultChanges::default() };
    emulator.vault().unwrap().change_vault("local", changes).await.unwrap();
}

/// The same registry, in strict parity.
async fn strict() -> (Sealyard, Client, Client, Clock, Vec<u8>) {
    let (emulator, admin, client, clock, layer) = pushed().await;
    protect(&emulator).await;
    change(&admin, "team1", &json!({ "strictParity": true })).await;
    (emulator, admin, client, clock, layer)
}

async fn advance(admin: &Client, by: &str) {
    let moved = admin.send_json("/_sealyard/clock", &json!({ "advance": by })).await;
    assert_eq!(moved.status, StatusCode::OK, "{moved:?}");
}

/// The state and cause of team1, without a request to the vault.
fn state_of(emulator: &Sealyard) -> (State, Option<Cause>) {
    let status = emulator.registry_named("team1").unwrap().key_ring().status();
    (status.state, status.cause)
}

#[tokio::test]
async fn in_strict_parity_a_removed_identity_works_for_ninety_days_of_the_clock() {
    let (emulator, admin, client, clock, layer) = strict().await;

    let taken = change(&admin, "team1", &json!({ "removeIdentities": ["team1"] })).await.json();
    let end = clock.now() + time::Duration::days(90);
    advance(&admin, "P89D").await;
    let served = client.pull_blob("app", &layer).await;
    let before = state_of(&emulator);
    advance(&admin, "P1D").await;
    let after = state_of(&emulator);
    let refused = client.pull_blob("app", &layer).await;
    let back = change(&admin, "team1", &json!({ "assignIdentities": ["team1"] })).await.json();

    assert_eq!(taken["state"], "active", "{taken}");
    let until = taken["keyIdentityWorksUntil"].as_str().unwrap();
    let until = time::OffsetDateTime::parse(until, &time::format_description::well_known::Rfc3339);
    assert!((end - until.unwrap()).abs() < time::Duration::minutes(1), "{taken}");
    assert_eq!(before.0, State::Active);
    assert!(served.body == layer);
    assert_eq!(
        after,
        (State::Unavailable, Some(Cause::IdentityInactive)),
        "the state changes without a pull"
    );
    let error = &refused.json()["errors"][0];
    assert_eq!((refused.status, &error["code"]), (StatusCode::FORBIDDEN, &json!("DENIED")));
    let sentence = "The identity associated with the registry is inactive. This could be due to attempted removal of the identity. Reassign the identity manually. Key ";
    assert!(error["message"].as_str().unwrap().starts_with(sentence), "{error}");
    assert_eq!(error["detail"]["cause"], "identityInactive");
    assert_eq!((&back["state"], &back["cause"]), (&json!("active"), &Value::Null));
    assert_eq!(back["keyIdentityWorksUntil"], Value::Null);
    assert!(client.pull_blob("app", &layer).await.body == layer);
}

#[tokio::test]
async fn in_strict_parity_a_rotation_is_refused_after_the_identity_was_removed() {
    let (emulator, admin, client, clock, layer) = strict().await;
    let rotate = async || {
        let rotated = admin.send_json("/_sealyard/registries/team1/rotate-key", &json!({})).await;
        (rotated.status, rotated.json()["error"]["message"].to_string())
    };

    change(&admin, "team1", &json!({ "removeIdentities": ["team1"] })).await;
    let (status, message) = rotate().await;
    clock.advance(LATER);
    let served = client.pull_blob("app", &layer).await;
    let state = state_of(&emulator).0;
    change(&admin, "team1", &json!({ "assignIdentities": ["team1"] })).await;

    assert_eq!(status, StatusCode::BAD_REQUEST, "{message}");
    assert!(message.contains("does not have access to identity"), "{message}");
    assert!(served.body == layer);
    assert_eq!(state, State::Active, "only the rotation was refused");
    assert_eq!(rotate().await.0, StatusCode::OK);
}

#[tokio::test]
async fn in_strict_parity_a_revocation_in_the_vault_still_stops_a_removed_identity() {
    let (emulator, admin, client, _clock, layer) = strict().await;
    change(&admin, "team1", &json!({ "removeIdentities": ["team1"] })).await;

    for (by, cause) in [("disable", "keyDisabled"), ("policy", "policyRemoved")] {
        let path = |verb: &str| format!("/_sealyard/registries/team1/{verb}");
        let revoked = admin.send_json(&path("revoke"), &json!({ "by": by })).await.json();
        let refused = client.pull_blob("app", &layer).await;
        let restored = admin.send_json(&path("restore"), &json!({})).await.json();

        assert_eq!(revoked["cause"], cause, "{revoked}");
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{by}");
        assert_eq!(restored["state"], "active", "{restored}");
        assert!(client.pull_blob("app", &layer).await.body == layer, "{by}");
    }
    change(&admin, "team1", &json!({ "strictParity": false })).await;
    let status = emulator.registry_named("team1").unwrap().key_ring().status();
    assert_eq!(
        status.cause,
        Some(Cause::IdentityRemoved),
        "without strict parity a removed identity does not work"
    );
}

#[tokio::test]
async fn in_strict_parity_revoke_by_identity_returns_at_once_and_reports_when_it_takes_effect() {
    let (_emulator, admin, client, clock, layer) = strict().await;
    let path = |verb: &str| format!("/_sealyard/registries/team1/{verb}");
    let begun = clock.elapsed();

    let revoked = admin.send_json(&path("revoke"), &json!({ "by": "identity" })).await;
    let took = clock.elapsed().saturating_sub(begun);
    advance(&admin, "P90D").await;
    let refused = client.pull_blob("app", &layer).await;
    let restored = admin.send_json(&path("restore"), &json!({})).await.json();

    assert_eq!(revoked.status, StatusCode::OK, "{revoked:?}");
    let revoked = revoked.json();
    assert_eq!(revoked["state"], "active", "{revoked}");
    assert!(revoked["unavailableFrom"].is_string(), "{revoked}");
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(restored["state"], "active", "{restored}");
    assert!(client.pull_blob("app", &layer).await.body == layer);
}

#[tokio::test]
async fn in_strict_parity_an_identity_that_is_deleted_works_no_longer_before_or_after_its_removal()
{
    for deleted_first in [false, true] {
        let (emulator, admin, client, clock, layer) = strict().await;
        let remove = json!({ "removeIdentities": ["team1"] });

        if !deleted_first {
            let removed = change(&admin, "team1", &remove).await.json();
            assert!(removed["keyIdentityWorksUntil"].is_string(), "{removed}");
        }
        admin.send(Method::DELETE, "/_sealyard/identities/team1?force=true", "").await;
        if deleted_first {
            change(&admin, "team1", &remove).await;
        }
        let shown = admin.get("/_sealyard/registries/team1").await.json();
        clock.advance(LATER);
        let refused = client.pull_blob("app", &layer).await;
        let state = state_of(&emulator);

        assert_eq!(shown["keyIdentityWorksUntil"], Value::Null, "{deleted_first}: {shown}");
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{deleted_first}");
        assert_eq!(state, (State::Unavailable, Some(Cause::IdentityRemoved)), "{deleted_first}");
    }
}

#[tokio::test]
async fn in_strict_parity_the_ninety_days_continue_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Sealyard::builder().ephemeral().data_dir(folder.path().join("d")).start();
    let emulator = open().await.unwrap();
    let admin = Client::of(&emulator);
    admin.push_blob("app", b"layer").await;
    let strict = json!({ "strictParity": true, "removeIdentities": ["sealyard"] });
    change(&admin, "local", &json!({ "strictParity": true })).await;
    let taken = change(&admin, "local", &strict).await.json();
    emulator.shutdown().await;

    let emulator = open().await.unwrap();
    let admin = Client::of(&emulator);
    let served = admin.pull_blob("app", b"layer").await;
    advance(&admin, "P90D").await;

    let shown = admin.get("/_sealyard/registries/local").await.json();
    assert_eq!(served.body, b"layer");
    assert_eq!(shown["keyIdentityWorksUntil"], taken["keyIdentityWorksUntil"], "{shown}");
    assert_eq!(shown["cause"], "identityInactive", "{shown}");
}

#[tokio::test]
async fn a_registry_whose_identity_was_deleted_works_again_with_another_one() {
    for parity in [false, true] {
        let (emulator, admin, client, clock, layer) = pushed().await;
        protect(&emulator).await;
        change(&admin, "team1", &json!({ "strictParity": parity })).await;
        let forced = "/_sealyard/identities/team1?force=true";
        admin.send(Method::DELETE, forced, "").await;
        clock.advance(LATER);
        let refused = client.pull_blob("app", &layer).await;

        let made = admin.send_json("/_sealyard/identities", &json!({ "name": "other" })).await;
        change(&admin, "team1", &json!({ "assignIdentities": ["other"] })).await;
        let to = json!({ "identity": "other" });
        let rotate = async || admin.send_json("/_sealyard/registries/team1/rotate-key", &to).await;
        let without_permission = rotate().await;
        let vault = emulator.vault().unwrap();
        let made = made.json();
        let id = made["principalId"].as_str().unwrap();
        let three = [KeyPermission::Get, KeyPermission::WrapKey, KeyPermission::UnwrapKey];
        vault.set_access_policy("local", id, &three).await.unwrap();
        let rotated = rotate().await;

        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(without_permission.status, StatusCode::BAD_REQUEST, "{without_permission:?}");
        assert_eq!(rotated.status, StatusCode::OK, "strict parity: {parity}, {rotated:?}");
        assert_eq!(state_of(&emulator), (State::Active, None));
        assert!(client.pull_blob("app", &layer).await.body == layer);
    }
}
