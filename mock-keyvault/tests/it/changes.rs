//! The stream of changes: it reports every change after which a vault may give different answers, and no reads.

use std::collections::HashSet;
use std::time::Duration;

use mock_keyvault::{OPERATIONS, Operation};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::jwk;
use crate::support::{Answer, SUBSCRIPTION, World, admin, send, vault_path};

const TENANT: &str = "00000000-0000-4000-8000-00000000a001";
const SOMEBODY: &str = "11111111-0000-4000-8000-000000000001";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

/// An open stream, read line by line.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    /// Subscribes. Returns the stream and the generation of its first line.
    async fn open(world: &World) -> (Self, u64) {
        let url = format!("{}/_keyvault/changes", world.vault.uri());
        let response = world.http.get(url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        let mut stream = Self { response, text: String::new() };
        let first = stream.line().await.unwrap();
        assert_eq!(first["kind"], "subscribed");
        (stream, first["generation"].as_u64().unwrap())
    }

    /// The next line; `None` if the stream has ended.
    async fn line(&mut self) -> Option<Value> {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let (line, rest) = (serde_json::from_str(line).unwrap(), rest.to_owned());
                self.text = rest;
                return Some(line);
            }
            let chunk = tokio::time::timeout(Duration::from_mins(1), self.response.chunk()).await;
            self.text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()?).unwrap());
        }
    }

    /// The next line that is not a heartbeat.
    async fn change(&mut self) -> Value {
        loop {
            let line = self.line().await.unwrap();
            if line["kind"] != "alive" {
                return line;
            }
        }
    }
}

impl Stream {
    /// The next change of this kind. The vault also reports changes of its own data, such as an announced expiry.
    async fn of_kind(&mut self, kind: &str) -> Value {
        loop {
            let change = self.change().await;
            if change["kind"] == kind {
                return change;
            }
        }
    }
}

async fn generation(world: &World) -> u64 {
    Stream::open(world).await.1
}

#[track_caller]
fn succeeded(answer: &Answer, what: &str) {
    assert!(answer.status.is_success(), "{what}: {} {}", answer.status, answer.text);
}

#[tokio::test]
async fn only_operations_that_change_a_key_are_reported() {
    use Operation as O;
    let world = World::with_key().await;
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP", b"x").await.field("value");
    let backup = world.owner(Method::POST, "/keys/k/backup", None).await.field("value");
    let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    let operate = |alg: &str, value: &str| Some(json!({ "alg": alg, "value": value }));
    let digest = "A".repeat(43);
    let signed = world.owner(post.clone(), "/keys/k/sign", operate("RS256", &digest)).await;
    let verify = json!({ "alg": "RS256", "digest": digest, "value": signed.field("value") });
    let policy = json!({ "lifetimeActions": [] });
    // In an order in which each of them succeeds.
    let steps = [
        (O::GetKey, &get, "/keys/k", None, false),
        (O::ListKeys, &get, "/keys", None, false),
        (O::ListKeyVersions, &get, "/keys/k/versions", None, false),
        (O::GetKeyRotationPolicy, &get, "/keys/k/rotationpolicy", None, false),
        (O::BackupKey, &post, "/keys/k/backup", None, false),
        (O::WrapKey, &post, "/keys/k/wrapkey", operate("RSA-OAEP", "AAAA"), false),
        (O::UnwrapKey, &post, "/keys/k/unwrapkey", operate("RSA-OAEP", &wrapped), false),
        (O::Encrypt, &post, "/keys/k/encrypt", operate("RSA-OAEP", "AAAA"), false),
        (O::Decrypt, &post, "/keys/k/decrypt", operate("RSA-OAEP", &wrapped), false),
        (O::Sign, &post, "/keys/k/sign", operate("RS256", &digest), false),
        (O::Verify, &post, "/keys/k/verify", Some(verify), false),
        (
            O::UpdateKey,
            &Method::PATCH,
            "/keys/k",
            Some(json!({"attributes": {"enabled": true}})),
            true,
        ),
        (O::UpdateKeyRotationPolicy, &put, "/keys/k/rotationpolicy", Some(policy), true),
        (O::RotateKey, &post, "/keys/k/rotate", None, true),
        (O::CreateKey, &post, "/keys/k/create", Some(json!({"kty": "RSA"})), true),
        (O::DeleteKey, &delete, "/keys/k", None, true),
        (O::GetDeletedKey, &get, "/deletedkeys/k", None, false),
        (O::ListDeletedKeys, &get, "/deletedkeys", None, false),
        (O::RecoverDeletedKey, &post, "/deletedkeys/k/recover", None, true),
        (O::DeleteKey, &delete, "/keys/k", None, true),
        (O::PurgeDeletedKey, &delete, "/deletedkeys/k", None, true),
        (O::RestoreKey, &post, "/keys/restore", Some(json!({ "value": backup })), true),
        (O::ImportKey, &put, "/keys/other", Some(json!({"key": jwk::ec("P-256")})), true),
    ];
    let mut seen = HashSet::new();

    for (operation, method, path, body, changes) in steps {
        let before = generation(&world).await;
        let answer = world.owner(method.clone(), path, body).await;
        succeeded(&answer, operation.as_str());
        seen.insert(operation);

        assert_eq!(generation(&world).await > before, changes, "{operation}");
    }

    let served = OPERATIONS.iter().filter(|route| route.served).map(|route| route.operation);
    assert_eq!(seen, served.collect(), "each operation is tried");
}

