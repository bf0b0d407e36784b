//! Requests with arbitrary parts to all services of a running emulator: each one gets an answer, and none is an internal error.
//!
//! The first three bytes select the method, the route and the body. The lines after them fill the gaps of the route and the body,
//! then follow the query and two headers. A panic of any thread ends the fuzzer as a crash.
#![no_main]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::time::Duration;

use sealyard::Sealyard;
use tokio::runtime::Runtime;

/// The service that a route belongs to, by the host that clients send.
#[derive(Clone, Copy, PartialEq)]
enum Service {
    Registry,
    Vault,
    Login,
    Manager,
    Graph,
}

use Service::{Graph, Login, Manager, Registry, Vault};

const METHODS: [&str; 7] = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"];

const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/{}";

/// The routes. A gap `{}` takes the next line of the input.
const ROUTES: [(Service, &str); 49] = [
    (Registry, "{}"),
    (Registry, "/v2/"),
    (Registry, "/v2/{}/manifests/{}"),
    (Registry, "/v2/{}/blobs/{}"),
    (Registry, "/v2/{}/blobs/uploads/"),
    (Registry, "/v2/{}/blobs/uploads/{}"),
    (Registry, "/v2/{}/tags/list"),
    (Registry, "/v2/{}/referrers/{}"),
    (Registry, "/v2/_catalog"),
    (Registry, "/oauth2/token"),
    (Registry, "/oauth2/exchange"),
    (Registry, "/acr/v1/{}"),
    (Registry, "/acr/v1/{}/_tags/{}"),
    (Registry, "/acr/v1/{}/_manifests/{}"),
    (Registry, "/_sealyard/registries"),
    (Registry, "/_sealyard/registries/{}"),
    (Registry, "/_sealyard/registries/{}/key"),
    (Registry, "/_sealyard/registries/{}/revoke"),
    (Registry, "/_sealyard/registries/{}/restore"),
    (Registry, "/_sealyard/registries/{}/access"),
    (Registry, "/_sealyard/registries/{}/tokens"),
    (Registry, "/_sealyard/registries/{}/runs"),
    (Registry, "/_sealyard/registries/{}/rotate-key"),
    (Registry, "/_sealyard/registries/{}/gc"),
    (Registry, "/_sealyard/identities/{}"),
    (Registry, "/_sealyard/clock"),
    (Registry, "/_sealyard/audit"),
    (Vault, "{}"),
    (Vault, "/keys/{}/create"),
    (Vault, "/keys/{}"),
    (Vault, "/keys/{}/{}"),
    (Vault, "/keys/{}/{}/{}"),
    (Vault, "/keys/{}/rotationpolicy"),
    (Vault, "/keys/{}/rotate"),
    (Vault, "/keys/restore"),
    (Vault, "/deletedkeys/{}"),
    (Vault, "/deletedkeys/{}/recover"),
    (Login, "/{}/oauth2/v2.0/token"),
    (Login, "/{}/oauth2/token"),
    (Login, "/{}"),
    (Manager, "{}"),
    (Manager, "/subscriptions/{}"),
    (Manager, GROUP),
    (Manager, "GROUP/providers/Microsoft.KeyVault/vaults/{}"),
    (Manager, "GROUP/providers/Microsoft.ContainerRegistry/registries/{}"),
    (Manager, "GROUP/providers/Microsoft.ContainerRegistry/registries/{}/{}"),
    (Manager, "GROUP/providers/{}/{}/{}"),
    (Manager, "GROUP/providers/Microsoft.Resources/deployments/{}"),
    (Graph, "/v1.0/{}"),
];

