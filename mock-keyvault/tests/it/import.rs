//! importKey: imports keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_keyvault::MockKeyVault;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::jwk::{self, member, with, without};
use crate::support::{Answer, World};

async fn import(world: &World, body: Value) -> Answer {
    world.owner(Method::PUT, "/keys/k", Some(body)).await
}

#[tokio::test]
async fn an_imported_rsa_key_of_each_size_shows_its_public_part_and_decrypts() {
    let world = World::new().await;

    for bits in [2048, 3072, 4096] {
        let jwk = jwk::rsa(bits);
        let answer = import(&world, json!({"key": jwk, "tags": {"from": "here"}})).await;

        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let made = answer.json();
        let kid = made["key"]["kid"].as_str().unwrap();
        assert_eq!(
            made["key"],
            json!({
                "kid": kid, "kty": "RSA", "n": jwk["n"], "e": "AQAB",
                "key_ops": ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"],
            })
        );
        assert_eq!(made["tags"], json!({"from": "here"}));
        let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"value").await.value();
        let unwrapped = world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped).await;
        assert_eq!(unwrapped.value(), b"value");
    }
}

#[tokio::test]
async fn absent_numbers_of_an_rsa_key_are_derived_if_possible() {
    let world = World::new().await;
    let jwk = jwk::rsa(2048);
    let wrapped = {
        import(&world, json!({"key": jwk})).await;
        world.wrap("/keys/k/wrapkey", "RSA-OAEP", b"value").await.value()
    };

    for lacking in [
        &["dp", "dq", "qi"][..],
        &["p", "q", "dp", "dq", "qi"],
        &["d"],
        &["d", "dp", "dq", "qi"],
        &["qi"],
    ] {
        let answer = import(&world, json!({"key": without(&jwk, lacking)})).await;
        assert_eq!(answer.status, StatusCode::OK, "{lacking:?} {}", answer.text);
        let unwrapped = world.wrap("/keys/k/unwrapkey", "RSA-OAEP", &wrapped).await;
        assert_eq!(unwrapped.value(), b"value", "{lacking:?}");
    }
}