#[tokio::test]
async fn each_change_of_a_vault_its_permissions_and_its_principals_is_reported() {
    let world = World::new().await;
    let path = vault_path("kv1");
    let policy = json!({"properties": {"accessPolicies": [
        {"tenantId": TENANT, "objectId": SOMEBODY, "permissions": {"keys": ["get"]}},
    ]}});
    let whole = |rules: Value| {
        json!({"location": "eastus", "properties": {
            "tenantId": TENANT, "sku": {"family": "A", "name": "standard"},
            "accessPolicies": [], "networkAcls": rules,
        }})
    };
    let open = json!({"defaultAction": "Allow", "bypass": "None"});
    let closed = json!({"defaultAction": "Deny", "bypass": "None"});
    let mut recover = whole(open.clone());
    recover["properties"]["createMode"] = json!("recover");
    let role = format!("{path}/providers/Microsoft.Authorization/roleAssignments/{SOMEBODY}");
    let assignment = json!({"properties": {
        "roleDefinitionId": format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{READER}"),
        "principalId": SOMEBODY, "principalType": "ServicePrincipal",
    }});
    let deleted = format!(
        "{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/eastus/deletedVaults/kv1/purge"
    );
    let policies = |kind: &str| format!("{path}/accessPolicies/{kind}");

    for (what, method, path, body) in [
        ("made", Method::PUT, path.clone(), Some(whole(open))),
        (
            "closed",
            Method::PATCH,
            path.clone(),
            Some(json!({"properties": {"networkAcls": closed}})),
        ),
        ("policy added", Method::PUT, policies("add"), Some(policy.clone())),
        ("policy replaced", Method::PUT, policies("replace"), Some(policy.clone())),
        ("policy removed", Method::PUT, policies("remove"), Some(policy)),
        ("role given", Method::PUT, role.clone(), Some(assignment)),
        ("role taken", Method::DELETE, role, None),
        ("deleted", Method::DELETE, path.clone(), None),
        ("recovered", Method::PUT, path.clone(), Some(recover)),
        ("deleted again", Method::DELETE, path.clone(), None),
        ("purged", Method::POST, deleted, None),
    ] {
        let before = generation(&world).await;
        let version = if what.starts_with("role") { "?api-version=2022-04-01" } else { "" };
        let answer = world.arm(method, &format!("{path}{version}"), body).await;
        succeeded(&answer, what);

        assert!(generation(&world).await > before, "{what}");
    }

    let before = generation(&world).await;
    let body = json!({"displayName": "app"});
    let made = admin(&world, Method::POST, "principals", Some(body)).await;
    succeeded(&made, "principal");
    let with_principal = generation(&world).await;
    let id = made.json()["clientId"].as_str().unwrap().to_owned();
    let secret = admin(&world, Method::POST, &format!("principals/{id}/secrets"), None).await;
    succeeded(&secret, "secret");
    let with_secret = generation(&world).await;
    succeeded(&admin(&world, Method::DELETE, &format!("principals/{id}"), None).await, "removal");

    assert!(before < with_principal && with_principal < with_secret);
    assert!(with_secret < generation(&world).await);
}

#[tokio::test]
async fn a_change_names_its_vault_and_changes_that_come_with_time_are_reported_on_time() {
    let world = World::with_key().await;
    let (mut stream, generation) = Stream::open(&world).await;
    let expires = world.clock.now() + Duration::from_secs(100);

    let body = json!({"attributes": {"exp": expires.unix_timestamp()}});
    succeeded(&world.owner(Method::PATCH, "/keys/k", Some(body)).await, "update");
    let updated = stream.change().await;
    let rule = json!({"on": "keys", "kind": "outage", "for": "PT50S"});
    succeeded(&admin(&world, Method::POST, "faults", Some(rule)).await, "fault");
    let added = stream.of_kind("fault").await;
    world.clock.pass(Duration::from_secs(50));
    stream.of_kind("fault").await;
    world.clock.advance(Duration::from_secs(50));
    stream.of_kind("validity").await;

    assert_eq!(updated, json!({"generation": generation + 1, "kind": "vault", "vault": "local"}));
    assert_eq!(added.get("vault"), None, "a fault may affect any vault");
}

