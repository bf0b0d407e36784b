//! wrapKey and unwrapKey.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_keyvault::{KeySize, Operation};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::World;

const ALGORITHMS: [&str; 3] = ["RSA-OAEP-256", "RSA-OAEP", "RSA1_5"];

#[tokio::test]
async fn each_algorithm_unwraps_its_wrapped_values_with_each_size_of_key() {
    let world = World::new().await;
    let sizes = [
        ("k2", KeySize::Rsa2048, 256),
        ("k3", KeySize::Rsa3072, 384),
        ("k4", KeySize::Rsa4096, 512),
    ];

    for (name, size, len) in sizes {
        world.vault.create_key("local", name, size).await.unwrap();
        for algorithm in ALGORITHMS {
            let wrapped = world.wrap(&format!("/keys/{name}/wrapkey"), algorithm, &[7; 32]).await;
            assert_eq!(wrapped.value().len(), len);
            let path = format!("/keys/{name}/unwrapkey");
            let unwrapped = world.wrap(&path, algorithm, &wrapped.value()).await;
            assert_eq!(unwrapped.value(), [7; 32]);
            assert_eq!(unwrapped.field("kid"), wrapped.field("kid"));
        }
    }
}

#[tokio::test]
async fn every_spelling_of_the_path_that_sdks_use_works_and_names_the_version() {
    let world = World::with_key().await;
    let latest = world.vault.latest_version("local", "k").await.unwrap().unwrap();
    let version = latest.version.clone().unwrap();
    let kid = world.vault.key_uri("local", &latest);

    for path in [
        "/keys/k/wrapkey".to_owned(),
        "/keys/k/wrapKey".to_owned(),
        "/keys/k//wrapkey".to_owned(),
        "/keys/K/WRAPKEY/".to_owned(),
        format!("/keys/k/{version}/wrapkey"),
        format!("/keys/k/{version}/wrapKey"),
    ] {
        let wrapped = world.wrap(&path, "RSA-OAEP-256", b"x").await;
        assert_eq!(wrapped.status, StatusCode::OK, "{path}: {}", wrapped.text);
        assert_eq!(wrapped.field("kid"), kid, "{path}");
    }
}

#[tokio::test]
async fn an_older_version_still_unwraps_its_wrapped_values() {
    let world = World::with_key().await;
    let old = world.vault.latest_version("local", "k").await.unwrap().unwrap().version.unwrap();
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"old").await;

    world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();

    let by_old =
        world.wrap(&format!("/keys/k/{old}/unwrapkey"), "RSA-OAEP-256", &wrapped.value()).await;
    let by_new = world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped.value()).await;
    assert_eq!(by_old.value(), b"old");
    assert_eq!(by_new.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn every_failed_unwrap_gets_the_same_answer() {
    let world = World::with_key().await;
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"secret").await.value();
    let mut changed = wrapped.clone();
    changed[128] ^= 1;

    for bad in [&changed[..], &wrapped[..255], &[], &[0xff; 256], &[0; 256], &[1; 512]] {
        let refused = world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", bad).await;
        assert_eq!(
            refused.refusal(),
            (400, "BadParameter".into(), "Unable to decrypt specified value with this key.".into())
        );
    }
}

#[tokio::test]
async fn the_refusal_of_a_bad_body_names_the_fault() {
    let world = World::with_key().await;
    let value = URL_SAFE_NO_PAD.encode([0; 191]);

    for (body, expected) in [
        (json!({"value": "AA"}), "Property 'alg' is required."),
        (json!({"alg": "RSA-OAEP-256"}), "Property 'value' is required."),
        (json!({"alg": "RSA-OAEP-256", "value": "+/+/"}), "Content of 'value' is not base64url."),
        (json!({"alg": "A256KW", "value": "AA"}), "A256KW"),
        (json!({"alg": "RSA-OAEP-256", "value": value}), "Invalid length of 'value': 191 bytes."),
        (json!({"alg": 1, "value": "AA"}), "invalid type"),
        (json!([]), "invalid"),
    ] {
        let refused = world.identity(Method::POST, "/keys/k/wrapkey", Some(body.clone())).await;
        let (status, code, message) = refused.refusal();
        assert_eq!((status, code.as_str()), (400, "BadParameter"), "{body}");
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn many_clients_unwrap_at_once() {
    let world = World::with_key().await;
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"shared").await.value();
    let token = world.token(world.vault.managed_identity()).await;
    let body = json!({"alg": "RSA-OAEP-256", "value": URL_SAFE_NO_PAD.encode(&wrapped)});

    let answers =
        futures::future::join_all((0..64).map(|_| {
            world.with_token(&token, Method::POST, "/keys/k/unwrapkey", Some(body.clone()))
        }))
        .await;

    assert!(answers.iter().all(|answer| answer.value() == b"shared"));
    let calls = world.vault.calls();
    let unwraps = calls.iter().filter(|call| call.operation == Operation::UnwrapKey);
    assert_eq!(unwraps.count(), 64);
}

#[tokio::test]
async fn the_recorded_calls_name_caller_and_operation() {
    let world = World::with_key().await;

    let answer = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await;

    let calls = world.vault.calls();
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    assert_eq!(call.operation, Operation::WrapKey);
    assert_eq!((call.vault.as_str(), call.key.as_deref()), ("local", Some("k")));
    assert_eq!(call.object_id.as_deref(), Some(world.vault.managed_identity().object_id));
    assert_eq!(call.app_id.as_deref(), Some(world.vault.managed_identity().client_id));
    assert_eq!((call.status, call.code), (200, None));
    assert_eq!(call.request_id, answer.headers["x-ms-request-id"].to_str().unwrap());
}