#[tokio::test]
async fn an_imported_key_on_each_curve_shows_its_public_part_and_signs() {
    let world = World::new().await;

    for (curve, alg, len) in [
        ("P-256", "ES256", 32),
        ("P-256K", "ES256K", 32),
        ("P-384", "ES384", 48),
        ("P-521", "ES512", 64),
    ] {
        let jwk = jwk::ec(curve);
        let answer = import(&world, json!({"key": jwk})).await;

        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let made = answer.json();
        for field in ["crv", "x", "y"] {
            assert_eq!(made["key"][field], jwk[field]);
        }
        assert_eq!(made["key"].get("d"), None);
        assert_eq!(made["key"]["key_ops"], json!(["sign", "verify"]));
        let digest = URL_SAFE_NO_PAD.encode(vec![1; len]);
        let signed = world
            .owner(Method::POST, "/keys/k/sign", Some(json!({"alg": alg, "value": digest})))
            .await;
        let body = json!({"alg": alg, "digest": digest, "value": signed.field("value")});
        let verified = world.owner(Method::POST, "/keys/k/verify", Some(body)).await;
        assert_eq!(verified.text, r#"{"value":true}"#, "{curve}");
    }
}

#[tokio::test]
async fn attributes_operations_and_hardware_are_imported_as_given() {
    let world = World::new().await;
    let now = world.clock.unix_now();
    let rsa = with(&jwk::rsa(2048), "key_ops", json!(["unwrapKey", "wrapKey"]));
    let body = json!({
        "Hsm": true, "key": rsa, "attributes": {"enabled": false, "nbf": now, "exp": now + 5},
    });

    let made = import(&world, body).await.json();
    let ec = json!({"key": with(&jwk::ec("P-256"), "kty", "EC-HSM")});
    let ec = import(&world, ec).await.json();

    assert_eq!(made["key"]["kty"], "RSA-HSM");
    assert_eq!(made["key"]["key_ops"], json!(["unwrapKey", "wrapKey"]));
    assert_eq!(made["attributes"]["enabled"], false);
    assert_eq!(made["attributes"]["nbf"], now);
    assert_eq!(made["attributes"]["exp"], now + 5);
    assert_eq!(ec["key"]["kty"], "EC-HSM");
    let versions = world.owner(Method::GET, "/keys/k/versions", None).await.json();
    assert_eq!(versions["value"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn numbers_that_are_not_a_key_are_refused_and_never_repeated() {
    let world = World::new().await;
    let (rsa, other) = (jwk::rsa(2048), jwk::rsa(3072));
    let (ec, stranger) = (jwk::ec("P-256"), jwk::ec("P-256"));
    let zeros = URL_SAFE_NO_PAD.encode([0; 32]);
    let short_n = URL_SAFE_NO_PAD.encode(&member(&rsa, "n")[1..]);

    let belong = "the numbers do not belong to each other";
    for (key, expected) in [
        (with(&rsa, "d", other["d"].clone()), belong),
        (with(&rsa, "d", "Aw"), belong),
        (with(&rsa, "d", ""), belong),
        (with(&without(&rsa, &["p", "q", "dp", "dq", "qi"]), "d", "AAAA"), belong),
        (with(&without(&rsa, &["p", "q", "dp", "dq", "qi"]), "d", "Aw"), belong),
        (with(&rsa, "p", other["p"].clone()), belong),
        (with(&rsa, "p", rsa["q"].clone()), belong),
        (with(&rsa, "p", "AQ"), belong),
        (with(&rsa, "p", "Ag"), belong),
        (with(&without(&rsa, &["d"]), "p", "AQ"), belong),
        (with(&rsa, "dp", rsa["dq"].clone()), belong),
        (with(&rsa, "qi", "AQ"), belong),
        (with(&rsa, "n", short_n), "Unsupported key size (20"),
        (with(&rsa, "n", "AAAA"), "Unsupported key size (0)"),
        (jwk::small_rsa(), "Unsupported key size (1024). Supported sizes are [2048, 3072, 4096]"),
        (with(&rsa, "e", "Ag"), "the public exponent is out of range"),
        (with(&rsa, "e", "AQ"), "the public exponent is out of range"),
        (with(&rsa, "e", rsa["n"].clone()), "the public exponent is out of range"),
        (with(&rsa, "e", "Aw"), belong),
        (without(&rsa, &["d", "p", "q", "dp", "dq", "qi"]), "there is no private number"),
        (without(&rsa, &["p", "q"]), "the primes are missing"),
        (without(&rsa, &["p"]), "Property 'p' is required."),
        (without(&rsa, &["n"]), "Property 'n' is required."),
        (without(&rsa, &["e"]), "Property 'e' is required."),
        (with(&rsa, "d", "+/"), "Content of 'd' is not base64url."),
        (with(&ec, "d", stranger["d"].clone()), "does not belong to the point"),
        (with(&ec, "y", stranger["y"].clone()), "not on the curve"),
        (with(&ec, "d", zeros), "out of range"),
        (with(&ec, "d", URL_SAFE_NO_PAD.encode([0xff; 32])), "out of range"),
        (with(&ec, "d", URL_SAFE_NO_PAD.encode([1; 33])), "Invalid length of 'd': 33 bytes."),
        (with(&ec, "crv", "P-384"), "not on the curve"),
        (with(&ec, "crv", "Ed25519"), "Property 'crv' has invalid value 'Ed25519'"),
        (without(&ec, &["crv"]), "Property 'crv' is required."),
        (without(&ec, &["d"]), "Property 'd' is required."),
        (without(&ec, &["x"]), "Property 'x' is required."),
        (with(&ec, "key_ops", json!(["wrapKey"])), "Unsupported key operation(s): \"wrapKey\"."),
    ] {
        let refused = import(&world, json!({"key": key})).await;
        let (status, code, message) = refused.refusal();
        assert_eq!((status, code.as_str()), (400, "BadParameter"), "{message} {key}");
        assert!(message.contains(expected), "{message} is not {expected}");
        for secret in ["d", "p", "q"] {
            let given = key[secret].as_str().filter(|text| text.len() > 8);
            assert!(given.is_none_or(|given| !refused.text.contains(given)));
        }
    }
    assert_eq!(world.owner(Method::GET, "/keys/k", None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn unsupported_imports_are_refused_clearly() {
    let world = World::new().await;
    let rsa = jwk::rsa(2048);
    let policy = json!({"contentType": "application/json", "data": "e30"});

    for (body, code, expected) in [
        (json!({}), "BadParameter", "Property 'key' is required."),
        (json!({"key": {}}), "BadParameter", "Property 'kty' is required."),
        (
            json!({"key": {"kty": "oct", "k": "AAAA"}}),
            "BadParameter/KeyTypeNotSupported",
            "Invalid kty value: oct",
        ),
        (
            json!({"key": {"kty": "oct-HSM"}}),
            "BadParameter/KeyTypeNotSupported",
            "Invalid kty value: oct-HSM",
        ),
        (
            json!({"key": {"kty": "RSA-HSM", "key_hsm": "AAAA"}}),
            "BadParameter",
            "no hardware module",
        ),
        (
            json!({"key": rsa, "attributes": {"exportable": true}}),
            "BadParameter",
            "AKV.SKR.1004: Exportable keys must have release policy.",
        ),
        (
            json!({"key": rsa, "release_policy": policy}),
            "BadParameter",
            "AKV.SKR.1005: Non-exportable keys must not have release policy.",
        ),
        (
            json!({"key": rsa, "release_policy": policy, "attributes": {"exportable": true}}),
            "BadParameter",
            "AKV.SKR.1001: ",
        ),
    ] {
        let refused = import(&world, body).await;
        let (status, got, message) = refused.refusal();
        assert_eq!((status, got.as_str()), (400, code));
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn a_key_is_not_imported_over_a_deleted_key() {
    let world = World::with_key().await;
    world.vault.delete_key("local", "k").await.unwrap();

    let refused = import(&world, json!({"key": jwk::ec("P-256")})).await;

    let (status, code, _) = refused.refusal();
    assert_eq!((status, code.as_str()), (409, "Conflict/ObjectIsDeletedButRecoverable"));
}

#[tokio::test]
async fn imported_keys_work_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    import(&world, json!({"key": jwk::rsa(4096)})).await;
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"kept").await.value();
    let jwk = jwk::ec("P-521");
    let ec = json!({"key": jwk, "tags": {"a": "1"}});
    let made = world.owner(Method::PUT, "/keys/e", Some(ec)).await.json();
    let digest = URL_SAFE_NO_PAD.encode([9; 64]);
    let sign = json!({"alg": "ES512", "value": digest});
    let signature =
        world.owner(Method::POST, "/keys/e/sign", Some(sign.clone())).await.field("value");
    world.vault.shutdown().await;

    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;

    let unwrapped = world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped).await;
    assert_eq!(unwrapped.value(), b"kept");
    let got = world.owner(Method::GET, "/keys/e", None).await.json();
    assert_eq!((&got["key"]["x"], &got["tags"]), (&jwk["x"], &made["tags"]));
    let again = world.owner(Method::POST, "/keys/e/sign", Some(sign)).await.field("value");
    for signature in [signature, again] {
        let body = json!({"alg": "ES512", "digest": digest, "value": signature});
        let verified = world.owner(Method::POST, "/keys/e/verify", Some(body)).await;
        assert_eq!(verified.text, r#"{"value":true}"#);
    }
}
