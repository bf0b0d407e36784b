//! Several registries in one emulator: each has its own key ring, identity, key and state.

use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use serde_json::{Value, json};

use crate::support::{Answer, Client, content, start};

/// A client of a registry, chosen by its name in `Host`.
fn client_of(emulator: &Sealyard, name: &str) -> Client {
    Client::named(&emulator.registry_url(), &format!("{name}.azurecr.localhost"))
}

async fn patch(client: &Client, path: &str, body: &Value) -> Answer {
    Answer::of(client.request(Method::PATCH, path).json(body).send().await.unwrap()).await
}

/// The number of sealed files of all registries.
fn files(emulator: &Sealyard) -> usize {
    let files = emulator.endpoints().data_dir().join("files");
    let shards = std::fs::read_dir(files).unwrap();
    shards.map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count()).sum()
}

#[tokio::test]
async fn one_revoked_registry_does_not_touch_another() {
    let (emulator, local) = start().await;
    emulator.create_registry("team1").await.unwrap();
    emulator.create_registry("team2").await.unwrap();
    let (one, two) = (client_of(&emulator, "team1"), client_of(&emulator, "team2"));
    let layer = content::bytes(1, 300_000);
    for client in [&local, &one, &two] {
        client.push_image("app", "v1", &[&layer]).await;
    }

    let vault = emulator.vault().unwrap();
    vault.set_key_enabled("local", "team1", None, false).await.unwrap();
    let revoked = emulator.registry_named("team1").unwrap();
    revoked.key_ring().check().await;
    let status = local.get("/_sealyard/status").await.json();
    let refused = one.pull_blob("app", &layer).await;
    vault.set_key_enabled("local", "team1", None, true).await.unwrap();

    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let names_and_states: Vec<(&str, &str)> = status["registries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["state"].as_str().unwrap()))
        .collect();
    assert_eq!(names_and_states[1..], [("team1", "unavailable"), ("team2", names_and_states[2].1)]);
    for client in [&local, &two] {
        assert!(client.pull_blob("app", &layer).await.body == layer);
        client.push_image("app", "v2", &[b"more"]).await;
    }
    revoked.key_ring().check().await;
    assert!(one.pull_blob("app", &layer).await.body == layer);
}

#[tokio::test]
async fn the_same_blob_in_two_registries_is_two_files_under_two_key_rings() {
    let (emulator, local) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let one = client_of(&emulator, "team1");
    let blob = content::bytes(1, 10_000);

    local.push_blob("app", &blob).await;
    local.push_blob("other", &blob).await;
    assert_eq!(files(&emulator), 1, "within one registry it is stored once");
    let unknown = one.pull_blob("app", &blob).await;
    one.push_blob("app", &blob).await;

    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "content of another registry is not visible");
    assert_eq!(files(&emulator), 2);
    let rings: Vec<_> = emulator
        .app()
        .registries
        .all()
        .iter()
        .map(|registry| registry.key_ring().describe().configured.unwrap().name().to_string())
        .collect();
    assert_eq!(rings, ["registry-key", "team1"]);
    assert!(one.pull_blob("app", &blob).await.body == blob);
}

#[tokio::test]
async fn all_registries_survive_a_restart_and_an_unavailable_one_does_not_affect_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let begin = || Sealyard::builder().ephemeral().data_dir(folder.path().join("d")).start();
    let emulator = begin().await.unwrap();
    let layer = content::bytes(2, 100_000);
    for name in ["team1", "team2"] {
        emulator.create_registry(name).await.unwrap();
        client_of(&emulator, name).push_image("app", "v1", &[&layer]).await;
    }
    let body = json!({ "name": "plain", "encryption": "disabled", "sku": "Basic" });
    let made = Client::of(&emulator).send_json("/_sealyard/registries", &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    client_of(&emulator, "plain").push_image("app", "v1", &[&layer]).await;
    let vault = emulator.vault().unwrap();
    vault.delete_key("local", "team1").await.unwrap();
    emulator.shutdown().await;

    let emulator = begin().await.unwrap();
    let dark = client_of(&emulator, "team1").pull_blob("app", &layer).await;

    assert_eq!(dark.status, StatusCode::FORBIDDEN, "{dark:?}");
    for name in ["team2", "plain"] {
        assert!(client_of(&emulator, name).pull_blob("app", &layer).await.body == layer, "{name}");
    }
    emulator.vault().unwrap().recover_key("local", "team1").await.unwrap();
    emulator.registry_named("team1").unwrap().key_ring().check().await;
    assert!(client_of(&emulator, "team1").pull_blob("app", &layer).await.body == layer);
    let list = Client::of(&emulator).get("/_sealyard/registries").await.json();
    let registries: Vec<_> = list["registries"].as_array().unwrap().iter().collect();
    assert_eq!(
        registries.iter().map(|one| &one["name"]).collect::<Vec<_>>(),
        ["local", "plain", "team1", "team2"]
    );
    assert_eq!(
        (&registries[1]["sku"], &registries[1]["encryption"], &registries[1]["key"]),
        (&json!("Basic"), &json!("disabled"), &Value::Null)
    );
}

