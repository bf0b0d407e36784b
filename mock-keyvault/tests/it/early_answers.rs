//! Refusals that are sent before a request was read completely also arrive at a client that sends everything first.

use std::sync::Arc;

use mock_keyvault::MockKeyVault;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{World, admin};

/// More than the buffers of client and server hold together.
const LARGE: usize = 24 << 20;

/// Sends a whole request with a large body over TLS, and then reads the answer.
async fn exchange(vault: &MockKeyVault, line: &str, more: &str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(vault.ca_pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let host = "local.vault.azure.net";
    let stream = TcpStream::connect(vault.address()).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(host.try_into().unwrap(), stream).await.unwrap();
    let head = format!("{line} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {LARGE}\r\n{more}\r\n");

    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'a'; LARGE]).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();

    assert!(answer.contains("connection: close\r\n"), "{answer}");
    answer
}

#[tokio::test]
async fn refusals_arrive_while_a_large_body_is_being_sent() {
    let world = World::with_key().await;
    let token = world.token(world.vault.owner()).await;
    let bearer = format!("authorization: Bearer {token}\r\n");
    let encrypt = "POST /keys/k/encrypt?api-version=7.4";

    let challenge = exchange(&world.vault, encrypt, "").await;
    let unknown = exchange(&world.vault, "POST /keys/k/paint?api-version=7.4", &bearer).await;
    let too_large = exchange(&world.vault, encrypt, &bearer).await;
    let rule = json!({"on": "keys", "kind": "status", "status": 429, "times": 1});
    admin(&world, reqwest::Method::POST, "faults", Some(rule)).await;
    let throttled = exchange(&world.vault, encrypt, &bearer).await;

    assert!(challenge.starts_with("HTTP/1.1 401 "), "{challenge}");
    assert!(challenge.contains("www-authenticate: Bearer"), "{challenge}");
    for (answer, code) in [(&unknown, "\"code\""), (&too_large, "\"code\"")] {
        assert!(answer.starts_with("HTTP/1.1 4") && answer.contains(code), "{answer}");
    }
    assert!(throttled.starts_with("HTTP/1.1 429 ") && throttled.contains("Throttled"));
}
