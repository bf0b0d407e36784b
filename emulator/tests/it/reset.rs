//! `reset` restores the state of a fresh start, also during pushes, and reports what it leaves in an external vault.

use std::path::Path;

use mock_keyvault::MockKeyVault;
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use serde_json::{Value, json};

use crate::support::arm::{make_group, send};
use crate::support::{Client, content, external, start, start_beside};

/// The visible state of an emulator, without the fields that differ between emulators.
async fn looks(emulator: &Sealyard, client: &Client) -> Value {
    let mut status = client.get("/_sealyard/status").await.json();
    for registry in status["registries"].as_array_mut().unwrap() {
        for own in ["since", "url", "loginServer"] {
            registry[own] = Value::Null;
        }
        for own in ["versionedKeyIdentifier", "keyIdentifier"] {
            registry["key"][own] = Value::Null;
        }
    }
    let keys = client.get("/_sealyard/registries/local/key").await.json();
    let vault = emulator.vault().unwrap();
    json!({
        "registries": status["registries"],
        "offset": status["clock"]["offset"],
        "frozen": status["clock"]["frozen"],
        "versions": keys["versions"].as_array().unwrap().iter().map(|version| version["enabled"].clone()).collect::<Vec<_>>(),
        "faults": client.get("/_sealyard/faults").await.json()["faults"],
        "revoked": client.get("/_sealyard/registries/local/revoke").await.json(),
        "principals": vault.principals().len(),
        "catalog": client.get("/v2/_catalog").await.json(),
    })
}

fn files(folder: &Path) -> usize {
    let mut folders = vec![folder.to_owned()];
    let mut found = 0;
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found += 1 }
        }
    }
    found
}