#[tokio::test]
async fn a_registry_is_deleted_with_its_files_and_its_name_is_free() {
    let (emulator, local) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let one = client_of(&emulator, "team1");
    local.push_blob("app", b"stays").await;
    one.push_image("app", "v1", &[&content::bytes(3, 50_000)]).await;
    one.begin("app").await;

    let stays = local.send(Method::DELETE, "/_sealyard/registries/local", "").await;
    let deleted = local.send(Method::DELETE, "/_sealyard/registries/Team1", "").await;
    let gone = one.get("/v2/app/manifests/v1").await;
    let again = local.send(Method::DELETE, "/_sealyard/registries/team1", "").await;

    assert_eq!(stays.status, StatusCode::CONFLICT);
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    assert_eq!((gone.status, again.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    assert_eq!(files(&emulator), 1);
    emulator.create_registry("team1").await.unwrap();
    assert_eq!(one.get("/v2/app/manifests/v1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(one.get("/v2/_catalog").await.json(), json!({ "repositories": [] }));
    one.push_image("app", "v1", &[b"new"]).await;
}

#[tokio::test]
async fn a_handle_to_a_deleted_registry_gives_no_access_to_its_content() {
    let (emulator, _local) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let held = emulator.registry_named("team1").unwrap();
    client_of(&emulator, "team1").push_image("app", "v1", &[b"layer"]).await;
    let before = held.content().await;

    emulator.delete_registry("team1").await.unwrap();
    let after = held.content().await;

    assert!(before.is_ok(), "{before:?}");
    assert!(matches!(after, Err(sealyard::internals::registry::Error::RegistryGone)), "{after:?}");
}

#[tokio::test]
async fn a_key_is_rotated_on_request_to_a_version_a_key_a_vault_and_an_identity() {
    let (emulator, local) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let one = client_of(&emulator, "team1");
    let layer = content::bytes(4, 100_000);
    one.push_image("app", "v1", &[&layer]).await;
    let vault = emulator.vault().unwrap();
    vault.create_vault("other", mock_keyvault::VaultChanges::default()).await.unwrap();
    let made = vault.create_key("other", "k", mock_keyvault::KeySize::Rsa2048).await.unwrap();
    let version = vault.key_uri("other", &made);
    let path = "/_sealyard/registries/team1";
    let rotate = async |body: Value| local.send_json(&format!("{path}/rotate-key"), &body).await;
    let with_system = patch(&local, path, &json!({ "systemAssignedIdentity": true })).await.json();
    let principals = [
        &with_system["userAssignedIdentities"][0]["principalId"],
        &with_system["systemAssignedIdentity"]["principalId"],
    ];
    for principal in principals {
        let all = mock_keyvault::KeyPermission::FOR_ENCRYPTION;
        vault.set_access_policy("other", principal.as_str().unwrap(), all).await.unwrap();
    }

    let other_vault = rotate(json!({ "keyIdentifier": version })).await.json();
    let by_hand = local.get(path).await.json();
    let followed = rotate(
        json!({ "keyIdentifier": version.rsplit_once('/').unwrap().0, "identity": "[system]" }),
    )
    .await
    .json();
    let same = rotate(json!({})).await.json();

    assert_eq!(other_vault["rotation"]["to"], version, "{other_vault}");
    assert_eq!(by_hand["key"]["keyRotationEnabled"], false);
    assert_eq!(by_hand["key"]["keyIdentifier"], version);
    assert!(by_hand["key"]["lastKeyRotationTimestamp"].is_string(), "{by_hand}");
    assert_eq!(followed["registry"]["key"]["keyRotationEnabled"], true, "{followed}");
    assert_eq!(followed["registry"]["keyIdentity"], "system");
    assert_eq!(same["rotation"]["dataKeys"], 0);
    assert!(one.pull_blob("app", &layer).await.body == layer);
}

#[tokio::test]
async fn in_strict_parity_a_registry_with_a_key_has_no_referrers_api() {
    let (emulator, local) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let one = client_of(&emulator, "team1");
    let subject = one.push_image("app", "v1", &[b"layer"]).await;
    let path = format!("/v2/app/referrers/{}", content::digest(&subject));
    let mut referrer = content::image(b"{}", &[]);
    one.push_blob("app", b"{}").await;
    referrer["subject"] = content::descriptor(content::IMAGE, &subject);
    let put = async || {
        let bytes = referrer.to_string().into_bytes();
        one.put_manifest("app", content::digest(&bytes).as_str(), &bytes).await
    };

    let open = (one.get(&path).await.status, put().await.headers.contains_key("oci-subject"));
    patch(&local, "/_sealyard/registries/team1", &json!({ "strictParity": true })).await;
    let strict = (one.get(&path).await.status, put().await.headers.contains_key("oci-subject"));

    assert_eq!(open, (StatusCode::OK, true));
    assert_eq!(strict, (StatusCode::NOT_FOUND, false));
    assert_eq!(local.get(&path).await.status, StatusCode::OK, "local is not in strict parity");
}