#[tokio::test]
async fn used_up_faults_and_limits_are_reported() {
    let world = World::with_key().await;
    let (mut stream, _) = Stream::open(&world).await;
    let rule = json!({"on": "keys", "kind": "status", "status": 429, "times": 1, "name": "once"});

    admin(&world, Method::POST, "faults", Some(rule)).await;
    let added = stream.change().await;
    world.identity(Method::GET, "/keys/k", None).await;
    let used_up = stream.change().await;
    let limits = json!({"throttling": {"transactions": 1, "creations": 1, "window": "PT10S"}});
    admin(&world, Method::POST, "faults", Some(limits)).await;
    let limited = stream.change().await;
    world.identity(Method::GET, "/keys/k", None).await;
    let full = stream.change().await;
    world.clock.advance(Duration::from_secs(10));
    let free = stream.change().await;

    for fault in [added, used_up] {
        assert_eq!(fault["kind"], "fault");
    }
    assert_eq!(limited["kind"], "throttling");
    assert_eq!((&full["kind"], &full["vault"]), (&json!("throttling"), &json!("local")));
    assert_eq!((&free["kind"], &free["vault"]), (&json!("throttling"), &json!("local")));
}

#[tokio::test]
async fn a_probe_meets_faults_and_limits_and_uses_up_neither() {
    let world = World::with_key().await;
    let token = world.token(world.vault.managed_identity()).await;
    let probe = async || {
        let request = world.http.get(world.url("/keys/k")).bearer_auth(&token);
        send(request.header("x-sealyard-probe", "state")).await.status
    };
    let call = async || world.with_token(&token, Method::GET, "/keys/k", None).await.status;
    let rule = json!({"on": "keys", "kind": "status", "status": 503, "times": 1});
    admin(&world, Method::POST, "faults", Some(rule)).await;

    let struck = [probe().await, probe().await, call().await];
    let spared = [probe().await, call().await];
    let limits = json!({"throttling": {"transactions": 1, "creations": 1}});
    admin(&world, Method::POST, "faults", Some(limits)).await;
    let within = [probe().await, probe().await, call().await];
    let beyond = [probe().await, call().await];

    assert_eq!(struck, [StatusCode::SERVICE_UNAVAILABLE; 3]);
    assert_eq!(spared, [StatusCode::OK; 2]);
    assert_eq!(within, [StatusCode::OK; 3]);
    assert_eq!(beyond, [StatusCode::TOO_MANY_REQUESTS; 2]);
    let faults = admin(&world, Method::GET, "faults", None).await.json();
    assert_eq!(faults["faults"], json!([]));
}

#[tokio::test]
async fn a_probe_does_not_advance_a_rule_with_a_probability() {
    let world = World::with_key().await;
    let token = world.token(world.vault.managed_identity()).await;
    let rule = json!({"on": "keys", "kind": "status", "status": 503, "probability": 0.5, "seed": 7, "name": "odds"});
    let mut runs = Vec::new();

    for probes in [0, 3] {
        admin(&world, Method::POST, "faults", Some(rule.clone())).await;
        let mut statuses = Vec::new();
        for _ in 0..10 {
            let mut foreseen = None;
            for _ in 0..probes {
                let request = world.http.get(world.url("/keys/k")).bearer_auth(&token);
                foreseen = Some(send(request.header("x-sealyard-probe", "state")).await.status);
            }
            let status = world.with_token(&token, Method::GET, "/keys/k", None).await.status;
            assert_eq!(foreseen.unwrap_or(status), status, "a probe says what the call would get");
            statuses.push(status);
        }
        runs.push(statuses);
    }

    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn the_stream_sends_heartbeats_without_changes_and_ends_with_the_vault() {
    let world = World::new().await;
    let (mut stream, generation) = Stream::open(&world).await;

    let beat = stream.line().await.unwrap();
    let stopping = tokio::spawn(world.vault.shutdown());
    while stream.line().await.is_some() {}
    stopping.await.unwrap();

    assert_eq!(beat, json!({"generation": generation, "kind": "alive"}));
}

#[tokio::test]
async fn a_page_of_another_site_gets_no_stream() {
    let world = World::new().await;
    let url = format!("{}/_keyvault/changes", world.vault.uri());

    let refused = send(world.http.get(&url).header("origin", "https://page.example")).await;
    let method = send(world.http.post(&url)).await;

    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
}