async fn reset(client: &Client) -> Value {
    let answer = client.send_json("/_sealyard/reset", &json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn after_a_reset_a_used_emulator_looks_like_a_fresh_one() {
    let (emulator, client) = start().await;
    let fresh = looks(&emulator, &client).await;
    let vault = emulator.vault().unwrap();
    let before = emulator.registry().key_ring().describe().versioned;
    client.push_image("app", "v1", &[&content::bytes(1, 300_000)]).await;
    let upload = client.begin("app").await;
    client.send(Method::PATCH, &upload, content::bytes(2, 300_000)).await;
    client.key("rotate").await;
    client.send_json("/_sealyard/clock", &json!({ "advance": "P1D" })).await;
    vault.add_application("builder").await.unwrap();
    let rule = json!({ "on": "tags", "kind": "status", "status": 500 });
    client.send_json("/_sealyard/faults", &rule).await;
    client.send_json("/_sealyard/faults", &json!({ "on": "arm", "kind": "reset" })).await;
    client.send_json("/_sealyard/registries/local/revoke", &json!({ "by": "disable" })).await;
    client.send_json("/_sealyard/faults", &json!({ "on": "issuer", "kind": "outage" })).await;

    let reply = reset(&client).await;

    assert_eq!(reply["left"], json!([]));
    assert_eq!(looks(&emulator, &client).await, fresh);
    assert_ne!(emulator.registry().key_ring().describe().versioned, before, "the key is new");
    let gone = client.get("/v2/app/manifests/v1").await;
    assert_eq!((gone.status, gone.code().as_str()), (StatusCode::NOT_FOUND, "NAME_UNKNOWN"));
    let data = emulator.endpoints().data_dir();
    assert_eq!(files(&data.join("files")) + files(&data.join("uploads")), 0);
    client.push_image("app", "v1", &[b"layer"]).await;
    assert_eq!(client.pull_blob("app", b"layer").await.body, b"layer");
}

#[tokio::test]
async fn an_unchanged_vault_keeps_its_key_so_that_a_reset_is_quick() {
    let (emulator, client) = start().await;
    let before = emulator.registry().key_ring().describe();
    client.push_image("app", "v1", &[b"layer"]).await;

    reset(&client).await;
    reset(&client).await;

    assert_eq!(emulator.registry().key_ring().describe(), before);
    assert_eq!(client.get("/v2/_catalog").await.json(), json!({ "repositories": [] }));
}

#[tokio::test]
async fn a_reset_undoes_every_kind_of_revocation() {
    let (emulator, client) = start().await;
    for by in ["policy", "delete", "firewall", "vault"] {
        let body = json!({ "by": by });
        client.send_json("/_sealyard/registries/local/revoke", &body).await;

        let reply = reset(&client).await;

        assert_eq!(reply["left"], json!([]), "{by}");
        assert_eq!(emulator.registry().key_ring().check().await.cause, None, "{by}");
        assert_eq!(client.push_blob("app", b"after").await.status, StatusCode::CREATED, "{by}");
    }
}

#[tokio::test]
async fn a_reset_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Sealyard::builder().ephemeral().data_dir(folder.path().join("d")).start();
    let emulator = start().await.unwrap();
    let client = Client::of(&emulator);
    client.push_image("app", "v1", &[b"layer"]).await;
    client.send_json("/_sealyard/clock", &json!({ "advance": "P1D" })).await;
    client.send_json("/_sealyard/registries/local/revoke", &json!({ "by": "policy" })).await;
    reset(&client).await;
    client.push_image("app", "v2", &[b"new"]).await;
    emulator.shutdown().await;

    let emulator = start().await.unwrap();
    let client = Client::of(&emulator);

    assert_eq!(client.get("/v2/app/tags/list").await.json()["tags"], json!(["v2"]));
    assert_eq!(client.pull_blob("app", b"new").await.body, b"new");
    assert_eq!(client.pull_blob("app", b"layer").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/_sealyard/clock").await.json()["offset"], "PT0S");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushes_during_a_reset_end_cleanly_and_leave_no_partial_content() {
    let (emulator, client) = start().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let mut pushers = Vec::new();
    let (ended, mut ends) = tokio::sync::watch::channel(());
    for pusher in 0..4_u64 {
        let (client, stop, ended) = (client.clone(), stop.clone(), ended.clone());
        pushers.push(tokio::spawn(async move {
            let mut answers = Vec::new();
            for round in 0.. {
                if stop.is_cancelled() {
                    break;
                }
                let name = format!("app{pusher}");
                answers.extend(push(&client, &name, pusher * 1000 + round).await);
                ended.send_replace(());
            }
            answers
        }));
    }

    for _ in 0..10 {
        // When one push ends, the others are at some step of theirs.
        ends.changed().await.unwrap();
        reset(&client).await;
    }
    stop.cancel();
    let mut answers = Vec::new();
    for pusher in pushers {
        answers.extend(pusher.await.unwrap());
    }
    let verified = client.send_json("/_sealyard/registries/local/verify", &json!({})).await;
    reset(&client).await;

    let unclean: Vec<&(u16, String)> =
        answers.iter().filter(|(status, _)| *status >= 500).collect();
    assert!(unclean.is_empty(), "{unclean:?}");
    assert!(answers.iter().any(|(status, _)| *status == 201), "at least one push succeeds");
    let text = String::from_utf8(verified.body).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["verified"]["findings"], json!([]), "{last}");
    let data = emulator.endpoints().data_dir();
    assert_eq!(files(&data.join("files")) + files(&data.join("uploads")), 0);
    assert_eq!(client.get("/_sealyard/status").await.json()["registries"][0]["blobs"], 0);
}

/// Pushes a blob and a manifest, and returns the answer to each request. An acknowledged manifest is pulled: the pull
/// gets all of it or 404.
async fn push(client: &Client, name: &str, seed: u64) -> Vec<(u16, String)> {
    let mut answers = Vec::new();
    let blob = content::bytes(seed + 1, 400_000);
    let mut note = |answer: &crate::support::Answer| {
        let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into_owned();
        answers.push((answer.status.as_u16(), body));
        answer.status.is_success()
    };
    let begun = client.send(Method::POST, &format!("/v2/{name}/blobs/uploads/"), "").await;
    if !note(&begun) {
        return answers;
    }
    let location = begun.header("location").to_owned();
    if !note(&client.send(Method::PATCH, &location, blob.clone()).await) {
        return answers;
    }
    let finish = format!("{location}?digest={}", content::digest(&blob));
    if !note(&client.send(Method::PUT, &finish, "").await) {
        return answers;
    }
    let manifest = content::image(&blob, &[&blob]).to_string().into_bytes();
    if !note(&client.put_manifest(name, "v1", &manifest).await) {
        return answers;
    }
    let pulled = client.get(&format!("/v2/{name}/manifests/v1")).await;
    if note(&pulled) {
        assert_eq!(pulled.body, manifest);
    }
    answers
}

#[tokio::test]
async fn in_an_external_vault_a_reset_undoes_only_the_changes_of_this_emulator() {
    let vault = MockKeyVault::builder().ephemeral().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_emulator, client) = start_beside(external(&vault), folder.path()).await;
    vault.create_key("local", "of-another-user", mock_keyvault::KeySize::Rsa2048).await.unwrap();
    client.push_image("app", "v1", &[b"layer"]).await;
    client.send_json("/_sealyard/registries/local/revoke", &json!({ "by": "policy" })).await;

    let reply = reset(&client).await;

    let left = reply["left"][0].as_str().unwrap();
    assert!(left.contains(&vault.uri()) && left.contains("are not reset"), "{left}");
    assert!(vault.latest_version("local", "of-another-user").await.unwrap().is_some());
    assert_eq!(client.get("/v2/_catalog").await.json(), json!({ "repositories": [] }));
}

