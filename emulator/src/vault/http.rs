//! The HTTP client for a vault and its issuer: which certificates it trusts, how it resolves names, how much it reads.
//!
//! `*.localhost` names lead to the loopback whatever the system's resolver says: many resolvers do not know them, and
//! no user should need a hosts file. Redirects are not followed, so that no token is ever sent to another server.

use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, ClientBuilder, Response, Url, redirect};
use zeroize::Zeroizing;

/// The limit for a connection to be made, in real time.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// The limit for an answer, in real time from the first byte that was sent.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A stream counts as lost after this real time without a byte. A mock vault sends something each second.
const SILENCE_LIMIT: Duration = Duration::from_secs(3);

/// The longest answer that is read. A vault's answers are a few kilobytes.
const MAX_ANSWER: usize = 256 << 10;

/// The certificates that a client trusts, and the addresses of names.
#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    /// The certificate authority of the vault and its issuer, PEM. If set, only it is trusted; `None` for those of the system.
    pub ca_pem: Option<String>,
    /// Names with other addresses than the resolver's. The port of the URL counts, not that of the address.
    pub resolve: Vec<(String, SocketAddr)>,
}

/// The reasons why a client cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Tokens and keys would cross a network in the clear.
    #[error("{0} must use https, because it leads to another machine")]
    Insecure(Url),
    /// The URL cannot be a base.
    #[error("{0} is not a base URL")]
    NotABase(Url),
    /// The certificate authority cannot be read, or TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] reqwest::Error),
}

impl HttpSettings {
    /// A client for these base URLs.
    pub(crate) fn client(&self, bases: &[&Url]) -> Result<Client, HttpError> {
        self.builder(bases)?.timeout(ANSWER_LIMIT).build().map_err(HttpError::Tls)
    }

    /// A client for endless answers from this base URL.
    pub(crate) fn stream_client(&self, base: &Url) -> Result<Client, HttpError> {
        self.builder(&[base])?.read_timeout(SILENCE_LIMIT).build().map_err(HttpError::Tls)
    }

    fn builder(&self, bases: &[&Url]) -> Result<ClientBuilder, HttpError> {
        for &base in bases {
            if base.cannot_be_a_base() || base.host_str().is_none() {
                return Err(HttpError::NotABase(base.clone()));
            }
            if base.scheme() != "https" && !is_loopback(base) {
                return Err(HttpError::Insecure(base.clone()));
            }
        }
        // Once per process; reqwest is built without its own provider. An error says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .http1_only()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .dns_resolver(Arc::new(Resolver { overrides: self.resolve.clone() }));
        if bases.iter().all(|base| is_loopback(base)) {
            client = client.no_proxy();
        }
        if let Some(pem) = &self.ca_pem {
            client = client.tls_certs_only(
                Certificate::from_pem_bundle(pem.as_bytes()).map_err(HttpError::Tls)?,
            );
        }
        Ok(client)
    }
}

/// Whether a URL leads to this machine by its name.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    is_localhost(host) || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host.eq_ignore_ascii_case("localhost")
        || host.len() > ".localhost".len()
            && host.is_char_boundary(host.len() - ".localhost".len())
            && host[host.len() - ".localhost".len()..].eq_ignore_ascii_case(".localhost")
}

/// Resolves names.
#[derive(Debug)]
struct Resolver {
    overrides: Vec<(String, SocketAddr)>,
}

/// The resolver reports that there is no such name, unlike a resolver that does not answer.
#[derive(Debug, thiserror::Error)]
#[error("there is no host of this name")]
struct NoSuchHost(#[source] io::Error);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str();
        if let Some((_, address)) =
            self.overrides.iter().find(|(other, _)| other.eq_ignore_ascii_case(host))
        {
            return found(vec![*address]);
        }
        if is_localhost(host) {
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            return found(loopback.map(|address| SocketAddr::new(address, 0)).to_vec());
        }
        let host = host.to_owned();
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((host, 0)).await;
            let addresses: Vec<_> = addresses.map_err(no_such_host)?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn found(addresses: Vec<SocketAddr>) -> Resolving {
    Box::pin(std::future::ready(Ok(Box::new(addresses.into_iter()) as Addrs)))
}

/// The standard library distinguishes the two failures only by text: these are `EAI_NONAME` of glibc, musl and macOS.
fn no_such_host(error: io::Error) -> Box<dyn StdError + Send + Sync> {
    let message = error.to_string();
    let gone = [
        "Name or service not known",
        "Name does not resolve",
        "nodename nor servname",
        "No address associated",
    ];
    if gone.iter().any(|gone| message.contains(gone)) {
        Box::new(NoSuchHost(error))
    } else {
        Box::new(error)
    }
}

/// Whether a request failed because there is no host of its name.
pub(super) fn is_no_such_host(error: &reqwest::Error) -> bool {
    let mut sources = std::iter::successors(error.source(), |&error| error.source());
    sources.any(<dyn std::error::Error>::is::<NoSuchHost>)
}

/// The message of a failed request and its causes, in one line and without its URL.
pub(super) fn message_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |message, source| format!("{message}: {source}"))
}

/// The body of an answer, wiped when dropped. `None` if it is too long.
pub(crate) async fn body_of(
    mut response: Response,
) -> Result<Option<Zeroizing<Vec<u8>>>, reqwest::Error> {
    let expected =
        response.content_length().and_then(|len| usize::try_from(len).ok()).unwrap_or(MAX_ANSWER);
    if expected > MAX_ANSWER {
        return Ok(None);
    }
    // With its final capacity at once: a buffer that grows leaves copies behind.
    let mut body = Zeroizing::new(Vec::with_capacity(expected));
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_under_localhost_are_local_and_others_are_not() {
        for local in [
            "https://localhost",
            "https://local.vault.localhost:8443",
            "http://127.0.0.1:1",
            "https://[::1]",
        ] {
            assert!(is_loopback(&Url::parse(local).unwrap()), "{local}");
        }
        for other in
            ["https://acme.vault.azure.net", "https://localhost.example", "https://notlocalhost"]
        {
            assert!(!is_loopback(&Url::parse(other).unwrap()), "{other}");
        }
    }

    #[test]
    fn plain_http_to_another_machine_is_refused() {
        let base = Url::parse("http://vault.example").unwrap();
        assert!(matches!(HttpSettings::default().client(&[&base]), Err(HttpError::Insecure(_))));
    }
}
