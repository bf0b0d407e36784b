//! backupKey and restoreKey.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_keyvault::Sku;
use mock_keyvault::{KeySize, MockKeyVault, VaultChanges};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::jwk;
use crate::support::{Answer, World, send};

/// A recorded answer: `recording_fails_to_restore_a_key_with_a_malformed_backup` in azure-sdk-for-js.
const MALFORMED: &str = r#"{"error":{"code":"Malformed backup blob","message":"Backup blob contains invalid or corrupt version."}}"#;
const MAGIC: &[u8] = b"&AzureKeyVaultKeyBackupV1.microsoft.com";

async fn backup(world: &World) -> String {
    let answer = world.owner(Method::POST, "/keys/Key-1/backup", None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.field("value")
}

async fn restore(world: &World, blob: &str) -> Answer {
    world.owner(Method::POST, "/keys/restore", Some(json!({"value": blob}))).await
}

async fn purge(world: &World) {
    world.vault.delete_key("local", "Key-1").await.unwrap();
    world.vault.purge_key("local", "Key-1").await.unwrap();
}

/// Creates a key with three versions of different types, tags and attributes, and returns a value that the first one wrapped.
async fn key(world: &World) -> Vec<u8> {
    let body = json!({"kty": "RSA", "tags": {"n": "1"}});
    world.owner(Method::POST, "/keys/Key-1/create", Some(body)).await;
    let wrapped = world.wrap("/keys/Key-1/wrapkey", "RSA-OAEP-256", b"kept").await.value();
    let body = json!({"kty": "EC", "crv": "P-384", "attributes": {"exp": 4_000_000_000_i64}});
    world.owner(Method::POST, "/keys/Key-1/create", Some(body)).await;
    let body = json!({"Hsm": true, "key": jwk::ec("P-256"), "attributes": {"enabled": false}});
    world.owner(Method::PUT, "/keys/Key-1", Some(body)).await;
    wrapped
}

/// Everything that the service shows of all versions, without the port of the vault.
async fn all(world: &World) -> (Value, Vec<Value>) {
    let text = |answer: Answer| answer.text.replace(&world.vault.uri(), "");
    let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let list = read(text(world.owner(Method::GET, "/keys/Key-1/versions", None).await));
    let mut versions = Vec::new();
    for item in list["value"].as_array().unwrap() {
        let path = item["kid"].as_str().unwrap();
        versions.push(read(text(world.owner(Method::GET, path, None).await)));
    }
    let newest = read(text(world.owner(Method::GET, "/keys/Key-1", None).await));
    versions.push(newest);
    (list, versions)
}

#[tokio::test]
async fn a_restored_key_has_all_its_versions_unchanged_and_still_unwraps() {
    let world = World::new().await;
    let wrapped = key(&world).await;
    let before = all(&world).await;
    let first = before.1.iter().find(|version| version["key"]["kty"] == "RSA").unwrap();
    let path = first["key"]["kid"].as_str().unwrap().to_owned();
    let blob = backup(&world).await;
    purge(&world).await;

    let restored = restore(&world, &blob).await;

    let newest = world.owner(Method::GET, "/keys/Key-1", None).await;
    assert_eq!(restored.text, newest.text);
    assert_eq!(all(&world).await, before);
    assert_eq!(before.1.len(), 4);
    let unwrapped = world.wrap(&format!("{path}/unwrapkey"), "RSA-OAEP-256", &wrapped).await;
    assert_eq!(unwrapped.value(), b"kept");
}

#[tokio::test]
async fn a_blob_begins_like_a_real_one_and_reveals_nothing_about_the_key() {
    let world = World::new().await;
    let jwk = jwk::rsa(2048);
    world.owner(Method::PUT, "/keys/Key-1", Some(json!({"key": jwk, "tags": {"tag": "x"}}))).await;

    let (one, two) = (backup(&world).await, backup(&world).await);

    let blob = URL_SAFE_NO_PAD.decode(&one).unwrap();
    assert!(blob.starts_with(MAGIC));
    assert_ne!(one, two);
    let rest = &blob[MAGIC.len()..];
    let holds = |part: &[u8]| rest.windows(part.len()).any(|window| window == part);
    assert!(!holds(b"Key-1") && !holds(b"modulus"));
    for name in ["n", "d", "p", "q"] {
        assert!(!holds(&jwk::member(&jwk, name)[40..64]), "{name}");
        assert!(!holds(&jwk[name].as_str().unwrap().as_bytes()[40..64]), "{name}");
    }
}

#[tokio::test]
async fn a_blob_restores_after_a_restart_on_another_port_and_after_a_purge_of_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    let wrapped = key(&world).await;
    let before = all(&world).await;
    let blob = backup(&world).await;
    purge(&world).await;
    world.vault.create_key("local", "key-1", KeySize::Rsa2048).await.unwrap();
    purge(&world).await;
    world.vault.shutdown().await;

    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    let restored = restore(&world, &blob).await;
    assert_eq!(restored.status, StatusCode::OK, "{}", restored.text);
    world.vault.shutdown().await;

    // The restored key is on disk.
    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    assert_eq!(all(&world).await, before);
    let first = before.1.iter().find(|version| version["key"]["kty"] == "RSA").unwrap();
    let path = format!("{}/unwrapkey", first["key"]["kid"].as_str().unwrap());
    assert_eq!(world.wrap(&path, "RSA-OAEP-256", &wrapped).await.value(), b"kept");
}

