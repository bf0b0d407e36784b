//! A client that sends a whole request in blocking writes before it reads a byte, as simple HTTP clients do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::task::spawn_blocking;

/// A length that is larger than the buffers of both sides.
pub(crate) const LARGE: usize = 24 << 20;

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// One connection.
pub(crate) struct Raw(Box<dyn Wire>);

impl Raw {
    /// Connects without TLS.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self(Box::new(TcpStream::connect(address).unwrap()))
    }

    /// Connects with TLS to the server `name` and trusts this authority.
    pub(crate) fn tls(address: SocketAddr, name: &str, ca_pem: &str) -> Self {
        sealyard::install_crypto_provider();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = name.to_owned().try_into().unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        Self(Box::new(StreamOwned::new(connection, TcpStream::connect(address).unwrap())))
    }

    /// Sends all of these bytes.
    pub(crate) async fn send(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        spawn_blocking(move || {
            self.0.write_all(&bytes).unwrap();
            self.0.flush().unwrap();
            self
        })
        .await
        .unwrap()
    }

    /// Reads the answer to the end of the connection, which must be clean.
    pub(crate) async fn answer(mut self) -> String {
        spawn_blocking(move || {
            let mut answer = Vec::new();
            self.0.read_to_end(&mut answer).unwrap();
            String::from_utf8(answer).unwrap()
        })
        .await
        .unwrap()
    }

    /// Sends a request with a body of this length, and then reads the answer.
    pub(crate) async fn exchange(self, line: &str, host: &str, len: usize) -> String {
        let head = format!("{line} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len}\r\n\r\n");
        self.send(head).await.send(vec![b'a'; len]).await.answer().await
    }
}
