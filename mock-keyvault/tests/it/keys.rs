//! Keys and versions: create, get, list, update, and refusals.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_keyvault::KeySize;
use mock_keyvault::NetworkRules;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{World, send};

#[tokio::test]
async fn a_new_key_has_the_form_of_the_real_service() {
    let world = World::new().await;

    let body = json!({"kty": "RSA", "attributes": {"enabled": true}});
    let answer = world.owner(Method::POST, "/keys/Registry-Key/create", Some(body)).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let made = answer.json();
    let n = made["key"]["n"].as_str().unwrap();
    let kid = made["key"]["kid"].as_str().unwrap();
    let version = kid.rsplit('/').next().unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(n).unwrap().len(), 256);
    assert_eq!(version.len(), 32);
    assert_eq!(kid, format!("{}/keys/Registry-Key/{version}", world.vault.uri()));
    let now = world.clock.unix_now();
    assert_eq!(
        answer.text,
        format!(
            r#"{{"key":{{"kid":"{kid}","kty":"RSA","key_ops":["encrypt","decrypt","sign","verify","wrapKey","unwrapKey"],"n":"{n}","e":"AQAB"}},"attributes":{{"enabled":true,"created":{now},"updated":{now},"recoveryLevel":"Recoverable+Purgeable","recoverableDays":90}}}}"#
        )
    );
}

#[tokio::test]
async fn every_answer_carries_the_headers_of_the_service() {
    let world = World::with_key().await;
    let token = world.token(world.vault.owner()).await;

    let answer = send(
        world
            .http
            .get(world.url("/keys/k"))
            .bearer_auth(token)
            .header("x-ms-client-request-id", "abc-1"),
    )
    .await;

    let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json; charset=utf-8");
    assert_eq!(header("cache-control"), "no-cache");
    assert_eq!(header("pragma"), "no-cache");
    assert_eq!(header("expires"), "-1");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("x-ms-client-request-id"), "abc-1");
    assert_eq!(header("x-ms-request-id").len(), 36);
    assert_eq!(header("x-ms-keyvault-region"), "eastus");
}

#[tokio::test]
async fn sizes_types_tags_and_attributes_are_stored() {
    let world = World::new().await;
    let now = world.clock.unix_now();
    let body = json!({
        "kty": "RSA-HSM", "key_size": 3072, "key_ops": ["wrapKey"], "tags": {"a": "1"},
        "attributes": {"enabled": false, "nbf": now, "exp": now + 10},
    });

    let made = world.owner(Method::POST, "/keys/k/create", Some(body)).await.json();
    let got = world.owner(Method::GET, "/keys/k/", None).await.json();

    assert_eq!(made, got);
    assert_eq!(made["key"]["kty"], "RSA-HSM");
    assert_eq!(made["tags"], json!({"a": "1"}));
    assert_eq!(made["attributes"]["exp"], now + 10);
    assert_eq!(made["attributes"]["enabled"], false);
    let n = URL_SAFE_NO_PAD.decode(made["key"]["n"].as_str().unwrap()).unwrap();
    assert_eq!(n.len(), 384);
}

#[tokio::test]
async fn a_version_is_found_by_its_id_and_the_newest_without_one() {
    let world = World::new().await;
    let first = world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    let second = world.vault.create_key("local", "K", KeySize::Rsa2048).await.unwrap();

    let newest = world.owner(Method::GET, "/keys/k", None).await.json();
    let path = format!("/keys/k/{}", first.version.as_ref().unwrap());
    let older = world.owner(Method::GET, &path, None).await.json();

    assert_eq!(newest["key"]["kid"], world.vault.key_uri("local", &second));
    assert_eq!(older["key"]["kid"], world.vault.key_uri("local", &first));
    assert_ne!(first.version, second.version);
}

