//! Hardware keys: a premium vault creates them, and a standard vault keeps its existing ones.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_keyvault::{MockKeyVault, VaultChanges};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::jwk;
use crate::support::{Answer, World, vault_path};

/// Azure's message (azure-sdk-for-net#6551, azure-docs#63888). Its code is not published; this is the code of every other
/// refusal of a new key.
const REFUSAL: &str = r#"{"error":{"code":"BadParameter","message":"Hardware key operation not allowed on standard vault"}}"#;

/// Sets the price class of a vault.
async fn set_sku(world: &World, vault: &str, sku: &str) {
    let path = match vault {
        "local" => vault_path(vault).replace("resourceGroups/g/", "resourceGroups/sealyard/"),
        _ => vault_path(vault),
    };
    let body = json!({"properties": {"sku": {"family": "A", "name": sku}}});
    let answer = world.arm(Method::PATCH, &path, Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["properties"]["sku"]["name"], sku);
}

/// The price class in the answer about the vault called `local`.
async fn sku_of_local(world: &World) -> Value {
    let path = vault_path("local").replace("resourceGroups/g/", "resourceGroups/sealyard/");
    let answer = world.arm(Method::GET, &path, None).await;
    answer.json()["properties"]["sku"].clone()
}

async fn owner(world: &World, vault: &str, method: Method, path: &str, body: Value) -> Answer {
    let body = (!body.is_null()).then_some(body);
    world.keys_as(world.vault.owner().client_id, vault, method, path, body).await
}

#[tokio::test]
async fn the_vault_called_local_is_premium() {
    let world = World::new().await;

    assert_eq!(sku_of_local(&world).await, json!({"family": "A", "name": "premium"}));
    for kty in ["RSA-HSM", "EC-HSM"] {
        let body = json!({"kty": kty});
        let made = owner(&world, "local", Method::POST, "/keys/k/create", body).await;
        assert_eq!(made.json()["key"]["kty"], kty, "{}", made.text);
    }
}

#[tokio::test]
async fn the_vault_called_local_of_an_older_folder_becomes_premium_and_others_do_not() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("v");
    crate::migration::unpack(&folder);
    let start = async || {
        let vault = MockKeyVault::builder().data_dir(&folder).start().await.unwrap();
        let http = crate::support::client(vault.ca_pem());
        World { vault, clock: crate::support::clock(), http }
    };

    let world = start().await;

    assert_eq!(sku_of_local(&world).await["name"], "premium");
    let hardware = json!({"kty": "EC-HSM"});
    let made = owner(&world, "local", Method::POST, "/keys/h/create", hardware).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let other = world.arm(Method::GET, &vault_path("kv2"), None).await.json();
    assert_eq!(other["properties"]["sku"]["name"], "standard");
    world.vault.shutdown().await;

    let world = start().await;
    assert_eq!(sku_of_local(&world).await["name"], "premium");
    set_sku(&world, "local", "standard").await;
    world.vault.shutdown().await;

    let world = start().await;
    assert_eq!(sku_of_local(&world).await["name"], "standard", "a choice is kept");
}

#[tokio::test]
async fn a_standard_vault_refuses_new_hardware_keys() {
    let world = World::new().await;
    let premium = owner(&world, "local", Method::POST, "/keys/h/create", json!({"kty": "EC-HSM"}));
    assert_eq!(premium.await.status, StatusCode::OK);
    let backup = owner(&world, "local", Method::POST, "/keys/h/backup", Value::Null).await;
    let backup = backup.field("value");
    world.vault.create_vault("kv1", VaultChanges::default()).await.unwrap();
    let mut of_hardware = jwk::ec("P-256");
    of_hardware["kty"] = json!("EC-HSM");

    for (method, path, body) in [
        (Method::POST, "/keys/k/create", json!({"kty": "RSA-HSM"})),
        (Method::POST, "/keys/k/create", json!({"kty": "RSA-HSM", "key_ops": ["import"]})),
        (Method::POST, "/keys/k/create", json!({"kty": "EC-HSM", "crv": "P-384"})),
        (Method::PUT, "/keys/k", json!({"key": of_hardware})),
        (Method::PUT, "/keys/k", json!({"Hsm": true, "key": jwk::rsa(2048)})),
        (Method::POST, "/keys/restore", json!({"value": backup})),
    ] {
        let refused = owner(&world, "kv1", method, path, body).await;
        assert_eq!((refused.status, refused.text.as_str()), (StatusCode::BAD_REQUEST, REFUSAL));
    }
    let list = owner(&world, "kv1", Method::GET, "/keys", Value::Null).await;
    assert_eq!(list.json()["value"], json!([]));
    for (method, path, body) in [
        (Method::POST, "/keys/k/create", json!({"kty": "EC"})),
        (Method::PUT, "/keys/k", json!({"Hsm": false, "key": jwk::ec("P-256")})),
    ] {
        let made = owner(&world, "kv1", method, path, body).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    }
}

#[tokio::test]
async fn hardware_keys_still_work_in_a_vault_that_became_standard() {
    let world = World::new().await;
    let create =
        async |body: Value| owner(&world, "local", Method::POST, "/keys/h/create", body).await;
    assert_eq!(create(json!({"kty": "RSA-HSM"})).await.status, StatusCode::OK);
    let value = URL_SAFE_NO_PAD.encode(b"kept");
    let body = json!({"alg": "RSA-OAEP-256", "value": value});
    let wrapped =
        owner(&world, "local", Method::POST, "/keys/h/wrapkey", body).await.field("value");
    set_sku(&world, "local", "standard").await;

    let policy = json!({
        "lifetimeActions": [{"trigger": {"timeAfterCreate": "P28D"}, "action": {"type": "Rotate"}}],
        "attributes": {"expiryTime": "P90D"},
    });
    let first = owner(&world, "local", Method::GET, "/keys/h", Value::Null).await.json();
    let first = first["key"]["kid"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let unwraps = async || {
        let path = format!("/keys/h/{first}/unwrapkey");
        let body = json!({"alg": "RSA-OAEP-256", "value": wrapped});
        owner(&world, "local", Method::POST, &path, body).await.value()
    };
    for (method, path, body) in [
        (Method::PATCH, "/keys/h", json!({"tags": {"a": "b"}})),
        (Method::POST, "/keys/h/rotate", Value::Null),
        (Method::DELETE, "/keys/h", Value::Null),
        (Method::POST, "/deletedkeys/h/recover", Value::Null),
        (Method::POST, "/keys/h/backup", Value::Null),
        (Method::PUT, "/keys/h/rotationpolicy", policy),
    ] {
        let answer = owner(&world, "local", method, path, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    }
    assert_eq!(unwraps().await, b"kept");
    world.vault.advance(Duration::from_hours(24 * 29)).await.unwrap();
    let versions = owner(&world, "local", Method::GET, "/keys/h/versions", Value::Null).await;
    assert_eq!(versions.json()["value"].as_array().unwrap().len(), 3, "{}", versions.text);
    let newest = owner(&world, "local", Method::GET, "/keys/h", Value::Null).await.json();
    assert_eq!(newest["key"]["kty"], "RSA-HSM");
    assert_eq!(unwraps().await, b"kept");

    assert_eq!(create(json!({"kty": "RSA-HSM"})).await.text, REFUSAL);
    set_sku(&world, "local", "premium").await;
    assert_eq!(create(json!({"kty": "EC-HSM"})).await.status, StatusCode::OK);
}
