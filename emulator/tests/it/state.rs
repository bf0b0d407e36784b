//! Without a pull, `status`, `health`, metrics and events report the state that a pull would find, whichever client changed
//! the vault. If the vault sends no notifications, a request for the state makes the registry ask the vault.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use azure_emulator_core::clock::Clock;
use azure_emulator_core::identity::{
    MANAGED_IDENTITY_OBJECT_ID, MANAGED_IDENTITY_RESOURCE_ID, SUBSCRIPTION, TENANT,
};
use mock_keyvault::{MockKeyVault, Operation};
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use sealyard::{Config, ExternalVault, VaultChoice};
use serde_json::{Value, json};

use crate::support::azure::{Owner, VAULT};
use crate::support::process::{Process, spawn, spawn_beside};
use crate::support::{Client, external, start_beside, start_with_clock};

const LEASE: Duration = Duration::from_secs(5);

/// A method to revoke the registry's key through Azure's interfaces, without the emulator's own commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AzureRevocation {
    Policy,
    Role,
    Disable,
    Delete,
    Firewall,
    Vault,
    Identity,
}

impl AzureRevocation {
    const ALL: [Self; 7] = [
        Self::Policy,
        Self::Disable,
        Self::Delete,
        Self::Firewall,
        Self::Vault,
        Self::Identity,
        // The role is last, because the vault uses roles from then on.
        Self::Role,
    ];

    fn cause(self) -> &'static str {
        match self {
            Self::Policy => "policyRemoved",
            Self::Role => "roleRemoved",
            Self::Disable => "keyDisabled",
            Self::Delete => "keyDeleted",
            Self::Firewall => "vaultFirewall",
            Self::Vault => "vaultDeleted",
            Self::Identity => "identityRemoved",
        }
    }

    /// Creates the state that the method needs.
    async fn prepare(self, owner: &Owner) {
        if self == Self::Role {
            role(owner, true).await;
            let rbac = json!({ "properties": { "enableRbacAuthorization": true } });
            owner.arm(Method::PATCH, VAULT, rbac).await;
        }
    }

    async fn revoke(self, owner: &Owner) {
        match self {
            Self::Policy => policy(owner, "remove").await,
            Self::Role => role(owner, false).await,
            Self::Disable => owner.set_enabled(false).await,
            Self::Delete => {
                owner.keys(Method::DELETE, "keys/registry-key", json!(null)).await;
            }
            Self::Firewall => firewall(owner, "Deny").await,
            Self::Vault => {
                owner.arm(Method::DELETE, VAULT, json!(null)).await;
            }
            Self::Identity => identity(owner, &json!(null)).await,
        }
    }

    async fn restore(self, owner: &Owner) {
        match self {
            Self::Policy => policy(owner, "add").await,
            Self::Role => role(owner, true).await,
            Self::Disable => owner.set_enabled(true).await,
            Self::Delete => {
                let path = "deletedkeys/registry-key/recover";
                owner.keys(Method::POST, path, json!({})).await;
            }
            Self::Firewall => firewall(owner, "Allow").await,
            Self::Vault => {
                let recover = json!({ "location": "eastus", "properties": {
                    "tenantId": TENANT, "sku": { "family": "A", "name": "standard" },
                    "createMode": "recover",
                }});
                owner.arm(Method::PUT, VAULT, recover).await;
            }
            Self::Identity => identity(owner, &json!({})).await,
        }
    }
}

async fn policy(owner: &Owner, change: &str) {
    let policy = json!({
        "tenantId": TENANT,
        "objectId": MANAGED_IDENTITY_OBJECT_ID,
        "permissions": { "keys": ["get", "wrapKey", "unwrapKey"] },
    });
    let body = json!({ "properties": { "accessPolicies": [policy] } });
    owner.arm(Method::PUT, &format!("{VAULT}/accessPolicies/{change}"), body).await;
}

