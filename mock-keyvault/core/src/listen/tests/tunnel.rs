//! Tunnels: connections that a CONNECT request turns into TLS.

use axum::routing::any;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::*;
use crate::clock::Clock;
use crate::tls::LocalAuthority;

const NAME: &str = "local.vault.localhost";

/// Trusts this authority only.
fn connector(authority: &LocalAuthority) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.ca_pem().as_bytes()).unwrap()).unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn read_until(stream: &mut (impl AsyncReadExt + Unpin), end: &str) {
    let mut answer = Vec::new();
    while !answer.ends_with(end.as_bytes()) {
        answer.push(stream.read_u8().await.unwrap());
    }
}

#[tokio::test]
async fn a_tunnel_lasts_longer_than_a_head_may_take() {
    let folder = tempfile::tempdir().unwrap();
    let authority = LocalAuthority::open(folder.path(), &Clock::system()).unwrap();
    let transport = Transport::TlsAndPlain(authority.server_config(&[]).unwrap());
    let app = Router::new().route("/", get(|| async { "here" })).fallback(any(|| async {
        let mut response = axum::response::Response::new(axum::body::Body::empty());
        response.extensions_mut().insert(Tunnel);
        response
    }));
    let head = Duration::from_millis(500);
    let limits = Limits { head, ..Limits::default() };
    let (listener, address) = bound().await;
    let shutdown = CancellationToken::new();
    let _server = tokio::spawn(accept_within(limits, listener, app, transport, shutdown));
    let mut stream = TcpStream::connect(address).await.unwrap();

    stream.write_all(b"CONNECT x:443 HTTP/1.1\r\nhost: x:443\r\n\r\n").await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    let name = NAME.try_into().unwrap();
    let mut stream = connector(&authority).connect(name, stream).await.unwrap();
    for pause in [Duration::ZERO, 2 * head] {
        // The pause is longer than the limit, so the test cannot pass because it is slow.
        tokio::time::sleep(pause).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();

        read_until(&mut stream, "\r\n\r\nhere").await;
    }
}
