//! sign and verify.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, World};

/// Algorithm, its key, and the length of its digest and of its signature.
const ALGORITHMS: [(&str, &str, usize, usize); 10] = [
    ("RS256", "rsa", 32, 256),
    ("RS384", "rsa", 48, 256),
    ("RS512", "rsa", 64, 256),
    ("PS256", "rsa", 32, 256),
    ("PS384", "rsa", 48, 256),
    ("PS512", "rsa", 64, 256),
    ("ES256", "p-256", 32, 64),
    ("ES256K", "p-256k", 32, 64),
    ("ES384", "p-384", 48, 96),
    ("ES512", "p-521", 64, 132),
];

/// A vault with an RSA key and a key on each curve.
async fn world() -> World {
    let world = World::new().await;
    create(&world, "rsa", json!({"kty": "RSA"})).await;
    for curve in ["P-256", "P-256K", "P-384", "P-521"] {
        create(&world, &curve.to_lowercase(), json!({"kty": "EC", "crv": curve})).await;
    }
    world
}

async fn create(world: &World, name: &str, body: Value) {
    let made = world.owner(Method::POST, &format!("/keys/{name}/create"), Some(body)).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
}

async fn sign(world: &World, key: &str, alg: &str, digest: &[u8]) -> Answer {
    let body = json!({"alg": alg, "value": URL_SAFE_NO_PAD.encode(digest)});
    world.owner(Method::POST, &format!("/keys/{key}/sign"), Some(body)).await
}

async fn verify(world: &World, key: &str, alg: &str, digest: &[u8], signature: &[u8]) -> Answer {
    let body = json!({
        "alg": alg,
        "digest": URL_SAFE_NO_PAD.encode(digest),
        "value": URL_SAFE_NO_PAD.encode(signature),
    });
    world.owner(Method::POST, &format!("/keys/{key}/verify"), Some(body)).await
}

