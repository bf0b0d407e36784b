//! Wrong bodies get 400 with a message that says what is wrong, never a panic and never a 500.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::jwk;
use crate::support::{World, send};

/// Every operation with a body.
const OPERATIONS: &[(&str, &str)] = &[
    ("POST", "/keys/k/create"),
    ("PUT", "/keys/k"),
    ("PATCH", "/keys/k"),
    ("POST", "/keys/restore"),
    ("POST", "/keys/k/encrypt"),
    ("POST", "/keys/k/decrypt"),
    ("POST", "/keys/k/wrapkey"),
    ("POST", "/keys/k/unwrapkey"),
    ("POST", "/keys/k/sign"),
    ("POST", "/keys/k/verify"),
];

#[tokio::test]
async fn a_body_that_is_not_json_or_has_the_wrong_shape_is_refused_by_every_operation() {
    let world = World::with_key().await;
    let token = world.token(world.vault.owner()).await;
    let deep = "[".repeat(100_000);

    for (method, path) in OPERATIONS {
        for body in [
            "",
            "{",
            "nul",
            "\"x\"",
            "1",
            "[]x",
            "{\"alg\":}",
            "\u{0}",
            "{\"tags\":1,\"value\":1,\"key\":1}",
            &deep,
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = world.http.request(method, world.url(path)).bearer_auth(&token);
            let answer = send(request.body(body.to_owned())).await;
            let (status, code, message) = answer.refusal();
            assert_eq!((status, code.as_str()), (400, "BadParameter"), "{path} {body:.20}");
            assert!(message.contains("request body"), "{message}");
        }
    }
}

#[tokio::test]
async fn a_refusal_repeats_no_value_of_a_wrong_type() {
    let world = World::with_key().await;
    let secret = jwk::rsa(2048)["d"].as_str().unwrap().to_owned();

    for (method, path, body, expected) in [
        (
            Method::PUT,
            "/keys/k",
            json!({"key": secret}),
            "invalid type, expected struct JsonWebKey",
        ),
        (
            Method::PUT,
            "/keys/k",
            json!({"key": {"kty": [secret]}}),
            "invalid type, expected a string",
        ),
        (
            Method::PUT,
            "/keys/k",
            json!({"key": {}, "Hsm": secret}),
            "invalid type, expected a boolean",
        ),
        (Method::POST, "/keys/k/sign", json!(secret), "invalid type, expected struct"),
        (Method::POST, "/keys/k/create", json!({"key_size": secret}), "invalid type, expected u32"),
        (Method::POST, "/keys/k/create", json!({"key_size": -7}), "invalid value, expected u32"),
    ] {
        let refused = world.owner(method, path, Some(body)).await;
        let (status, code, message) = refused.refusal();
        assert_eq!((status, code.as_str()), (400, "BadParameter"));
        assert!(message.contains(expected), "{message}");
        assert!(!refused.text.contains(&secret[..20]), "{message}");
    }
}

