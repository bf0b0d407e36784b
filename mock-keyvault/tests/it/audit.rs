//! The audit log: every call, in the form of Key Vault's diagnostic log.

use mock_keyvault::{MockKeyVault, Operation, VaultChanges};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{World, admin, send};

async fn records(world: &World, query: &str) -> Vec<Value> {
    let answer = admin(world, Method::GET, &format!("audit{query}"), None).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()["records"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_call_is_recorded_in_the_form_of_the_diagnostic_log() {
    let world = World::with_key().await;
    let wrapped = world.wrap("/keys/k/wrapKey", "RSA-OAEP-256", b"x").await;
    let token = world.token(world.vault.managed_identity()).await;
    let request_id = "00000000-1111-4222-8333-444444444444";
    let request = world
        .http
        .post(world.url("/keys/k/unwrapkey"))
        .bearer_auth(token)
        .header("User-Agent", "azsdk-python-keyvault-keys/4.10")
        .header("x-ms-client-request-id", request_id)
        .json(&json!({"alg": "RSA-OAEP-256", "value": wrapped.field("value")}));

    let answer = send(request).await;

    assert_eq!(answer.value(), b"x");
    let mut record = records(&world, "").await.pop().unwrap();
    assert!(record["durationMs"].as_str().unwrap().parse::<u64>().is_ok());
    let identity = world.vault.managed_identity();
    let host = world.vault.uri();
    record["durationMs"] = json!("");
    assert_eq!(
        record,
        json!({
            "time": "2026-01-01T00:00:00Z",
            "category": "AuditEvent",
            "operationName": "KeyUnwrap",
            "resultType": "Success",
            "correlationId": request_id,
            "callerIpAddress": "127.0.0.1",
            "identity": {"claim": {"oid": identity.object_id, "appid": identity.client_id}},
            "properties": {
                "id": wrapped.field("kid"),
                "clientInfo": "azsdk-python-keyvault-keys/4.10",
                "httpStatusCode": 200,
                "requestUri": format!("{host}/keys/k/unwrapkey?api-version=7.4"),
                "isAccessPolicyMatch": true,
                "requestId": answer.headers["x-ms-request-id"].to_str().unwrap(),
            },
            "resourceId": "/SUBSCRIPTIONS/00000000-0000-4000-8000-00000000A002/RESOURCEGROUPS/SEALYARD/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/LOCAL",
            "operationVersion": "7.4",
            "resultSignature": "OK",
            "durationMs": "",
        })
    );
}

#[tokio::test]
async fn refused_calls_are_recorded_with_their_reason() {
    let world = World::with_key().await;
    let get = || Method::GET;

    send(world.http.get(world.url("/keys/k"))).await;
    world.identity(Method::POST, "/keys/k/create", Some(json!({"kty": "RSA"}))).await;
    world.owner(get(), "/keys/none", None).await;
    world.owner(Method::POST, "/keys/k/wrapkey", Some(json!({"alg": "none", "value": "AA"}))).await;

    let found = records(&world, "").await;
    let seen: Vec<(&str, &Value, &Value, &Value)> = found
        .iter()
        .map(|record| {
            let properties = &record["properties"];
            let signature = record["resultSignature"].as_str().unwrap();
            (
                signature,
                &properties["httpStatusCode"],
                &properties["errorCode"],
                &properties["isAccessPolicyMatch"],
            )
        })
        .collect();
    let (no, yes, none) = (json!(false), json!(true), Value::Null);
    assert_eq!(
        seen,
        [
            ("Unauthorized", &json!(401), &json!("Unauthorized"), &none),
            ("Forbidden", &json!(403), &json!("ForbiddenByPolicy"), &no),
            ("Not Found", &json!(404), &json!("KeyNotFound"), &yes),
            ("Bad Request", &json!(400), &json!("BadParameter"), &yes),
        ]
    );
    assert_eq!(found[0]["identity"], json!({"claim": {}}));
    assert_eq!(
        found[0]["resultDescription"],
        "AKV10000: Request is missing a Bearer or PoP token."
    );
}

#[tokio::test]
async fn neither_tokens_nor_key_material_nor_bodies_are_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    world.vault.create_key("local", "k", mock_keyvault::KeySize::Rsa2048).await.unwrap();
    let token = world.token(world.vault.owner()).await;
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"plain-secret-text").await;
    world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped.value()).await;
    let body = json!("planted-secret");
    world.with_token(&token, Method::POST, "/keys/k/wrapkey?code=planted-secret", Some(body)).await;
    let shown = admin(&world, Method::GET, "audit", None).await.text;
    world.vault.shutdown().await;

    let kept = std::fs::read_to_string(data.join("audit.jsonl")).unwrap();

    assert_eq!(kept.lines().count(), 3);
    for log in [&shown, &kept] {
        for secret in [
            token.as_str(),
            &wrapped.field("value"),
            "planted-secret",
            "Bearer",
            "cGxhaW4tc2VjcmV0LXRleHQ",
        ] {
            assert!(!log.contains(secret), "{secret}");
        }
    }
}

