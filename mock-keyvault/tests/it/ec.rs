//! Keys on elliptic curves: create and get. Signatures are in `sign.rs`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_keyvault::Curve;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::jwk;
use crate::support::World;

const CURVES: [(&str, usize); 4] = [("P-256", 32), ("P-256K", 32), ("P-384", 48), ("P-521", 66)];

#[tokio::test]
async fn a_key_on_each_curve_has_the_form_of_the_real_service() {
    let world = World::new().await;

    for (curve, width) in CURVES {
        let name = curve.to_lowercase();
        let body = json!({"kty": "EC", "crv": curve});
        let path = format!("/keys/{name}/create");
        let answer = world.owner(Method::POST, &path, Some(body)).await;

        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let made = answer.json();
        let text = |field: &str| made["key"][field].as_str().unwrap().to_owned();
        let (kid, x, y) = (text("kid"), text("x"), text("y"));
        assert_eq!(URL_SAFE_NO_PAD.decode(&x).unwrap().len(), width, "{curve}");
        assert_eq!(URL_SAFE_NO_PAD.decode(&y).unwrap().len(), width, "{curve}");
        let key = format!(
            r#"{{"key":{{"kid":"{kid}","kty":"EC","key_ops":["sign","verify"],"crv":"{curve}","x":"{x}","y":"{y}"}},"#
        );
        assert!(answer.text.starts_with(&key), "{}", answer.text);
        let got = world.owner(Method::GET, &format!("/keys/{name}"), None).await;
        assert_eq!(got.text, answer.text);
    }
}

/// cosign's Azure client (sigstore, `pkg/signature/kms/azure/client.go`) sends the first body below.
#[tokio::test]
async fn the_curve_is_p256_unless_one_is_named_and_a_size_is_ignored() {
    let world = World::new().await;
    let cosign = json!({
        "kty": "EC", "key_size": 2048, "key_ops": ["sign", "verify"],
        "attributes": {"enabled": true}, "tags": {"use": "sigstore"},
    });

    for (body, curve) in [
        (cosign, "P-256"),
        (json!({"kty": "EC"}), "P-256"),
        (json!({"kty": "EC", "crv": ""}), "P-256"),
        (json!({"kty": "EC", "key_size": 256}), "P-256"),
        (json!({"kty": "EC", "key_size": 384}), "P-256"),
        (json!({"kty": "EC", "crv": "P-384", "key_size": 521}), "P-384"),
        (json!({"kty": "EC", "crv": "P-256K", "key_size": 256}), "P-256K"),
        (json!({"kty": "EC-HSM", "crv": "P-521", "key_size": 0}), "P-521"),
    ] {
        let made = world.owner(Method::POST, "/keys/k/create", Some(body)).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.text);
        assert_eq!(made.json()["key"]["crv"], curve);
    }
}

/// The older name of the curve (azure-cli#18462, azure-rest-api-specs#10769).
#[tokio::test]
async fn secp256k1_is_another_name_of_p256k() {
    let world = World::new().await;
    let mut jwk = jwk::ec("P-256K");
    jwk["crv"] = json!("SECP256K1");

    let body = json!({"kty": "EC", "crv": "SECP256K1"});
    let made = world.owner(Method::POST, "/keys/a/create", Some(body)).await;
    let imported = world.owner(Method::PUT, "/keys/b", Some(json!({"key": jwk}))).await;

    for (name, answer) in [("a", made), ("b", imported)] {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.json()["key"]["crv"], "P-256K");
        let body = json!({"alg": "ES256K", "value": URL_SAFE_NO_PAD.encode([7; 32])});
        let signed = world.owner(Method::POST, &format!("/keys/{name}/sign"), Some(body)).await;
        assert_eq!(signed.value().len(), 64);
    }
    for other in ["secp256k1", "SECP256R1", "P-256k"] {
        let body = json!({"kty": "EC", "crv": other});
        let refused = world.owner(Method::POST, "/keys/a/create", Some(body)).await;
        assert_eq!(refused.refusal().1, "BadParameter", "{other}");
    }
}

#[tokio::test]
async fn a_hardware_key_says_so() {
    let world = World::new().await;
    let body = json!({"kty": "EC-HSM", "crv": "P-384", "key_ops": ["sign"]});

    let made = world.owner(Method::POST, "/keys/k/create", Some(body)).await.json();

    assert_eq!(made["key"]["kty"], "EC-HSM");
    assert_eq!(made["key"]["key_ops"], json!(["sign"]));
}

#[tokio::test]
async fn unsupported_operations_of_a_curve_are_refused_on_request() {
    let world = World::new().await;
    let ops = json!({"kty": "EC", "key_ops": ["wrapKey", "sign", "unwrapKey"]});

    let refused = world.owner(Method::POST, "/keys/k/create", Some(ops)).await;
    let body = json!({"kty": "EC"});
    world.owner(Method::POST, "/keys/k/create", Some(body)).await;
    let patch = json!({"key_ops": ["encrypt"]});
    let patched = world.owner(Method::PATCH, "/keys/k", Some(patch)).await;

    let message = |requested: &str| {
        let supported = r#"Supported values are "sign", "verify"."#;
        (
            400,
            "BadParameter".into(),
            format!("Unsupported key operation(s): {requested}. {supported}"),
        )
    };
    assert_eq!(refused.refusal(), message(r#""wrapKey", "unwrapKey""#));
    assert_eq!(patched.refusal(), message(r#""encrypt""#));
    for (operation, status) in
        [("encrypt", 403), ("decrypt", 403), ("wrapkey", 403), ("unwrapkey", 403)]
    {
        let body = json!({"alg": "RSA-OAEP", "value": "AAAA"});
        let path = format!("/keys/k/{operation}");
        let refused = world.owner(Method::POST, &path, Some(body)).await;
        let (got, code, _) = refused.refusal();
        assert_eq!((got, code.as_str()), (status, "Forbidden/KeyOperationForbidden"));
    }
}

#[tokio::test]
async fn versions_of_one_key_may_have_different_types() {
    let world = World::with_key().await;
    let old = world.vault.latest_version("local", "k").await.unwrap().unwrap();
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"old").await;

    let body = json!({"kty": "EC"});
    world.owner(Method::POST, "/keys/k/create", Some(body)).await;

    let newest = world.owner(Method::GET, "/keys/k", None).await.json();
    assert_eq!(newest["key"]["kty"], "EC");
    let path = format!("/keys/k/{}/unwrapkey", old.version.unwrap());
    assert_eq!(world.wrap(&path, "RSA-OAEP-256", &wrapped.value()).await.value(), b"old");
}

#[tokio::test]
async fn the_handle_creates_keys_on_curves_too() {
    let world = World::new().await;

    let made = world.vault.create_ec_key("local", "k", Curve::P521).await.unwrap();

    let got = world.owner(Method::GET, "/keys/k", None).await.json();
    assert_eq!(got["key"]["kid"], world.vault.key_uri("local", &made));
    assert_eq!(got["key"]["crv"], "P-521");
}