#[tokio::test]
async fn a_too_large_body_is_refused_by_every_operation() {
    let world = World::with_key().await;
    let token = world.token(world.vault.owner()).await;

    for (method, path) in OPERATIONS {
        let len = if *path == "/keys/restore" { 17 << 20 } else { 300 << 10 };
        let body = format!(r#"{{"value":"{}"}}"#, "A".repeat(len));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = world.http.request(method, world.url(path)).bearer_auth(&token);
        let answer = send(request.body(body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {}", answer.text);
    }
}

#[tokio::test]
async fn a_refusal_names_a_value_that_is_missing_or_not_base64url() {
    let world = World::with_key().await;

    for (path, body, expected) in [
        ("sign", json!({"alg": "RS256"}), "Property 'value' is required.\r\n"),
        ("sign", json!({"value": "AA"}), "Property 'alg' is required.\r\n"),
        ("verify", json!({"alg": "RS256", "value": "AA"}), "Property 'digest' is required.\r\n"),
        ("verify", json!({"alg": "RS256", "digest": "AA"}), "Property 'value' is required.\r\n"),
        (
            "verify",
            json!({"alg": "RS256", "digest": "a+/b", "value": "AA"}),
            "Content of 'digest' is not base64url.\r\nProperty 'digest' is required.\r\n",
        ),
        (
            "decrypt",
            json!({"alg": "RSA-OAEP", "value": "\u{e4}"}),
            "Content of 'value' is not base64url.\r\nProperty 'value' is required.\r\n",
        ),
        (
            "encrypt",
            json!({"alg": "RSA-OAEP", "value": "A"}),
            "Content of 'value' is not base64url.\r\nProperty 'value' is required.\r\n",
        ),
    ] {
        let refused = world.owner(Method::POST, &format!("/keys/k/{path}"), Some(body)).await;
        assert_eq!(refused.refusal(), (400, "BadParameter".into(), expected.into()));
    }
}

#[tokio::test]
async fn algorithms_of_managed_hsm_and_signature_algorithms_are_refused_for_encryption() {
    let world = World::with_key().await;

    for operation in ["encrypt", "decrypt", "wrapkey", "unwrapkey"] {
        for alg in ["A256GCM", "A128KW", "A256CBCPAD", "RS256", "rsa-oaep", "RSA-OAEP-384"] {
            let body = json!({"alg": alg, "value": "AAAA"});
            let path = format!("/keys/k/{operation}");
            let refused = world.owner(Method::POST, &path, Some(body)).await;
            let supported = r#""RSA1_5", "RSA-OAEP", "RSA-OAEP-256""#;
            let message = format!(
                "Property 'alg' has invalid value '{alg}'. Supported values are {supported}."
            );
            assert_eq!(refused.refusal(), (400, "BadParameter".into(), message));
        }
    }
}

#[tokio::test]
async fn the_refusal_of_a_new_key_names_the_fault() {
    let world = World::new().await;

    for (body, expected) in [
        (json!({"kty": "EC", "crv": "secp256k1"}), "Property 'crv' has invalid value 'secp256k1'"),
        (json!({"kty": "RSA", "key_size": 2047}), "Unsupported key size (2047)"),
        (json!({"kty": "RSA", "public_exponent": "3"}), "request body"),
        (json!({"kty": "EC", "key_size": "2048"}), "request body"),
        (json!({"kty": "RSA", "key_ops": ["import"]}), "Unsupported key operation(s): \"import\"."),
        (json!({"kty": "RSA", "attributes": {"exp": -1}}), "Property 'exp' has invalid value\r\n"),
        (
            json!({"kty": "RSA", "attributes": {"nbf": i64::MAX}}),
            "Property 'nbf' has invalid value\r\n",
        ),
        (json!({"kty": "RSA", "attributes": {"nbf": 1e300}}), "request body"),
        (json!({"kty": "RSA", "attributes": {"enabled": "yes"}}), "request body"),
        (json!({"kty": "RSA", "tags": {"": "x"}}), "The tag '' is not valid"),
        (json!({"kty": "RSA", "tags": {"x": "y".repeat(257)}}), "The tag 'x' is not valid"),
        (json!({"kty": "RSA", "tags": {"x".repeat(257): "y"}}), "The tag 'xxx"),
        (json!({"kty": "RSA", "release_policy": {}}), "AKV.SKR.1005: "),
        (
            json!({"kty": "RSA", "release_policy": {}, "attributes": {"exportable": true}}),
            "AKV.SKR.1001: ",
        ),
    ] {
        let refused = world.owner(Method::POST, "/keys/k/create", Some(body)).await;
        let (status, code, message) = refused.refusal();
        assert_eq!((status, code.as_str()), (400, "BadParameter"));
        assert!(message.contains(expected), "{message}");
    }
    for kty in ["oct", "oct-HSM", "OKP", "rsa", &"x".repeat(9000)] {
        let refused = world.owner(Method::POST, "/keys/k/create", Some(json!({"kty": kty}))).await;
        let start: String = kty.chars().take(32).collect();
        let message = format!("Invalid kty value: {start}");
        assert_eq!(refused.refusal(), (400, "BadParameter/KeyTypeNotSupported".into(), message));
    }
}

#[tokio::test]
async fn the_refusal_of_a_change_names_the_fault_and_changes_nothing() {
    let world = World::with_key().await;
    let before = world.owner(Method::GET, "/keys/k", None).await.text;
    world.clock.advance(std::time::Duration::from_mins(1));
    let tags: serde_json::Map<String, Value> =
        (0..16).map(|i| (i.to_string(), json!("v"))).collect();

    for (body, expected) in [
        (json!({"attributes": {"exportable": true}}), "AKV.SKR.1003: "),
        (json!({"release_policy": {"data": "e30"}}), "AKV.SKR.1005: "),
        (json!({"tags": tags}), "Too many tags: 16. At most 15 are allowed."),
        (json!({"key_ops": ["fly", "wrapKey"]}), "Unsupported key operation(s): \"fly\"."),
        (json!({"attributes": {"exp": -5}}), "Property 'exp' has invalid value\r\n"),
    ] {
        let refused = world.owner(Method::PATCH, "/keys/k", Some(body)).await;
        let (status, code, message) = refused.refusal();
        assert_eq!((status, code.as_str()), (400, "BadParameter"));
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(world.owner(Method::GET, "/keys/k", None).await.text, before);
}

#[tokio::test]
async fn too_long_names_and_invalid_characters_are_refused_by_every_operation() {
    let world = World::new().await;
    let long = "x".repeat(128);

    for name in [long.as_str(), "a_b", "a.b", "%C3%A4", "a%20b"] {
        for (method, path, body) in [
            (Method::PUT, String::new(), json!({"key": jwk::ec("P-256")})),
            (Method::POST, "/create".to_owned(), json!({"kty": "EC"})),
            (Method::POST, "/sign".to_owned(), json!({"alg": "RS256", "value": "AA"})),
            (Method::POST, "/backup".to_owned(), json!({})),
            (Method::PATCH, String::new(), json!({})),
        ] {
            let path = format!("/keys/{name}{path}");
            let refused = world.owner(method, &path, Some(body)).await;
            let (status, code, message) = refused.refusal();
            assert_eq!((status, code.as_str()), (400, "BadParameter"), "{path}");
            assert!(message.contains("127 letters, digits and hyphens"), "{message}");
        }
    }
    let fits = "x".repeat(127);
    let body = json!({"key": jwk::ec("P-256")});
    let made = world.owner(Method::PUT, &format!("/keys/{fits}"), Some(body)).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
}

#[tokio::test]
async fn the_refusal_of_an_oversize_value_names_its_length() {
    let world = World::with_key().await;
    let big = URL_SAFE_NO_PAD.encode(vec![7; 100_000]);

    for (path, alg, expected) in [
        ("encrypt", "RSA-OAEP", "Invalid length of 'value': 100000 bytes."),
        ("sign", "RS256", "Invalid length of 'value': 100000 bytes. RS256 requires 32 bytes"),
        ("decrypt", "RSA-OAEP", "Unable to decrypt specified value with this key."),
    ] {
        let body = json!({"alg": alg, "value": big});
        let refused = world.owner(Method::POST, &format!("/keys/k/{path}"), Some(body)).await;
        let (status, code, message) = refused.refusal();
        assert_eq!((status, code.as_str()), (400, "BadParameter"));
        assert!(message.starts_with(expected), "{message}");
    }
    let digest = URL_SAFE_NO_PAD.encode([1; 32]);
    let body = json!({"alg": "RS256", "digest": digest, "value": big});
    let verified = world.owner(Method::POST, "/keys/k/verify", Some(body)).await;
    assert_eq!(verified.text, r#"{"value":false}"#);
}
