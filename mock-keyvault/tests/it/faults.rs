//! Injected faults and throttling, as clients see them.

use std::time::Duration;

use azure_emulator_core::faults::{FaultKind, FaultRule, TimeKind};
use mock_keyvault::{KeySize, Operation, Throttling};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, World, admin, send};

const FAULT: &str = "x-sealyard-fault";

async fn add(world: &World, rule: Value) -> String {
    let added = admin(world, Method::POST, "faults", Some(rule)).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    added.field("id")
}

async fn get(world: &World) -> Answer {
    world.identity(Method::GET, "/keys/k", None).await
}

fn fault(answer: &Answer) -> Option<&str> {
    answer.headers.get(FAULT).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_status_fault_is_answered_the_given_number_of_times_with_azures_message() {
    let world = World::with_key().await;
    let rule = json!({"on": "keys/unwrapKey", "kind": "status", "status": 429, "retryAfter": 7, "times": 1});
    let id = add(&world, rule).await;
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP", b"x").await;

    let refused = world.wrap("/keys/k/unwrapkey", "RSA-OAEP", &wrapped.value()).await;
    let done = world.wrap("/keys/k/unwrapkey", "RSA-OAEP", &wrapped.value()).await;

    assert_eq!(fault(&wrapped), None, "another operation is not affected");
    assert_eq!(
        refused.text,
        r#"{"error":{"code":"Throttled","message":"Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"}}"#
    );
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers["retry-after"], "7");
    assert_eq!(fault(&refused), Some(format!("{id}=status").as_str()));
    assert_eq!(done.value(), b"x");
    assert_eq!(fault(&done), None);
}

#[tokio::test]
async fn every_refusal_has_azures_form_and_is_in_the_audit_log() {
    let world = World::with_key().await;

    for status in [400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 504] {
        add(&world, json!({"on": "keys", "kind": "status", "status": status, "times": 1})).await;
        let answer = get(&world).await;
        assert_eq!(answer.status.as_u16(), status);
        assert!(
            !answer.refusal().1.is_empty() && !answer.refusal().2.is_empty(),
            "{}",
            answer.text
        );
        assert!(!answer.headers.contains_key("retry-after"));
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
        assert_eq!(world.vault.calls().last().unwrap().status, status);
    }
}