async fn role(owner: &Owner, given: bool) {
    let name = "11111111-0000-4000-8000-0000000000e1";
    let path = format!("{VAULT}/providers/Microsoft.Authorization/roleAssignments/{name}");
    // Key Vault Crypto Service Encryption User.
    let role = "e147488a-f6f5-4113-8e2d-b22465e65bf6";
    let definition = format!(
        "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    );
    let body = json!({ "properties": {
        "roleDefinitionId": definition,
        "principalId": MANAGED_IDENTITY_OBJECT_ID,
        "principalType": "ServicePrincipal",
    }});
    let method = if given { Method::PUT } else { Method::DELETE };
    owner.arm(method, &path, if given { body } else { json!(null) }).await;
}

async fn firewall(owner: &Owner, action: &str) {
    let rules = json!({ "defaultAction": action, "bypass": "None" });
    owner.arm(Method::PATCH, VAULT, json!({ "properties": { "networkAcls": rules } })).await;
}

async fn identity(owner: &Owner, assigned: &Value) {
    let path = "providers/Microsoft.ContainerRegistry/registries/local";
    let kind = if assigned.is_null() { "None" } else { "UserAssigned" };
    let identities = json!({ MANAGED_IDENTITY_RESOURCE_ID: assigned });
    let body = json!({ "identity": { "type": kind, "userAssignedIdentities": identities } });
    owner.arm(Method::PATCH, path, body).await;
}

/// Waits without a pull until `health` reports this state and cause.
async fn becomes(client: &Client, state: &str, cause: Option<&str>) {
    let reported = async {
        loop {
            let health = client.get("/_sealyard/health").await.json();
            let local = &health["registries"][0];
            if local["state"] == state && local["cause"] == json!(cause) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let came = tokio::time::timeout(Duration::from_mins(1), reported).await;
    assert!(came.is_ok(), "{state} {cause:?}: {:?}", client.get("/_sealyard/health").await.json());
}

async fn metrics(client: &Client) -> String {
    String::from_utf8(client.get("/_sealyard/metrics").await.body).unwrap()
}

async fn events(client: &Client) -> Vec<Value> {
    let request = client.request(Method::GET, "/_sealyard/events");
    let answer = request.header("accept", "application/json").send().await.unwrap();
    answer.json::<Value>().await.unwrap()["events"].as_array().unwrap().clone()
}

/// Checks that every interface reports this state and cause.
async fn all_tell(client: &Client, state: &str, cause: Option<&str>) {
    let status = client.get("/_sealyard/status").await.json();
    let local = &status["registries"][0];
    assert_eq!((&local["state"], &local["cause"]), (&json!(state), &json!(cause)));
    for (other, value) in [("active", 0), ("unavailable", 0), (state, 1)] {
        let value = if other == state { 1 } else { value };
        let line =
            format!("sealyard_registry_state{{registry=\"local\",state=\"{other}\"}} {value}");
        assert!(metrics(client).await.contains(&line), "{line}");
    }
    let events = events(client).await;
    let last = events.iter().rfind(|event| event["event"] == "stateChanged").unwrap();
    assert_eq!((&last["to"], last["cause"].as_str()), (&json!(state), cause), "{last}");
}

/// The purposes for which the key was used since the start.
async fn purposes(client: &Client) -> Vec<String> {
    let uses = client.get("/_sealyard/audit?last=1000").await.json();
    let uses = uses["keyUses"].as_array().unwrap();
    uses.iter().map(|one| one["purpose"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_revocation_through_azures_interfaces_and_its_end_are_reported_within_a_lease() {
    for method in AzureRevocation::ALL {
        let (emulator, client, clock) = start_with_clock().await;
        let owner = Owner::of(emulator.vault().unwrap());
        method.prepare(&owner).await;
        clock.pass(LEASE);
        becomes(&client, "active", None).await;

        method.revoke(&owner).await;
        clock.pass(LEASE);
        becomes(&client, "unavailable", Some(method.cause())).await;
        all_tell(&client, "unavailable", Some(method.cause())).await;
        method.restore(&owner).await;
        clock.pass(LEASE);
        becomes(&client, "active", None).await;
        all_tell(&client, "active", None).await;

        assert!(
            !purposes(&client).await.contains(&"lease".to_owned()),
            "{method:?}: the key was used without a pull"
        );
        emulator.shutdown().await;
    }
}

#[tokio::test]
async fn a_change_reaches_an_open_stream_of_events_without_a_pull() {
    use futures::StreamExt as _;
    let (emulator, client, _clock) = start_with_clock().await;
    let owner = Owner::of(emulator.vault().unwrap());
    let answer = client.request(Method::GET, "/_sealyard/events").send().await.unwrap();
    let mut stream = answer.bytes_stream();

    owner.set_enabled(false).await;
    let mut text = String::new();
    while !text.contains(r#""cause":"keyDisabled""#) {
        let next = tokio::time::timeout(Duration::from_mins(1), stream.next()).await;
        text.push_str(std::str::from_utf8(&next.unwrap().unwrap().unwrap()).unwrap());
    }

    assert!(text.contains(r#""to":"unavailable""#), "{text}");
    drop(stream);
    emulator.shutdown().await;
}

#[tokio::test]
async fn faults_of_the_vault_and_an_expired_key_are_reported_without_a_pull() {
    let (emulator, client, clock) = start_with_clock().await;
    let owner = Owner::of(emulator.vault().unwrap());
    let vault = emulator.vault().unwrap();

    vault.set_outage(true);
    becomes(&client, "unavailable", Some("vaultUnreachable")).await;
    vault.set_outage(false);
    clock.pass(LEASE);
    becomes(&client, "active", None).await;
    let rule = json!({ "on": "keys", "kind": "status", "status": 429, "for": "PT20S" });
    client.send_json("/_sealyard/faults", &rule).await;
    clock.pass(LEASE);
    becomes(&client, "unavailable", Some("vaultThrottled")).await;
    clock.pass(LEASE * 4);
    becomes(&client, "active", None).await;
    let end = clock.now().unix_timestamp() + 100;
    owner.keys(Method::PATCH, "keys/registry-key", json!({ "attributes": { "exp": end } })).await;
    clock.pass(Duration::from_secs(100));
    becomes(&client, "active", Some("keyExpired")).await;

    emulator.shutdown().await;
}

#[tokio::test]
async fn a_counted_fault_shows_in_the_state_and_is_not_used_up_by_it() {
    let (emulator, client, clock) = start_with_clock().await;
    let rule = json!({ "on": "keys/unwrapKey", "kind": "status", "status": 503, "times": 1 });
    client.send_json("/_sealyard/faults", &rule).await;

    becomes(&client, "unavailable", Some("vaultUnreachable")).await;
    for _ in 0..3 {
        clock.pass(LEASE);
        becomes(&client, "unavailable", Some("vaultUnreachable")).await;
    }
    let faults = client.get("/_sealyard/faults").await.json();
    let pulled = client.get("/v2/_catalog").await;
    clock.pass(LEASE);
    becomes(&client, "active", None).await;

    assert!(faults.to_string().contains(r#""left":1"#), "{faults}");
    assert_eq!(pulled.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.get("/v2/_catalog").await.status, StatusCode::OK);
    emulator.shutdown().await;
}

#[tokio::test]
async fn an_idle_emulator_and_requests_for_its_state_cause_no_vault_calls() {
    let (emulator, client, clock) = start_with_clock().await;
    becomes(&client, "active", None).await;
    let vault = emulator.vault().unwrap();
    let probes = vault.calls().len();

    for _ in 0..20 {
        clock.pass(LEASE);
        all_answer(&client).await;
    }

    assert_eq!(vault.calls().len(), probes);
    emulator.shutdown().await;
}

/// Requests the state from every interface.
async fn all_answer(client: &Client) {
    for path in ["status", "health", "metrics"] {
        assert_eq!(client.get(&format!("/_sealyard/{path}")).await.status, StatusCode::OK);
    }
    events(client).await;
}

#[tokio::test]
async fn the_stop_and_the_restart_of_an_external_vault_are_noticed_without_a_pull() {
    let (vault, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut elsewhere = spawn(vault.path(), &[]).await;
    let owner = owner_of(&elsewhere);
    let external = ExternalVault {
        url: address_of(&elsewhere, "vault").parse().unwrap(),
        authority: Some(address_of(&elsewhere, "login").parse().unwrap()),
        tenant: None,
        client_id: None,
        client_secret_file: None,
        ca: Some(elsewhere.endpoints["ca"].as_str().unwrap().into()),
    };
    let port = external.url.port().unwrap();
    let (emulator, client) = start_beside(external, folder.path()).await;
    becomes(&client, "active", None).await;

    owner.set_enabled(false).await;
    becomes(&client, "unavailable", Some("keyDisabled")).await;
    owner.set_enabled(true).await;
    becomes(&client, "active", None).await;
    elsewhere.child.kill().await.unwrap();
    becomes(&client, "unavailable", Some("vaultUnreachable")).await;
    elsewhere = spawn_beside(vault.path(), &format!("127.0.0.1:{port}"), &[]).await;
    becomes(&client, "active", None).await;
    firewall(&owner_of(&elsewhere), "Deny").await;
    becomes(&client, "unavailable", Some("vaultFirewall")).await;
    all_tell(&client, "unavailable", Some("vaultFirewall")).await;

    assert!(!purposes(&client).await.contains(&"lease".to_owned()));
    emulator.shutdown().await;
}

fn owner_of(process: &Process) -> Owner {
    let ca = std::fs::read_to_string(process.endpoints["ca"].as_str().unwrap()).unwrap();
    let azure = address_of(process, "azure");
    Owner::at(azure.trim_start_matches("https://"), &ca)
}

fn address_of<'a>(process: &'a Process, name: &str) -> &'a str {
    process.endpoints[name].as_str().unwrap()
}

/// A vault without notifications: a mock vault behind a proxy that hides its admin API.
struct Hidden {
    vault: MockKeyVault,
    emulator: Sealyard,
    client: Client,
    clock: Clock,
    /// The number of unwrap requests.
    probes: Arc<AtomicUsize>,
    _folder: tempfile::TempDir,
}

#[derive(Clone)]
struct Proxy {
    http: reqwest::Client,
    vault: String,
    probes: Arc<AtomicUsize>,
}

async fn pass_on(State(proxy): State<Proxy>, request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap().as_str().to_owned();
    if path.starts_with("/_keyvault") {
        return StatusCode::NOT_FOUND.into_response();
    }
    if path.contains("/unwrapkey") {
        proxy.probes.fetch_add(1, Ordering::SeqCst);
    }
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let mut sent = proxy.http.request(head.method, format!("{}{path}", proxy.vault)).body(body);
    for (name, value) in head.headers.iter().filter(|(name, _)| **name != http::header::HOST) {
        sent = sent.header(name, value);
    }
    match sent.send().await {
        Ok(answer) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            response.headers_mut().remove(http::header::TRANSFER_ENCODING);
            *response.body_mut() = Body::from(answer.bytes().await.unwrap());
            response
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

async fn hidden() -> Hidden {
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 00:00 UTC));
    let vault = MockKeyVault::builder().ephemeral().clock(clock.clone()).start().await.unwrap();
    let probes = Arc::new(AtomicUsize::new(0));
    let proxy = Proxy {
        http: Client::trusting(&vault),
        vault: format!("https://127.0.0.1:{}", vault.address().port()),
        probes: Arc::clone(&probes),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().fallback(pass_on).with_state(proxy);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let folder = tempfile::tempdir().unwrap();
    let external = ExternalVault { url: url.parse().unwrap(), authority: None, ..external(&vault) };
    let config = Config {
        vault: VaultChoice::External(external),
        data_dir: folder.path().join("d"),
        ..Config::default()
    };
    let emulator =
        Sealyard::builder().config(config).free_ports().clock(clock.clone()).start().await.unwrap();
    let client = Client::of(&emulator);
    Hidden { vault, emulator, client, clock, probes, _folder: folder }
}

impl Hidden {
    fn probes(&self) -> usize {
        self.probes.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn without_notifications_requests_for_the_state_ask_the_vault_once_per_lease() {
    let world = hidden().await;
    let client = &world.client;
    all_answer(client).await;

    for path in ["status", "health", "metrics", "registries", "registries/local", "events"] {
        for _ in 0..2 {
            world.clock.pass(LEASE);
            let before = world.probes();
            for _ in 0..3 {
                let request = client.request(Method::GET, &format!("/_sealyard/{path}"));
                request.header("accept", "application/json").send().await.unwrap();
                all_answer(client).await;
            }
            assert_eq!(world.probes(), before + 1, "{path}");
        }
    }
    let before = world.probes();
    for _ in 0..20 {
        world.clock.pass(LEASE);
    }
    assert_eq!(world.probes(), before, "the vault was asked without a request for the state");

    assert!(purposes(client).await.contains(&"state".to_owned()));
    world.emulator.shutdown().await;
}

#[tokio::test]
async fn without_notifications_the_answer_has_the_state_that_a_pull_would_find() {
    let world = hidden().await;
    let (client, owner) = (&world.client, Owner::of(&world.vault));
    let local = async || client.get("/_sealyard/health").await.json()["registries"][0].clone();
    assert_eq!(local().await["state"], "active");

    owner.set_enabled(false).await;
    world.clock.pass(LEASE);
    let dark = local().await;
    all_tell(client, "unavailable", Some("keyDisabled")).await;
    owner.set_enabled(true).await;
    world.clock.pass(LEASE);
    let back = local().await;
    all_tell(client, "active", None).await;

    assert_eq!((&dark["state"], &dark["cause"]), (&json!("unavailable"), &json!("keyDisabled")));
    assert_eq!((&back["state"], &back["cause"]), (&json!("active"), &json!(null)));
    world.emulator.shutdown().await;
}

#[tokio::test]
async fn without_notifications_a_registry_notices_a_change_when_the_lease_ends() {
    let world = hidden().await;
    let client = &world.client;
    client.push_blob("app", b"content").await;

    Owner::of(&world.vault).set_enabled(false).await;
    let leased = client.pull_blob("app", b"content").await;
    world.clock.pass(LEASE);
    let refused = client.pull_blob("app", b"content").await;

    assert_eq!(leased.status, StatusCode::OK, "the lease is still running");
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "DENIED"));
    world.emulator.shutdown().await;
}

#[tokio::test]
async fn while_a_stream_of_events_is_open_the_registry_asks_the_vault_once_per_lease() {
    use futures::StreamExt as _;
    let world = hidden().await;
    let owner = Owner::of(&world.vault);
    let answer = world.client.request(Method::GET, "/_sealyard/events").send().await.unwrap();
    let mut stream = answer.bytes_stream();
    let (before, mut passes, mut text) = (world.probes(), 0, String::new());
    // Reads the stream until the condition is true.
    let mut reads = async |until: &dyn Fn(&str) -> bool| {
        let reading = async {
            while !until(&text) {
                world.clock.pass(LEASE);
                passes += 1;
                let more = tokio::time::timeout(Duration::from_millis(50), stream.next()).await;
                if let Ok(more) = more {
                    text.push_str(std::str::from_utf8(&more.unwrap().unwrap()).unwrap());
                }
            }
        };
        tokio::time::timeout(Duration::from_mins(1), reading)
            .await
            .expect("the condition becomes true");
    };

    reads(&|_| world.probes() >= before + 2).await;
    owner.set_enabled(false).await;
    reads(&|text| text.contains(r#""cause":"keyDisabled""#)).await;

    assert!(world.probes() <= before + passes + 1, "the vault was asked more than once per lease");
    drop(stream);
    world.emulator.shutdown().await;
}

#[tokio::test]
async fn a_probe_is_audited_as_state_and_marked_for_the_vault() {
    let (emulator, client, _clock) = start_with_clock().await;
    let vault = emulator.vault().unwrap();
    let before = vault.calls_of(Operation::UnwrapKey).len();

    Owner::of(vault).set_enabled(false).await;
    becomes(&client, "unavailable", Some("keyDisabled")).await;

    let uses = client.get("/_sealyard/audit?last=1").await.json();
    let last = &uses["keyUses"][0];
    assert_eq!((&last["purpose"], &last["result"]), (&json!("state"), &json!("KeyDisabled")));
    assert_eq!(vault.calls_of(Operation::UnwrapKey).len(), before + 1);
    emulator.shutdown().await;
}