#[tokio::test]
async fn each_algorithm_only_verifies_its_own_signatures() {
    let world = world().await;

    for (alg, key, digest_len, signature_len) in ALGORITHMS {
        let digest = vec![0x5a; digest_len];
        let signed = sign(&world, key, alg, &digest).await;
        let signature = signed.value();
        let mut changed = signature.clone();
        changed[signature_len - 1] ^= 1;
        let mut other = digest.clone();
        other[0] ^= 1;

        assert_eq!(signature.len(), signature_len, "{alg}");
        let kid = signed.field("kid");
        let id = world.vault.latest_version("local", key).await.unwrap().unwrap();
        assert_eq!(kid, world.vault.key_uri("local", &id));
        for (digest, signature, holds) in [
            (&digest, &signature[..], true),
            (&digest, &changed[..], false),
            (&other, &signature[..], false),
            (&digest, &signature[1..], false),
            (&digest, &[], false),
        ] {
            let answer = verify(&world, key, alg, digest, signature).await;
            assert_eq!(answer.text, format!(r#"{{"value":{holds}}}"#), "{alg}");
        }
    }
}

#[tokio::test]
async fn a_digest_of_another_length_is_refused_with_both_lengths() {
    let world = world().await;

    for (alg, key, digest_len, signature_len) in ALGORITHMS {
        for len in [0, digest_len - 1, digest_len + 1] {
            let signed = sign(&world, key, alg, &vec![1; len]).await;
            let verified = verify(&world, key, alg, &vec![1; len], &vec![1; signature_len]).await;

            let message = |property: &str| {
                format!(
                    "Invalid length of '{property}': {len} bytes. {alg} requires {digest_len} bytes, encoded with base64url."
                )
            };
            assert_eq!(signed.refusal(), (400, "BadParameter".into(), message("value")));
            assert_eq!(verified.refusal(), (400, "BadParameter".into(), message("digest")));
        }
    }
}

#[tokio::test]
async fn the_refusal_of_a_mismatched_algorithm_names_the_required_key() {
    let world = world().await;
    let kid = |key: &'static str| {
        let world = &world;
        async move {
            let id = world.vault.latest_version("local", key).await.unwrap().unwrap();
            world.vault.key_uri("local", &id)
        }
    };

    let curve = sign(&world, "p-256", "ES256K", &[1; 32]).await;
    let ec = sign(&world, "rsa", "ES256", &[1; 32]).await;
    let rsa = verify(&world, "p-521", "RS256", &[1; 32], &[1; 32]).await;

    let begin = "Key and signing algorithm are incompatible. Key";
    assert_eq!(
        curve.refusal().2,
        format!(
            "{begin} {} uses curve 'P-256', and algorithm 'ES256K' can only be used with curve 'P-256K'.",
            kid("p-256").await
        )
    );
    assert_eq!(
        ec.refusal().2,
        format!(
            "{begin} {} is of type 'RSA', and algorithm 'ES256' can only be used with a key of type 'EC' or 'EC-HSM'.",
            kid("rsa").await
        )
    );
    assert!(rsa.refusal().2.contains("is of type 'EC', and algorithm 'RS256'"));
    for refused in [curve, ec, rsa] {
        let (status, code, _) = refused.refusal();
        assert_eq!((status, code.as_str()), (400, "BadParameter"));
    }
}

#[tokio::test]
async fn the_refusal_of_an_unknown_algorithm_lists_the_known_ones() {
    let world = World::with_key().await;

    for alg in ["RSNULL", "HS256", "rs256", "RSA-OAEP", &"x".repeat(5000)] {
        let refused = sign(&world, "k", alg, &[1; 32]).await;
        let (status, code, message) = refused.refusal();
        assert_eq!((status, code.as_str()), (400, "BadParameter"));
        assert!(message.starts_with("Property 'alg' has invalid value"), "{message}");
        assert!(message.contains("\"ES256K\"") && message.len() < 300, "{message}");
    }
    let refused = sign(&world, "k", "", &[1; 32]).await;
    assert_eq!(refused.refusal().2, "Property 'alg' is required.\r\n");
}

#[tokio::test]
async fn outside_its_validity_a_key_verifies_but_does_not_sign_and_a_disabled_key_does_neither() {
    let world = world().await;
    let now = world.clock.unix_now();
    let signature = sign(&world, "p-256", "ES256", &[7; 32]).await.value();

    for (attributes, code) in [
        (json!({"nbf": now + 10}), "Forbidden/KeyNotYetValid"),
        (json!({"nbf": now - 10, "exp": now}), "Forbidden/KeyExpired"),
    ] {
        let patch = Some(json!({"attributes": attributes}));
        world.owner(Method::PATCH, "/keys/p-256", patch).await;

        let signed = sign(&world, "p-256", "ES256", &[7; 32]).await;
        let verified = verify(&world, "p-256", "ES256", &[7; 32], &signature).await;

        assert_eq!(signed.refusal().1, code);
        assert_eq!(verified.text, r#"{"value":true}"#);
    }
    let patch = Some(json!({"attributes": {"enabled": false}}));
    world.owner(Method::PATCH, "/keys/p-256", patch).await;
    let signed = sign(&world, "p-256", "ES256", &[7; 32]).await;
    let verified = verify(&world, "p-256", "ES256", &[7; 32], &signature).await;
    let message = |operation| {
        let message = format!("Operation {operation} is not allowed on a disabled key.");
        (403, "Forbidden/KeyDisabled".to_owned(), message)
    };
    assert_eq!(signed.refusal(), message("sign"));
    assert_eq!(verified.refusal(), message("verify"));
}

#[tokio::test]
async fn a_key_signs_only_if_it_lists_that_operation() {
    let world = World::new().await;
    create(&world, "k", json!({"kty": "EC", "key_ops": ["verify"]})).await;

    let refused = sign(&world, "k", "ES256", &[1; 32]).await;

    let message = "Operation sign is not permitted on this key.".to_owned();
    assert_eq!(refused.refusal(), (403, "Forbidden/KeyOperationForbidden".into(), message));
}