#[tokio::test]
async fn a_name_in_use_is_a_conflict_and_nothing_changes() {
    let world = World::new().await;
    key(&world).await;
    let blob = backup(&world).await;
    let before = all(&world).await;
    let newest = before.1.last().unwrap()["key"]["kid"].as_str().unwrap().to_owned();

    let over_live = restore(&world, &blob).await;
    assert_eq!(all(&world).await, before);
    world.vault.delete_key("local", "Key-1").await.unwrap();
    let over_deleted = restore(&world, &blob).await;

    let (status, code, message) = over_live.refusal();
    assert_eq!((status, code.as_str()), (409, "Conflict"));
    let begin = format!("There was a conflict restoring the key '{}{newest}'.", world.vault.uri());
    assert!(message.starts_with(&begin), "{message}");
    let (status, code, _) = over_deleted.refusal();
    assert_eq!((status, code.as_str()), (409, "Conflict/ObjectIsDeletedButRecoverable"));
}

#[tokio::test]
async fn a_damaged_cut_or_foreign_blob_is_refused_with_the_same_answer() {
    let (world, other) = (World::new().await, World::new().await);
    key(&world).await;
    key(&other).await;
    let blob = URL_SAFE_NO_PAD.decode(backup(&world).await).unwrap();
    let foreign = URL_SAFE_NO_PAD.decode(backup(&other).await).unwrap();
    purge(&world).await;
    let changed = |at: usize| {
        let mut changed = blob.clone();
        changed[at] ^= 1;
        changed
    };
    let jwe = [MAGIC, b"eyJraWQiOiJ4IiwiYWxnIjoiUlNBLU9BRVAtMjU2In0.AA.AA.AA.AA"].concat();

    for bad in [
        changed(0),
        changed(MAGIC.len()),
        changed(MAGIC.len() + 5),
        changed(blob.len() / 2),
        changed(blob.len() - 1),
        blob[..blob.len() - 1].to_vec(),
        blob[..MAGIC.len()].to_vec(),
        blob[..10].to_vec(),
        blob[1..].to_vec(),
        [&blob[..], &[0]].concat(),
        Vec::new(),
        vec![0; 8700],
        foreign,
        jwe,
    ] {
        let refused = restore(&world, &URL_SAFE_NO_PAD.encode(&bad)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.text, MALFORMED);
    }
    let not_text = restore(&world, "+/+/").await;
    assert!(not_text.refusal().2.starts_with("Content of 'value' is not base64url."));
    let nothing = world.owner(Method::POST, "/keys/restore", Some(json!({}))).await;
    assert_eq!(nothing.refusal().2, "Property 'value' is required.\r\n");
    assert_eq!(world.owner(Method::GET, "/keys/Key-1", None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_disabled_key_is_backed_up_and_a_deleted_one_is_not_found() {
    let world = World::with_key().await;
    world.vault.set_key_enabled("local", "k", None, false).await.unwrap();

    let disabled = world.owner(Method::POST, "/keys/k/backup", None).await;
    world.vault.delete_key("local", "k").await.unwrap();
    let deleted = world.owner(Method::POST, "/keys/k/backup", None).await;

    assert_eq!(disabled.status, StatusCode::OK);
    assert_eq!(deleted.refusal().1, "KeyNotFound");
}

#[tokio::test]
async fn a_key_with_many_versions_is_restored_completely() {
    let world = World::new().await;
    let jwk = jwk::rsa(4096);
    let tags: serde_json::Map<String, Value> =
        (0..15).map(|i| (format!("{i}{}", "x".repeat(200)), json!("v".repeat(256)))).collect();
    for _ in 0..40 {
        let body = json!({"key": jwk, "tags": tags});
        world.owner(Method::PUT, "/keys/Key-1", Some(body)).await;
    }
    let blob = backup(&world).await;
    assert!(blob.len() > 256 << 10, "{}", blob.len());
    let before = all(&world).await;
    purge(&world).await;

    let restored = restore(&world, &blob).await;

    assert_eq!(restored.status, StatusCode::OK, "{}", restored.text);
    assert_eq!(all(&world).await, before);
}

#[tokio::test]
async fn a_blob_restores_into_any_vault_of_the_data_folder() {
    let world = World::new().await;
    let wrapped = key(&world).await;
    let first = all(&world).await.1.into_iter().find(|version| version["key"]["kty"] == "RSA");
    let path = first.unwrap()["key"]["kid"].as_str().unwrap().to_owned();
    let blob = backup(&world).await;
    // A version of the key is a hardware key.
    let premium = VaultChanges { sku: Some(Sku::Premium), ..VaultChanges::default() };
    world.vault.create_vault("other", premium).await.unwrap();
    let token = world.token(world.vault.owner()).await;
    let other = |path: &str, body: Value| {
        let url = format!("{}{path}?api-version=7.4", world.vault.vault_uri("other"));
        send(world.http.post(url).bearer_auth(&token).json(&body))
    };

    let restored = other("/keys/restore", json!({"value": blob})).await;
    let again = other("/keys/restore", json!({"value": blob})).await;

    assert_eq!(restored.status, StatusCode::OK, "{}", restored.text);
    let kid = restored.json()["key"]["kid"].as_str().unwrap().to_owned();
    assert!(kid.starts_with(&format!("{}/keys/Key-1/", world.vault.vault_uri("other"))), "{kid}");
    assert_eq!(again.status, StatusCode::CONFLICT);
    let body = json!({"alg": "RSA-OAEP-256", "value": URL_SAFE_NO_PAD.encode(&wrapped)});
    let unwrapped = other(&format!("{path}/unwrapkey"), body).await;
    assert_eq!(unwrapped.value(), b"kept");
}
