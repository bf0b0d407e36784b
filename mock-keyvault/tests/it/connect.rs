//! The proxy that only connects to the emulator: with it, a client resolves no name and reaches no other host.

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use azure_emulator_core::host_router::EmbeddedRoutes;
use mock_keyvault::{KeySize, MockKeyVault};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{World, send};

/// A client that resolves no names: it can only connect through the proxy.
fn through_proxy(vault: &MockKeyVault) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = reqwest::Certificate::from_pem(vault.ca_pem().as_bytes()).unwrap();
    let proxy = reqwest::Proxy::https(format!("http://{}", vault.address())).unwrap();
    reqwest::Client::builder().tls_certs_only([authority]).proxy(proxy).build().unwrap()
}

/// The answer to these bytes on a new connection.
async fn raw(vault: &MockKeyVault, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(vault.address()).await.unwrap();
    // The server may have closed the connection before it read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn public_and_local_names_lead_here_through_the_proxy() {
    let world = World::new().await;
    let http = through_proxy(&world.vault);
    let own = world.vault.address().port();
    world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();

    for (url, status) in [
        ("https://local.vault.azure.net/keys/k?api-version=7.4".to_owned(), 401),
        (format!("https://local.vault.azure.net:{own}/keys/k?api-version=7.4"), 401),
        ("https://kv9.vault.localhost/keys/k?api-version=7.4".to_owned(), 404),
        ("https://local.vault.localhost:9999/keys/k?api-version=7.4".to_owned(), 401),
        ("https://management.azure.com/subscriptions?api-version=2022-12-01".to_owned(), 401),
        ("https://login.microsoftonline.com/common/discovery/instance".to_owned(), 200),
        (format!("https://127.0.0.1:{own}/_keyvault/health"), 200),
    ] {
        let answer = send(http.get(&url)).await;
        assert_eq!(answer.status.as_u16(), status, "{url}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_key_is_created_and_used_through_the_proxy_under_public_names() {
    let world = World::new().await;
    let http = through_proxy(&world.vault);
    let token =
        world.vault.token(world.vault.owner().client_id, "https://vault.azure.net").unwrap();

    let url = "https://local.vault.azure.net/keys/k/create?api-version=7.4";
    let made = http.post(url).bearer_auth(token.expose()).json(&serde_json::json!({"kty": "RSA"}));
    let made = send(made).await;

    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let kid = made.json()["key"]["kid"].as_str().unwrap().to_owned();
    assert!(kid.starts_with("https://local.vault.azure.net/keys/k/"), "{kid}");
}

#[tokio::test]
async fn other_hosts_are_refused_with_a_message_and_nothing_is_sent_there() {
    let world = World::new().await;
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port();

    for target in [
        "example.com:443".to_owned(),
        "evil-vault.azure.net:443".to_owned(),
        "vault.azure.net.evil.test:443".to_owned(),
        "local.vault.azure.net:22".to_owned(),
        "localhost:443".to_owned(),
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        "[::ffff:169.254.169.254]:80".to_owned(),
    ] {
        let answer = raw(
            &world.vault,
            format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n").as_bytes(),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{target}: {answer}");
        // Python clients only show the first line.
        let (line, body) = (answer.lines().next().unwrap(), answer.lines().last().unwrap());
        assert!(body.contains("forwards nothing"), "{answer}");
        assert_eq!(line, format!("HTTP/1.1 403 {body}"));
    }
    let connected = tokio::time::timeout(std::time::Duration::ZERO, other.accept()).await;
    assert!(connected.is_err(), "no connection was made");
}

#[tokio::test]
async fn invalid_connect_lines_are_refused_and_the_listener_keeps_working() {
    let world = World::new().await;

    for line in [
        "CONNECT HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "CONNECT * HTTP/1.1",
        "CONNECT :443 HTTP/1.1",
        "CONNECT local.vault.azure.net:99999 HTTP/1.1",
        "CONNECT local.vault.azure.net:+443 HTTP/1.1",
        "CONNECT user@local.vault.azure.net:443 HTTP/1.1",
        "CONNECT http://local.vault.azure.net:443/ HTTP/1.1",
        "CONNECT local.vault.azure.net:443 HTTP/3.0",
    ] {
        let answer = raw(&world.vault, format!("{line}\r\nhost: x\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4") || answer.is_empty(), "{line}: {answer}");
    }
    let long = format!("CONNECT {}:443 HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(40_000));
    assert!(!raw(&world.vault, long.as_bytes()).await.contains(" 200 "));
    let health = world.http.get(format!("{}/_keyvault/health", world.vault.uri()));
    assert_eq!(send(health).await.status, StatusCode::OK);
}

#[test]
fn no_connect_line_opens_a_tunnel_to_a_foreign_name() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let ours = [
        ".vault.azure.net",
        ".vault.localhost",
        "management.azure.com",
        "login.microsoftonline.com",
    ];
    let targets = "([a-z0-9.@:\\[\\]%-]{0,12}(\\.vault\\.azure\\.net|\\.azure\\.com|\\.io|localhost)?[.:@]?(443|80|x)?)";

    let outcome = TestRunner::default().run(&targets, |target| {
        let request = format!("CONNECT {target} HTTP/1.1\r\nhost: x\r\n\r\n");
        let answer = runtime.block_on(raw(&world.vault, request.as_bytes()));
        let is_open = answer.starts_with("HTTP/1.1 200");
        prop_assert!(
            !is_open || ours.iter().any(|name| target.contains(name)),
            "{target}: {answer}"
        );
        prop_assert!(!answer.starts_with("HTTP/1.1 5"), "{target}: {answer}");
        Ok(())
    });

    outcome.unwrap();
}

#[tokio::test]
async fn every_refusal_of_a_connect_has_its_message_in_the_first_line() {
    let world = World::new().await;
    for (request, sentence) in [
        ("CONNECT :443 HTTP/1.1\r\nhost: x\r\n\r\n", "CONNECT takes a host and a port"),
        ("CONNECT x:443 HTTP/1.1\r\n\r\n", "A request of HTTP/1.1 needs one Host header"),
        ("CONNECT x:443 HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n", "A request of HTTP/1.1 needs one"),
    ] {
        let answer = raw(&world.vault, request.as_bytes()).await;
        let line = answer.lines().next().unwrap_or_default();
        assert!(line.starts_with(&format!("HTTP/1.1 400 {sentence}")), "{request}: {answer}");
    }
}

#[tokio::test]
async fn an_old_client_without_a_host_header_is_served() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.vault.address()).await.unwrap();

    stream.write_all(b"CONNECT local.vault.azure.net:443 HTTP/1.0\r\n\r\n").await.unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();

    assert!(head.starts_with(b"HTTP/1.") && head[8..].starts_with(b" 200"), "{head:?}");
}

