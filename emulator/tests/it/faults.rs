//! Fault injection: clients see the faults of the registry, and the emulator passes faults of the vault to the vault.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Client, content, start, start_with_clock};

const FAULTS: &str = "/_sealyard/faults";

async fn add(client: &Client, rule: Value) -> String {
    let added = client.send_json(FAULTS, &rule).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    added.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_injected_status_has_the_error_body_of_the_specification_and_names_its_rule() {
    let (_emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;
    let manifest = "/v2/app/manifests/v1";

    for (status, code) in [(429, "TOOMANYREQUESTS"), (503, "UNAVAILABLE"), (500, "UNKNOWN")] {
        let rule = json!({ "on": "manifests", "kind": "status", "status": status, "retryAfter": 7, "times": 1 });
        let id = add(&client, rule).await;

        let struck = client.get(manifest).await;

        assert_eq!((struck.status.as_u16(), struck.code().as_str()), (status, code));
        assert_eq!(struck.header("retry-after"), "7");
        assert_eq!(struck.header("x-sealyard-fault"), format!("{id}=status"));
        assert_eq!(struck.header("content-type"), "application/json; charset=utf-8");
        assert_eq!(
            client.get(manifest).await.status,
            StatusCode::OK,
            "the rule was for one request"
        );
    }
}

#[tokio::test]
async fn a_rule_affects_only_its_class_of_requests() {
    let (_emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;
    let down = json!({ "kind": "status", "status": 503 });
    let with = |on: &str| {
        let mut rule = down.clone();
        rule["on"] = json!(on);
        rule["name"] = json!("down");
        rule
    };

    add(&client, with("manifests/PUT")).await;
    let pull = client.get("/v2/app/manifests/v1").await;
    let push = client.put_manifest("app", "v2", &pull.body).await;
    add(&client, with("*")).await;
    let mut all = Vec::new();
    for path in ["/v2/", "/v2/_catalog", "/v2/app/tags/list", "/v2/app/manifests/v1"] {
        all.push(client.get(path).await.status);
    }
    let health = client.get("/_sealyard/health").await;
    let removed = client.send(Method::DELETE, &format!("{FAULTS}/down"), "").await;

    assert_eq!(pull.status, StatusCode::OK);
    assert_eq!(push.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(all, [StatusCode::SERVICE_UNAVAILABLE; 4]);
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert_eq!(client.get("/v2/app/tags/list").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_reset_connection_and_a_cut_body_are_not_a_clean_end_for_the_client() {
    let (_emulator, client) = start().await;
    let layer = content::bytes(5, 1_000_000);
    client.push_blob("app", &layer).await;
    let path = format!("/v2/app/blobs/{}", content::digest(&layer));
    let get = async || client.request(Method::GET, &path).send().await;

    add(&client, json!({ "on": "blobs", "kind": "reset", "times": 1 })).await;
    let reset = get().await;
    add(&client, json!({ "on": "blobs", "kind": "cut", "times": 1 })).await;
    let cut = get().await.unwrap();
    let length = cut.content_length();
    let body = cut.bytes().await;
    let whole = get().await.unwrap().bytes().await.unwrap();

    assert!(reset.is_err(), "{reset:?}");
    assert_eq!(length, Some(1_000_000));
    assert!(body.is_err());
    assert!(whole == layer);
}

#[tokio::test]
async fn the_answer_to_a_push_is_cut_although_it_has_no_body_and_the_push_is_complete() {
    let (_emulator, client) = start().await;
    let location = client.begin("app").await;
    client.send(Method::PATCH, &location, "bytes").await;
    add(&client, json!({ "on": "uploads/PUT", "kind": "cut", "times": 1 })).await;

    let finish = format!("{location}?digest={}", content::digest(b"bytes"));
    let cut = client.request(Method::PUT, &finish).body("").send().await.unwrap().bytes().await;

    assert!(cut.is_err(), "{cut:?}");
    assert_eq!(client.pull_blob("app", b"bytes").await.body, b"bytes");
}

#[tokio::test]
async fn a_rule_expires_by_the_clock() {
    let (_emulator, client, clock) = start_with_clock().await;
    add(&client, json!({ "on": "base", "kind": "outage", "for": "PT1M" })).await;

    let during = client.get("/v2/").await;
    clock.advance(Duration::from_mins(1));
    let after = client.get("/v2/").await;

    assert_eq!(
        (during.status, during.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE")
    );
    assert_eq!(after.status, StatusCode::OK);
}

#[tokio::test]
async fn faults_of_the_vault_and_the_issuer_are_added_to_the_vault_and_removed_from_it() {
    let (emulator, client, clock) = start_with_clock().await;
    client.push_image("app", "v1", &[b"layer"]).await;

    for (on, rule, cause) in [
        ("vault", json!({ "kind": "outage", "name": "gone" }), "vaultUnreachable"),
        (
            "keys/unwrapKey",
            json!({ "kind": "status", "status": 429, "name": "gone" }),
            "vaultThrottled",
        ),
        ("issuer", json!({ "kind": "outage", "name": "gone" }), "issuerDown"),
    ] {
        let mut rule = rule;
        rule["on"] = json!(on);
        assert_eq!(add(&client, rule).await, "gone", "{on}");
        // The token from before the outage must expire first.
        clock.pass(Duration::from_hours(2));
        tokio::task::yield_now().await;
        let refused = client.pull_blob("app", b"layer").await;
        let listed = client.get(FAULTS).await.json();
        let removed = client.send(Method::DELETE, &format!("{FAULTS}/gone"), "").await;
        clock.pass(Duration::from_secs(6));

        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{on}");
        assert_eq!(refused.json()["errors"][0]["detail"]["cause"], cause, "{on}");
        assert_eq!(listed["faults"][0]["of"], "vault", "{on}: {listed}");
        assert_eq!(listed["faults"][0]["on"], on, "the class is listed as it was added: {listed}");
        assert_eq!(removed.status, StatusCode::NO_CONTENT, "{on}");
        assert_eq!(client.pull_blob("app", b"layer").await.body, b"layer", "{on}");
    }
    assert!(emulator.vault().unwrap().faults().is_empty());
}

#[tokio::test]
async fn throttling_and_all_rules_are_listed_and_cleared_together() {
    let (emulator, client) = start().await;
    add(&client, json!({ "on": "tags", "kind": "latency", "latencyMs": 1 })).await;
    add(&client, json!({ "on": "arm", "kind": "reset" })).await;

    let throttled = client.send_json(FAULTS, &json!({ "throttling": "published" })).await.json();
    let cleared = client.send(Method::DELETE, FAULTS, "").await;
    let after = client.get(FAULTS).await.json();

    assert_eq!(throttled["faults"].as_array().unwrap().len(), 2);
    assert_eq!(throttled["throttling"]["transactions"], 4000);
    for class in ["blobs/GET", "keys/unwrapKey", "issuer"] {
        assert!(throttled["classes"].as_array().unwrap().contains(&json!(class)), "{class}");
    }
    assert_eq!(cleared.status, StatusCode::NO_CONTENT);
    assert_eq!((&after["faults"], &after["throttling"]), (&json!([]), &Value::Null));
    drop(emulator);
}

#[tokio::test]
async fn an_invalid_rule_is_refused_with_the_allowed_values() {
    let (_emulator, client) = start().await;

    for (rule, fragment) in [
        (json!({ "kind": "reset" }), "a rule needs on, the class of requests, and kind: latency"),
        (json!({ "on": "blobs", "kind": "explode" }), "latency, status, reset, cut and outage"),
        (json!({ "on": "blobs", "kind": "status" }), "needs status"),
        (json!({ "on": "blobs/PUT", "kind": "reset" }), "uploads/PUT"),
        (json!({ "on": "nothing", "kind": "reset" }), "the classes of the registry are"),
        (json!({ "on": "keys", "kind": "latency" }), "needs latencyMs"),
        (json!({ "throttling": "some" }), "published"),
    ] {
        let refused = client.send_json(FAULTS, &rule).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{rule}: {refused:?}");
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(fragment), "{rule}: {message}");
    }
    let unknown = client.send(Method::DELETE, &format!("{FAULTS}/nosuch"), "").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}