#[tokio::test]
async fn the_file_is_only_readable_by_its_owner_and_continues_after_a_restart() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let file = data.join("audit.jsonl");
    for _ in 0..2 {
        let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
        world.owner(Method::GET, "/keys", None).await;
        world.vault.shutdown().await;
    }

    let lines = std::fs::read_to_string(&file).unwrap();

    let names: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["operationName"].clone())
        .collect();
    assert_eq!(names, ["KeyList", "KeyList"]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn calls_are_found_by_each_filter() {
    let world = World::with_key().await;
    world.owner(Method::GET, "/keys/k", None).await;
    world.identity(Method::GET, "/keys/other", None).await;
    world.clock.advance(std::time::Duration::from_mins(1));
    world.identity(Method::POST, "/keys/k/rotate", None).await;
    let count = async |query: &str| records(&world, query).await.len();

    assert_eq!(count("").await, 3);
    assert_eq!(count("?operation=getKey").await, 2);
    assert_eq!(count("?operation=KeyGet&key=K").await, 1);
    assert_eq!(count("?status=403").await, 1);
    assert_eq!(count("?since=2026-01-01T00:00:30Z").await, 1);
    assert_eq!(count("?limit=1").await, 1);
    assert_eq!(count("?vault=other").await, 0);
    for wrong in ["operation=unwarpKey", "status=x", "since=today", "limit=-1", "keys=k"] {
        let answer = admin(&world, Method::GET, &format!("audit?{wrong}"), None).await;
        assert_eq!(answer.status.as_u16(), 400, "{wrong}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_decision_by_roles_is_recorded_with_the_resource_id_of_the_vault() {
    let world = World::new().await;
    let by_roles = VaultChanges { rbac: Some(true), ..VaultChanges::default() };
    world.vault.create_vault("kv1", by_roles).await.unwrap();
    let made = world.vault.add_application("app").await.unwrap().principal;

    world.keys_as(made.client_id(), "kv1", Method::GET, "/keys/k", None).await;

    let record = records(&world, "?vault=kv1").await.pop().unwrap();
    assert_eq!(record["properties"]["isRbacAuthorized"], false);
    assert_eq!(record["properties"]["isAccessPolicyMatch"], Value::Null);
    let id = world.vault.vault_id("kv1").unwrap();
    assert_eq!(record["resourceId"], id.to_ascii_uppercase());
}

#[tokio::test]
async fn a_long_path_needs_a_bounded_space_in_the_log() {
    let world = World::new().await;
    let long = "x".repeat(20_000);

    let path = format!("/keys/{long}/{}", &long[..5_000]);
    let answer = send(world.http.get(world.url(&path))).await;

    assert_eq!(answer.status, reqwest::StatusCode::UNAUTHORIZED);
    let calls = world.vault.calls();
    let call = calls.last().unwrap();
    assert_eq!(call.key.as_ref().map(String::len), Some(1024));
    assert_eq!(call.version.as_ref().map(String::len), Some(1024));
    assert!(call.request_uri.len() <= 1024, "{}", call.request_uri.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_use_of_a_key_is_recorded_even_if_its_client_has_disconnected() {
    let world = World::with_key().await;
    let token = world.token(world.vault.managed_identity()).await;
    let body = json!({"alg": "RSA-OAEP-256", "value": "AAECAw"}).to_string();
    let request = http::Request::post("/keys/k/wrapkey?api-version=7.4")
        .header("host", world.vault.uri().trim_start_matches("https://"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body))
        .unwrap();

    // The test drops the handler, as the server does when a client disconnects.
    let gate = world.vault.gate();
    let mut answering = Box::pin(gate.answer(request));
    // The first step ends at the latency of a fault, the second one in the call.
    assert!(is_pending(&mut answering));
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert!(is_pending(&mut answering));
    drop(answering);
    let recorded = async {
        while world.vault.calls_of(Operation::WrapKey).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    let recorded = tokio::time::timeout(std::time::Duration::from_secs(20), recorded).await;

    assert!(recorded.is_ok(), "the vault used the key and recorded nothing");
    assert_eq!(world.vault.calls_of(Operation::WrapKey)[0].status, 200);
}

/// Polls a future once. Whether it is still pending.
fn is_pending<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T>>>) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    future.as_mut().poll(&mut context).is_pending()
}