#[tokio::test]
async fn data_other_than_tls_ends_a_tunnel() {
    let world = World::new().await;

    let answer = raw(
        &world.vault,
        b"CONNECT local.vault.azure.net:443 HTTP/1.1\r\nhost: x\r\n\r\nGET /keys HTTP/1.1\r\nhost: x\r\n\r\n",
    );
    let answer = answer.await;

    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("application/json"), "{answer}");
}

#[tokio::test]
async fn a_proxy_is_asked_in_plain_text() {
    let world = World::new().await;
    let url = format!("https://127.0.0.1:{}", world.vault.address().port());

    let answer = send(world.http.request(Method::CONNECT, url)).await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_an_unused_tunnel() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.vault.address()).await.unwrap();
    stream
        .write_all(b"CONNECT local.vault.azure.net:443 HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();

    // This waits for running requests, of which there are none.
    world.vault.shutdown().await;

    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(&head, b"HTTP/1.1 200");
}

/// A program that serves a name other than the vault's.
struct Shop;

impl EmbeddedRoutes for Shop {
    fn router(&self, name: &str, _: &str) -> Option<Router> {
        self.knows(name).then(|| Router::new().fallback(any(|| async { "the shop" })))
    }

    fn knows(&self, name: &str) -> bool {
        name == "login.azurecr.test"
    }
}

#[tokio::test]
async fn a_name_of_the_embedding_program_leads_here_too() {
    let world = World::new().await;
    world.vault.set_embedded_routes(Arc::new(Shop));

    let refused = raw(&world.vault, b"CONNECT shop.test:443 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let opened =
        raw(&world.vault, b"CONNECT login.azurecr.test:443 HTTP/1.1\r\nhost: x\r\n\r\n").await;

    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    assert!(opened.starts_with("HTTP/1.1 200"), "{opened}");
}