#[tokio::test]
async fn an_id_is_rendered_for_the_host_that_the_client_used() {
    let world = World::with_key().await;
    let token = world.token(world.vault.owner()).await;
    let port = world.vault.address().port();

    for host in ["vault:9999", "local.vault.azure.net", "127.0.0.1:1", "LOCAL.vault.localhost"] {
        let url = format!("https://127.0.0.1:{port}/keys/k?api-version=7.4");
        let answer = send(world.http.get(url).bearer_auth(&token).header("host", host)).await;
        let kid = answer.json()["key"]["kid"].as_str().unwrap().to_owned();
        assert!(kid.starts_with(&format!("https://{host}/keys/k/")), "{kid}");
    }
}

async fn pages(world: &World, path: &str) -> Vec<Vec<String>> {
    let token = world.token(world.vault.owner()).await;
    let mut pages = Vec::new();
    let mut url = world.url(path);
    loop {
        let page: Value = send(world.http.get(&url).bearer_auth(&token)).await.json();
        let kids = page["value"].as_array().unwrap().iter();
        pages.push(kids.map(|item| item["kid"].as_str().unwrap().to_owned()).collect());
        match page["nextLink"].as_str() {
            Some(next) => next.clone_into(&mut url),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn keys_and_versions_are_listed_page_by_page_without_gap_or_repeat() {
    let world = World::new().await;
    for name in ["b", "A", "c", "a-1", "B-2"] {
        world.vault.create_key("local", name, KeySize::Rsa2048).await.unwrap();
    }
    world.vault.create_key("local", "c", KeySize::Rsa2048).await.unwrap();
    world.vault.create_key("local", "c", KeySize::Rsa2048).await.unwrap();

    let keys = pages(&world, "/keys?maxresults=2").await;
    let versions = pages(&world, "/keys/c/versions?maxresults=1").await;
    let all = pages(&world, "/keys").await;

    let id = |name: &str| format!("{}/keys/{name}", world.vault.uri());
    assert_eq!(keys, [vec![id("A"), id("a-1")], vec![id("b"), id("B-2")], vec![id("c")]]);
    assert_eq!(all.len(), 1);
    assert_eq!(versions.len(), 3);
    let mut sorted = versions.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, versions);
}

#[tokio::test]
async fn an_empty_list_is_as_short_as_the_real_one() {
    let world = World::new().await;

    let answer = world.owner(Method::GET, "/keys", None).await;

    assert_eq!(answer.text, r#"{"value":[],"nextLink":null}"#);
}

/// A recorded answer: `recording_list_0_versions_of_a_nonexisting_key` in azure-sdk-for-js.
#[tokio::test]
async fn a_key_that_does_not_exist_has_no_versions() {
    let world = World::with_key().await;
    world.vault.delete_key("local", "k").await.unwrap();

    for path in ["/keys/none/versions", "/keys/none/versions?maxresults=1", "/keys/K/versions"] {
        let answer = world.owner(Method::GET, path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.text, r#"{"value":[],"nextLink":null}"#, "{path}");
    }
    world.vault.recover_key("local", "k").await.unwrap();
    assert_eq!(pages(&world, "/keys/k/versions").await[0].len(), 1);
    let bad = world.owner(Method::GET, "/keys/a_b/versions", None).await;
    assert_eq!(bad.refusal().1, "BadParameter");
}

/// A recorded answer: `recording_can_create_a_rsa_key_with_public_exponent` in azure-sdk-for-js asks for 3 and gets AQAB.
#[tokio::test]
async fn the_public_exponent_is_always_65537() {
    let world = World::new().await;

    for (kty, exponent) in [("RSA", 3), ("RSA", 65_537), ("RSA-HSM", 1), ("RSA", 0)] {
        let body = json!({"kty": kty, "public_exponent": exponent, "attributes": {}});
        let made = world.owner(Method::POST, "/keys/k/create", Some(body)).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.text);
        assert_eq!(made.json()["key"]["e"], "AQAB");
    }
    let curve = json!({"kty": "EC", "public_exponent": 3});
    let made = world.owner(Method::POST, "/keys/k/create", Some(curve)).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
}

/// The specification of "bring your own key" asks for an RSA-HSM key with only this operation (azure-cli#12003).
#[tokio::test]
async fn a_key_for_imports_is_created_and_has_no_other_operation() {
    let world = World::new().await;
    let create = async |kty: &str, ops: Value| {
        let body = json!({"kty": kty, "key_ops": ops, "key_size": 4096});
        world.owner(Method::POST, "/keys/kek/create", Some(body)).await
    };

    let made = create("RSA-HSM", json!(["import"])).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    assert_eq!(made.json()["key"]["key_ops"], json!(["import"]));
    let got = world.owner(Method::GET, "/keys/kek", None).await;
    assert_eq!(got.json()["key"], made.json()["key"]);
    let wrap = world.owner(
        Method::POST,
        "/keys/kek/wrapkey",
        Some(json!({"alg": "RSA-OAEP-256", "value": "AAAA"})),
    );
    assert_eq!(wrap.await.refusal().1, "Forbidden/KeyOperationForbidden");
    let rotated = world.owner(Method::POST, "/keys/kek/rotate", None).await;
    assert_eq!(rotated.json()["key"]["key_ops"], json!(["import"]), "{}", rotated.text);
    let changed = json!({"key_ops": ["import"], "tags": {"a": "b"}});
    let changed = world.owner(Method::PATCH, "/keys/kek", Some(changed)).await;
    assert_eq!(changed.json()["key"]["key_ops"], json!(["import"]), "{}", changed.text);

    let other = create("RSA-HSM", Value::Null).await;
    let all = json!(["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]);
    assert_eq!(other.json()["key"]["key_ops"], all);
    for (kty, ops) in [
        ("RSA", json!(["import"])),
        ("EC", json!(["import"])),
        ("EC-HSM", json!(["import"])),
        ("RSA-HSM", json!(["import", "wrapKey"])),
        ("RSA-HSM", json!(["export"])),
    ] {
        let refused = create(kty, ops.clone()).await;
        assert_eq!(refused.refusal().1, "BadParameter", "{kty} {ops}");
        assert!(refused.refusal().2.contains(ops[0].as_str().unwrap()), "{}", refused.text);
    }
    let patch = json!({"key_ops": ["import", "sign"]});
    let mixed = world.owner(Method::PATCH, "/keys/kek", Some(patch)).await;
    assert_eq!(mixed.refusal().1, "BadParameter");
}

/// A recorded answer: `recording_cannot_create_a_key_with_an_empty_name` in azure-sdk-for-js. Repeated slashes count once, so
/// a key with an empty name is a path without an operation.
#[tokio::test]
async fn a_key_without_a_name_or_without_an_operation_is_refused_as_recorded() {
    let world = World::with_key().await;
    let message = r#"{"error":{"code":"BadParameter","message":"Operation not specified"}}"#;

    for path in ["/keys//create", "/keys//rotate", "/keys//backup", "/keys/k", "/keys/k/"] {
        let refused = world.owner(Method::POST, path, Some(json!({"kty": "RSA"}))).await;
        assert_eq!((refused.status, refused.text.as_str()), (StatusCode::BAD_REQUEST, message));
    }
    let stranger = send(world.http.post(world.url("/keys//create"))).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
}

/// The last answer in `recording_can_set_read_and_delete_a_certificates_contacts` in azure-sdk-for-js. The Terraform provider reads
/// the contacts after it has created a vault, and continues after this answer (azurerm's source).
#[tokio::test]
async fn a_vault_has_no_contacts_for_certificates() {
    let world = World::new().await;
    let message = r#"{"error":{"code":"ContactsNotFound","message":"Contacts not found"}}"#;

    for path in ["/certificates/contacts", "/certificates/contacts/", "/certificates/Contacts"] {
        for answer in [
            world.owner(Method::GET, path, None).await,
            world.identity(Method::GET, path, None).await,
        ] {
            assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NOT_FOUND, message));
        }
    }
    let stranger = send(world.http.get(world.url("/certificates/contacts"))).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert!(stranger.headers.contains_key("www-authenticate"));
    let elsewhere = world.vault.vault_uri("other");
    let token = world.token(world.vault.owner()).await;
    let elsewhere = format!("{elsewhere}/certificates/contacts?api-version=7.4");
    let elsewhere = send(world.http.get(elsewhere).bearer_auth(&token)).await;
    assert_eq!(elsewhere.refusal().1, "VaultNotFound");
    let unversioned = format!("{}/certificates/contacts", world.vault.uri());
    let unversioned = send(world.http.get(unversioned).bearer_auth(&token)).await;
    assert_eq!(unversioned.refusal().1, "BadParameter");
    world.vault.set_network_rules("local", NetworkRules::closed()).await.unwrap();
    let closed = world.owner(Method::GET, "/certificates/contacts", None).await;
    assert_eq!(closed.refusal().1, "Forbidden/ForbiddenByFirewall");
    world.vault.set_network_rules("local", NetworkRules::default()).await.unwrap();
    for (method, path) in [
        (Method::PUT, "/certificates/contacts"),
        (Method::DELETE, "/certificates/contacts"),
        (Method::GET, "/certificates/x"),
        (Method::GET, "/certificates"),
    ] {
        let body = (method == Method::PUT).then(|| json!({"contacts": []}));
        assert_eq!(world.owner(method, path, body).await.status, 501, "{path}");
    }
}

#[tokio::test]
async fn an_update_only_changes_the_named_attributes() {
    let world = World::new().await;
    let body = json!({"kty": "RSA", "tags": {"a": "1"}, "attributes": {"exp": 4_000_000_000_i64}});
    let made = world.owner(Method::POST, "/keys/k/create", Some(body)).await.json();
    world.clock.advance(std::time::Duration::from_mins(1));

    let patch = json!({"tags": {"b": "2", "c": "3"}, "key_ops": ["wrapKey"]});
    let changed = world.owner(Method::PATCH, "/keys/k", Some(patch)).await.json();
    let got = world.owner(Method::GET, "/keys/k", None).await.json();

    assert_eq!(changed, got);
    assert_eq!(changed["tags"], json!({"b": "2", "c": "3"}));
    assert_eq!(changed["key"]["key_ops"], json!(["wrapKey"]));
    assert_eq!(changed["key"]["n"], made["key"]["n"]);
    assert_eq!(changed["attributes"]["exp"], 4_000_000_000_i64);
    let (created, updated) = (&changed["attributes"]["created"], &changed["attributes"]["updated"]);
    assert_eq!(updated.as_i64().unwrap() - created.as_i64().unwrap(), 60);
}

#[tokio::test]
async fn an_unknown_key_is_refused_as_by_the_real_service() {
    let world = World::with_key().await;
    let none = "0".repeat(32);

    for (path, named) in [
        ("/keys/none".to_owned(), "none".to_owned()),
        (format!("/keys/k/{none}"), format!("k/{none}")),
    ] {
        let refused = world.owner(Method::GET, &path, None).await;
        assert_eq!(
            refused.text,
            format!(
                r#"{{"error":{{"code":"KeyNotFound","message":"A key with (name/id) {named} was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"}}}}"#
            )
        );
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn the_refusal_of_every_operation_names_an_invalid_version() {
    let world = World::with_key().await;
    let value = json!({"alg": "RSA-OAEP-256", "value": "AAAA"});
    let sign = json!({"alg": "RS256", "value": "A".repeat(43), "digest": "A".repeat(43)});
    let long = "0".repeat(33);

    for version in ["not-a-version", "5f1c4a4e-6b9d-4d3c-8f4a-0a1b2c3d4e5f", "\u{e4} \"", &long] {
        for (method, operation, body) in [
            (Method::GET, "", None),
            (Method::PATCH, "", Some(json!({}))),
            (Method::POST, "/wrapkey", Some(value.clone())),
            (Method::POST, "/unwrapKey", Some(value.clone())),
            (Method::POST, "/encrypt", Some(value.clone())),
            (Method::POST, "/decrypt", Some(value.clone())),
            (Method::POST, "/sign", Some(sign.clone())),
            (Method::POST, "/verify", Some(sign.clone())),
        ] {
            let refused = world.owner(method, &format!("/keys/k/{version}{operation}"), body).await;
            let (status, code, message) = refused.refusal();
            assert_eq!((status, code.as_str()), (404, "KeyNotFound"), "{operation}");
            let begin =
                format!("A key with (name/id) k/{version} was not found in this key vault.");
            assert!(message.starts_with(&begin), "{message}");
        }
    }
}

#[tokio::test]
async fn bad_parameters_are_400_with_a_message_and_never_500() {
    let world = World::new().await;
    let long = "x".repeat(128);
    let tags: serde_json::Map<String, Value> =
        (0..16).map(|i| (i.to_string(), json!("v"))).collect();

    for (path, body, code, expected) in [
        ("/keys/k/create", json!({}), "BadParameter", "'kty' is required"),
        (
            "/keys/k/create",
            json!({"kty": "oct"}),
            "BadParameter/KeyTypeNotSupported",
            "Invalid kty value: oct",
        ),
        ("/keys/k/create", json!({"kty": "EC", "crv": "P-224"}), "BadParameter", "P-224"),
        (
            "/keys/k/create",
            json!({"kty": "RSA", "key_size": 1024}),
            "BadParameter",
            "Unsupported key size (1024)",
        ),
        ("/keys/k/create", json!({"kty": "RSA", "key_size": -1}), "BadParameter", "invalid value"),
        ("/keys/k/create", json!({"kty": "RSA", "key_ops": ["fly"]}), "BadParameter", "\"fly\""),
        ("/keys/k/create", json!({"kty": "RSA", "tags": tags}), "BadParameter", "Too many tags"),
        (
            "/keys/k/create",
            json!({"kty": "RSA", "attributes": {"exportable": true}}),
            "BadParameter",
            "AKV.SKR.1004",
        ),
        ("/keys/k/create", json!("x"), "BadParameter", "invalid type"),
        ("/keys/k_k/create", json!({"kty": "RSA"}), "BadParameter", "k_k"),
        (&format!("/keys/{long}/create"), json!({"kty": "RSA"}), "BadParameter", "127"),
    ] {
        let refused = world.owner(Method::POST, path, Some(body.clone())).await;
        let (status, got, message) = refused.refusal();
        assert_eq!((status, got.as_str()), (400, code), "{body} {message}");
        assert!(message.contains(expected), "{message}");
    }
    let huge = json!({"kty": "RSA", "x": "y".repeat(300_000)});
    assert_eq!(world.owner(Method::POST, "/keys/k/create", Some(huge)).await.status, 400);
}

#[tokio::test]
async fn an_absent_api_version_is_refused_and_an_unknown_one_is_served() {
    let world = World::with_key().await;
    let token = world.token(world.vault.owner()).await;
    let get = |query: &'static str| {
        send(world.http.get(format!("{}/keys/k{query}", world.vault.uri())).bearer_auth(&token))
    };

    assert_eq!(get("").await.refusal().1, "BadParameter");
    assert_eq!(get("?api-version=").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(get("?api-version=2042-01-01").await.status, StatusCode::OK);
    let newer = get("?API-Version=7.6").await.json();
    assert_eq!(newer["attributes"]["exportable"], false);
    assert_eq!(newer["attributes"]["hsmPlatform"], "0");
}

#[tokio::test]
async fn unsupported_operations_are_refused_clearly() {
    let world = World::with_key().await;

    let later = world.owner(Method::POST, "/keys/k/release", Some(json!({}))).await;
    let secrets = world.owner(Method::GET, "/secrets", None).await;
    let nothing = world.owner(Method::GET, "/nothing", None).await;
    let method = world.owner(Method::PUT, "/keys", Some(json!({}))).await;

    assert_eq!(later.refusal().0, 501);
    assert_eq!(secrets.refusal().0, 501);
    assert_eq!(nothing.refusal().0, 404);
    assert_eq!(method.refusal().0, 405);
}

#[tokio::test]
async fn an_unknown_vault_is_named_in_the_refusal() {
    let world = World::new().await;

    let url = format!("{}/keys?api-version=7.4", world.vault.vault_uri("other"));
    let answer = send(world.http.get(url)).await;

    assert_eq!(answer.refusal().1, "VaultNotFound");
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn plain_http_is_told_to_use_tls() {
    let world = World::new().await;

    let url = format!("http://{}/keys", world.vault.address());
    let answer = send(world.http.get(url)).await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text.contains("https://"), "{}", answer.text);
}
