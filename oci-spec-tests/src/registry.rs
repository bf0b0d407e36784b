//! The registry under test: its address, the connection to it, and the suite's credentials.
//!
//! `Context` connects through it. Redirects and absolute `Location`s may name another host, so a connection is made for an
//! [`Origin`]; only the registry's own origin gets the credentials.

use std::sync::Arc;

use base64::Engine as _;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Failure;

/// A byte stream to a registry, plain or TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Scheme, host and port of a URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Origin {
    tls: bool,
    authority: String,
}

impl Origin {
    /// Splits a URL into its origin and the rest, which begins with `/`; `None` if it is not an http or https URL.
    pub(crate) fn split(url: &str) -> Option<(Self, String)> {
        let (tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return None,
        };
        let (authority, target) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let well_formed = !authority.is_empty() && !authority.contains('@');
        well_formed.then(|| (Self { tls, authority: authority.to_owned() }, target.to_owned()))
    }

    /// The value of the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    fn host_and_port(&self) -> (&str, u16) {
        let default = if self.tls { 443 } else { 80 };
        let (host, port) = match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(default)),
            _ => (self.authority.as_str(), default),
        };
        (host.trim_matches(['[', ']']), port)
    }
}

/// A registry to test.
#[derive(Clone)]
pub struct Registry {
    origin: Origin,
    authorization: Option<String>,
    namespace: String,
    tls: TlsConnector,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("origin", &self.origin)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// The registry at `address`: `host:port` (plain HTTP) or a URL with `http://` or `https://`, without path and credentials.
    pub fn at(address: &str) -> Result<Self, Failure> {
        let url =
            if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let (origin, path) =
            Origin::split(&url).filter(|(_, path)| path == "/").ok_or_else(|| {
                Failure::new(format!("{address:?} is neither host:port nor a URL without a path"))
            })?;
        let tls = connector()?;
        Ok(Self { origin, authorization: None, namespace: path.trim_matches('/').to_owned(), tls })
    }

    /// The registry that `OCI_REGISTRY` names, with `OCI_USERNAME`, `OCI_PASSWORD` and `OCI_NAMESPACE`; `None` if it names none.
    pub fn from_environment() -> Result<Option<Self>, Failure> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(address) = variable("OCI_REGISTRY") else {
            return Ok(None);
        };
        let mut registry = Self::at(&address)?;
        if let Some(username) = variable("OCI_USERNAME") {
            registry =
                registry.with_credentials(&username, &variable("OCI_PASSWORD").unwrap_or_default());
        }
        if let Some(namespace) = variable("OCI_NAMESPACE") {
            registry = registry.with_namespace(&namespace);
        }
        Ok(Some(registry))
    }

    /// Sends these as Basic credentials with every request (RFC 7617).
    #[must_use]
    pub fn with_credentials(mut self, username: &str, password: &str) -> Self {
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
        self.authorization = Some(format!("Basic {encoded}"));
        self
    }

    /// Puts every repository of the suite under this prefix.
    #[must_use]
    pub fn with_namespace(mut self, namespace: &str) -> Self {
        namespace.trim_matches('/').clone_into(&mut self.namespace);
        self
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The value of the `Authorization` header to `origin`.
    pub(crate) fn authorization(&self, origin: &Origin) -> Option<&str> {
        self.authorization.as_deref().filter(|_| *origin == self.origin)
    }

    pub(crate) async fn connect(&self, origin: &Origin) -> Result<Box<dyn Stream>, Failure> {
        let (host, port) = origin.host_and_port();
        let tcp = TcpStream::connect((host, port))
            .await
            .map_err(|error| Failure::new(format!("cannot reach {}: {error}", origin.authority)))?;
        tcp.set_nodelay(true)?;
        if !origin.tls {
            return Ok(Box::new(tcp));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| {
            Failure::new(format!("{host:?} is not a valid name for a certificate: {error}"))
        })?;
        Ok(Box::new(self.tls.connect(name, tcp).await?))
    }
}

/// Sets up TLS with the system's roots; `SSL_CERT_FILE` names other roots.
fn connector() -> Result<TlsConnector, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(format!("cannot set up TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_mean_plain_http_unless_they_are_https_urls() {
        let plain = Registry::at("localhost:5000").unwrap();
        let secure = Registry::at("https://registry.example/").unwrap();

        assert_eq!(plain.origin.host_and_port(), ("localhost", 5000));
        assert!(!plain.origin.tls);
        assert_eq!(secure.origin.host_and_port(), ("registry.example", 443));
        assert!(secure.origin.tls);
        assert_eq!(Registry::at("[::1]:5000").unwrap().origin.host_and_port(), ("::1", 5000));
        assert!(Registry::at("http://localhost:5000/v2/").is_err());
        assert!(Registry::at("ftp://localhost").is_err());
    }

    #[test]
    fn only_the_registry_gets_the_credentials() {
        let registry = Registry::at("localhost:5000").unwrap().with_credentials("me", "secret");
        let (elsewhere, target) = Origin::split("https://storage.example/blob?signed").unwrap();

        assert_eq!(registry.authorization(registry.origin()), Some("Basic bWU6c2VjcmV0"));
        assert_eq!(registry.authorization(&elsewhere), None);
        assert_eq!(target, "/blob?signed");
    }
}