/// The bodies, with their types. A gap `{}` takes the next line of the input.
const BODIES: [(&str, &str); 16] = [
    ("", ""),
    ("application/json", "{}"),
    ("application/json", r#"{"{}": {}}"#),
    ("application/json", r#"{"kty": "EC", "crv": "{}", "key_ops": [{}]}"#),
    ("application/json", r#"{"alg": "{}", "value": "{}"}"#),
    ("application/json", r#"{"attributes": {"enabled": {}, "exp": {}}, "tags": {}}"#),
    (
        "application/json",
        r#"{"lifetimeActions": [{"trigger": {"timeAfterCreate": "{}"}, "action": {"type": "{}"}}]}"#,
    ),
    ("application/json", r#"{"key": {}, "value": "{}"}"#),
    ("application/json", r#"{"location": "{}", "properties": {}}"#),
    ("application/json", r#"{"properties": {"mode": "Incremental", "template": {}}}"#),
    (
        "application/json",
        r#"{"name": "{}", "sku": {"name": "{}"}, "identity": {"type": "{}"}, "properties": {}}"#,
    ),
    ("application/json", r#"{"advance": "{}"}"#),
    ("application/x-www-form-urlencoded", "{}"),
    ("application/x-www-form-urlencoded", "grant_type={}&client_id={}&scope={}&client_secret={}"),
    ("application/vnd.oci.image.manifest.v1+json", "{}"),
    (
        "application/vnd.oci.image.index.v1+json",
        r#"{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{}], "subject": {}}"#,
    ),
];

struct World {
    runtime: Runtime,
    emulator: Sealyard,
    registry: SocketAddr,
    vault: SocketAddr,
    key_token: String,
    manager_token: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let emulator = runtime.block_on(Sealyard::builder().ephemeral().start()).expect("an emulator");
    let vault = emulator.vault().expect("its vault");
    let token = |resource: &str| {
        let token = vault.token(&vault.owner().client_id, resource).expect("a token");
        token.expose().to_owned()
    };
    let (key_token, manager_token) =
        (token("https://vault.azure.net"), token("https://management.azure.com"));
    let (registry, vault) = (emulator.registry_address(), vault.address());
    World { runtime, emulator, registry, vault, key_token, manager_token }
});

/// Fills the gaps with the next lines.
fn fill<'a>(form: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut parts = form.split("{}");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += lines.next().unwrap_or_default();
        text += part;
    }
    text
}

/// Sends a request, and returns the beginning of the answer.
fn ask(to: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).expect("a connection");
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).expect("a limit");
    // A service may answer and close before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    match stream.take(1 << 20).read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("no answer to {}", String::from_utf8_lossy(request))
        }
        _ => answer,
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [method, route, body, rest @ ..] = data else { return };
    let text = String::from_utf8_lossy(rest);
    let mut lines = text.split('\n');
    let method = METHODS[usize::from(*method) % METHODS.len()];
    let (service, path) = ROUTES[usize::from(*route) % ROUTES.len()];
    let (content_type, body) = BODIES[usize::from(*body) % BODIES.len()];
    let path = fill(&path.replace("GROUP", GROUP), &mut lines);
    let body = fill(body, &mut lines);
    let query = lines.next().unwrap_or_default();
    let version = match service {
        Vault => "api-version=7.4&",
        Manager => "api-version=2023-07-01&",
        _ => "",
    };
    let target = format!("{path}?{version}{query}");
    // The streams of events have no end, and a fault rule may ask for an internal error.
    let is_skipped = ["events", "faults"].iter().any(|name| path.contains(name));
    if is_skipped || target.parse::<http::Uri>().is_err() || !target.starts_with('/') {
        return;
    }
    let world = &*WORLD;
    let (to, host, token) = match service {
        Registry => (world.registry, "localhost", None),
        Vault => (world.vault, "local.vault.localhost", Some(&world.key_token)),
        Login => (world.vault, "login.localhost", None),
        Manager => (world.vault, "management.localhost", Some(&world.manager_token)),
        Graph => (world.vault, "graph.localhost", Some(&world.manager_token)),
    };
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}:{}\r\n", to.port());
    let length = body.len();
    let _ = write!(head, "Connection: close\r\nContent-Length: {length}\r\n");
    if !content_type.is_empty() {
        let _ = write!(head, "Content-Type: {content_type}\r\n");
    }
    if let Some(token) = token {
        let _ = write!(head, "Authorization: Bearer {token}\r\n");
    }
    for name in ["Range", "Content-Range", "Authorization", "X-Forwarded-Host", "Link"] {
        let value = lines.next().unwrap_or_default();
        let is_set = name == "Authorization" && token.is_some();
        if !is_set && !value.is_empty() && http::HeaderValue::from_str(value).is_ok() {
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    let request = [head.as_bytes(), b"\r\n", body.as_bytes()].concat();
    let answer = ask(to, &request);
    let status = answer.get(9..12).map(String::from_utf8_lossy);
    assert!(
        status.as_deref() != Some("500"),
        "{}\n{}",
        String::from_utf8_lossy(&request),
        String::from_utf8_lossy(&answer)
    );
    // An input must not depend on those before it for long, and the memory must not grow for ever.
    thread_local! { static COUNT: std::cell::Cell<u32> = const { std::cell::Cell::new(0) } }
    let count = COUNT.get() + 1;
    COUNT.set(count);
    if count.is_multiple_of(2000) {
        let _ = world.runtime.block_on(world.emulator.reset());
    }
});