#[tokio::test]
async fn a_request_that_a_fault_refuses_is_not_performed() {
    let world = World::with_key().await;
    add(&world, json!({"on": "keys", "kind": "status", "status": 500, "times": 1})).await;

    world.owner(Method::DELETE, "/keys/k", None).await;

    assert_eq!(get(&world).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_without_a_token_is_challenged_and_not_counted() {
    let world = World::with_key().await;
    add(&world, json!({"on": "keys", "kind": "status", "status": 503, "times": 1})).await;

    let challenged = send(world.http.get(world.url("/keys/k"))).await;
    let refused = get(&world).await;

    assert_eq!(challenged.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_connection_is_reset_and_the_request_is_not_performed() {
    let world = World::with_key().await;
    add(&world, json!({"on": "keys/createKey", "kind": "reset", "times": 1})).await;
    let token = world.token(world.vault.owner()).await;
    let create = || {
        let request = world.http.post(world.url("/keys/other/create")).bearer_auth(&token);
        request.json(&json!({"kty": "RSA"})).send()
    };

    let broken = create().await;

    assert!(broken.is_err(), "{broken:?}");
    let none = world.vault.latest_version("local", "other").await.unwrap();
    assert_eq!(none, None);
    assert_eq!(create().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_is_cut_and_the_request_is_performed() {
    let world = World::new().await;
    add(&world, json!({"on": "keys/createKey", "kind": "cut", "times": 1})).await;
    let token = world.token(world.vault.owner()).await;

    let request = world.http.post(world.url("/keys/k/create")).bearer_auth(&token);
    let answer = request.json(&json!({"kty": "RSA"})).send().await.unwrap();

    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[FAULT], "fault-1=cut");
    assert!(answer.content_length().unwrap() > 0);
    assert!(answer.bytes().await.is_err(), "the body never ends cleanly");
    assert!(world.vault.latest_version("local", "k").await.unwrap().is_some());
}

#[tokio::test]
async fn latency_is_reported_and_the_answer_arrives() {
    let world = World::with_key().await;
    add(&world, json!({"on": "*", "kind": "latency", "latencyMs": 1, "name": "slow"})).await;

    let slow = get(&world).await;

    assert_eq!(slow.status, StatusCode::OK);
    assert_eq!(fault(&slow), Some("slow=latency"));
}

#[tokio::test]
async fn the_issuer_fails_separately_with_its_own_messages() {
    let world = World::with_key().await;
    let token = world.token(world.vault.owner()).await;
    add(&world, json!({"on": "issuer", "kind": "status", "status": 503, "times": 1})).await;
    let url = format!("{}/{}/oauth2/v2.0/token", world.vault.authority_uri(), world.vault.tenant());

    let vault = world.with_token(&token, Method::GET, "/keys/k", None).await;
    let issuer = send(world.http.post(url).form(&[("grant_type", "client_credentials")])).await;

    assert_eq!(vault.status, StatusCode::OK);
    assert_eq!(issuer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(issuer.field("error"), "temporarily_unavailable");
    assert_eq!(fault(&issuer), Some("fault-1=status"));
}

#[tokio::test]
async fn an_outage_affects_every_client_and_is_a_rule_like_others() {
    let world = World::with_key().await;
    world.vault.set_outage(true);

    let without_token = send(world.http.get(world.url("/keys/k"))).await;
    let with_token = get(&world).await;
    let listed = admin(&world, Method::GET, "faults", None).await.json();
    world.vault.set_outage(false);

    for answer in [&without_token, &with_token] {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
    }
    assert_eq!(listed["faults"][0]["kind"], "outage");
    assert_eq!(get(&world).await.status, StatusCode::OK);
}

#[tokio::test]
async fn rules_are_added_by_the_handle_and_end_by_the_clock() {
    let world = World::with_key().await;
    let refused = FaultKind::Status { status: 503, retry_after: None };
    let rule = FaultRule::new("keys/getKey", refused)
        .lasting(Duration::from_mins(5), TimeKind::Clock)
        .named("five-minutes");
    world.vault.add_fault(rule).unwrap();

    let during = get(&world).await;
    let report = world.vault.faults();
    world.clock.advance(Duration::from_mins(5));
    let after = get(&world).await;

    assert_eq!((during.status.as_u16(), after.status.as_u16()), (503, 200));
    assert_eq!((report[0].id.as_str(), report[0].hits), ("five-minutes", 1));
    assert!(world.vault.faults().is_empty());
    assert!(world.vault.add_fault(FaultRule::new("nothing", refused)).is_err());
}

#[tokio::test]
async fn rules_are_listed_and_removed_one_by_one_or_all() {
    let world = World::with_key().await;
    let first = add(&world, json!({"on": "keys", "kind": "outage", "times": 3})).await;
    add(&world, json!({"on": "keys", "kind": "reset"})).await;
    admin(&world, Method::POST, "faults", Some(json!({"throttling": "published"}))).await;

    let listed = admin(&world, Method::GET, "faults", None).await.json();
    let gone = admin(&world, Method::DELETE, &format!("faults/{first}"), None).await;
    let again = admin(&world, Method::DELETE, &format!("faults/{first}"), None).await;
    let all = admin(&world, Method::DELETE, "faults", None).await;
    let empty = admin(&world, Method::GET, "faults", None).await.json();

    assert_eq!(
        listed["faults"][0],
        json!({"on": "keys", "kind": "outage", "times": 3, "id": first, "hits": 0, "left": 3})
    );
    assert_eq!(
        listed["throttling"],
        json!({"transactions": 4000, "creations": 20, "window": "PT10S"})
    );
    let classes = listed["classes"].as_array().unwrap();
    assert!(classes.contains(&json!("keys/unwrapKey")) && classes.contains(&json!("arm")));
    assert_eq!((gone.status.as_u16(), again.status.as_u16(), all.status.as_u16()), (204, 404, 204));
    assert_eq!((&empty["faults"], &empty["throttling"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn an_invalid_rule_is_refused_with_the_valid_values() {
    let world = World::with_key().await;

    for (rule, expected) in [
        (json!({"on": "keys/unwrap", "kind": "reset"}), "keys/unwrapKey"),
        (json!({"on": "keys", "kind": "explode"}), "latency, status, reset, cut and outage"),
        (json!({"on": "keys", "kind": "status"}), "needs status"),
        (json!({"throttling": "on"}), "published"),
        (json!([]), "expected"),
    ] {
        let refused = admin(&world, Method::POST, "faults", Some(rule.clone())).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{rule}");
        assert!(refused.text.contains(expected), "{rule}: {}", refused.text);
    }
    assert_eq!(get(&world).await.status, StatusCode::OK);
}

#[tokio::test]
async fn throttling_counts_by_the_clock_and_separately_for_each_vault() {
    let world = World::with_key().await;
    let own = json!({"throttling": {"transactions": 3, "creations": 1}});
    admin(&world, Method::POST, "faults", Some(own)).await;
    let statuses = async |count: usize| {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(get(&world).await.status.as_u16());
        }
        all
    };

    let first = statuses(4).await;
    let refused = get(&world).await;
    world.clock.advance(Duration::from_secs(10));
    let second = statuses(4).await;

    assert_eq!(first, [200, 200, 200, 429]);
    assert_eq!(refused.refusal().1, "Throttled");
    assert!(refused.refusal().2.ends_with("Reason: VaultRequestTypeLimitReached"));
    assert_eq!(fault(&refused), Some("throttling"));
    assert!(!refused.headers.contains_key("retry-after"), "the service sends none");
    assert_eq!(second, [200, 200, 200, 429]);
}

#[tokio::test]
async fn larger_keys_weigh_more_and_creations_are_counted_separately() {
    let world = World::with_key().await;
    world.vault.create_key("local", "large", KeySize::Rsa3072).await.unwrap();
    world.vault.set_throttling(Some(Throttling {
        transactions: 8,
        creations: 1,
        ..Throttling::PUBLISHED
    }));
    let large = async || world.identity(Method::GET, "/keys/large", None).await.status.as_u16();
    let rotate = async || world.owner(Method::POST, "/keys/k/rotate", None).await.status.as_u16();

    assert_eq!([large().await, large().await, large().await], [200, 200, 429]);
    assert_eq!([rotate().await, rotate().await], [200, 429]);
    world.vault.set_throttling(None);
    assert_eq!([large().await, rotate().await], [200, 200]);
    let throttled =
        world.vault.calls().iter().filter(|call| call.code == Some("Throttled")).count();
    assert_eq!(throttled, 2);
    assert!(world.vault.calls().iter().any(|call| call.operation == Operation::RotateKey));
}