#[tokio::test]
async fn a_vault_in_another_group_is_deleted_with_that_group_even_if_it_cannot_be_purged() {
    let (emulator, client) = start().await;
    make_group(&emulator, "team").await;
    let vault = json!({"location": "eastus", "properties": {
        "tenantId": azure_emulator_core::identity::TENANT,
        "sku": {"name": "standard", "family": "A"},
        "accessPolicies": [],
        "enablePurgeProtection": true,
    }});
    let path = "resourceGroups/team/providers/Microsoft.KeyVault/vaults/team-vault";
    let made = send(&emulator, Method::PUT, path, &vault).await;
    assert!(made.status.is_success(), "{made:?}");

    let left = reset(&client).await["left"].to_string();
    let again = reset(&client).await["left"].to_string();

    assert!(left.contains("team-vault") && again.contains("team-vault"), "{left} {again}");
    let group = send(&emulator, Method::HEAD, "resourceGroups/team", &Value::Null).await;
    assert_eq!(group.status, StatusCode::NOT_FOUND);
    client.push_image("app", "v1", &[b"layer"]).await;
}

#[tokio::test]
async fn after_a_reset_the_vault_local_is_premium_with_or_without_purge_protection() {
    let (emulator, client) = start().await;
    let path = "resourceGroups/sealyard/providers/Microsoft.KeyVault/vaults/local";
    let sku = async || {
        let vault = send(&emulator, Method::GET, path, &Value::Null).await;
        vault.json()["properties"]["sku"]["name"].clone()
    };
    assert_eq!(sku().await, "premium");

    for protected in [Value::Null, json!(true)] {
        let standard = json!({"properties": {
            "sku": {"family": "A", "name": "standard"}, "enablePurgeProtection": protected,
        }});
        let changed = send(&emulator, Method::PATCH, path, &standard).await;
        assert!(changed.status.is_success(), "{changed:?}");
        assert_eq!(sku().await, "standard");

        reset(&client).await;

        assert_eq!(sku().await, "premium", "{protected}");
        client.push_image("app", "v1", &[b"layer"]).await;
    }
}
