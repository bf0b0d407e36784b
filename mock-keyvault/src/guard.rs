//! Decides who may use the endpoints without a token: the admin API and the managed-identity endpoints.
//!
//! Called by the router. Peers on the loopback are admitted, other peers only if the network is trusted. A web page in a browser
//! on this machine is a peer on the loopback too, so the guard makes two more checks. A browser's headers say which site a page is
//! from. And a name whose owner made it resolve to this machine (DNS rebinding) is not one of the machine's own names.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::header::ORIGIN;
use http::{HeaderMap, Request};

use crate::host::{Site, without_port};

/// Which requests a listener admits without a token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// Whether peers outside the loopback are admitted.
    trusted_network: bool,
    /// Further names of this machine.
    aliases: Vec<String>,
}

/// Why a request is not admitted. Each message is written for people.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAdmitted {
    /// The peer is another machine.
    #[error("this endpoint only answers clients on the loopback; see --trusted-network")]
    Peer,
    /// Others may control the name in the Host.
    #[error("the Host '{0}' is not a name of this machine; see --hostname-alias")]
    Host(String),
    /// The request comes from a web page of another site.
    #[error("web pages of other sites are refused")]
    Page,
}

impl Guard {
    pub(crate) fn new(trusted_network: bool, aliases: &[String]) -> Self {
        Self { trusted_network, aliases: aliases.to_vec() }
    }

    /// Admits or refuses a request that used this host.
    pub(crate) fn admit(&self, host: &str, request: &Request<Body>) -> Result<(), NotAdmitted> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let is_local = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
        if !is_local && !self.trusted_network {
            return Err(NotAdmitted::Peer);
        }
        if !self.knows(host) {
            return Err(NotAdmitted::Host(host.to_owned()));
        }
        if is_of_another_site(host, request.headers()) {
            return Err(NotAdmitted::Page);
        }
        Ok(())
    }

    /// Whether a host can only be this machine: one of its names, or an address, which no name server can change.
    fn knows(&self, host: &str) -> bool {
        let name = without_port(host);
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let lower = name.to_ascii_lowercase();
        name.parse::<IpAddr>().is_ok()
            || lower == "localhost"
            || lower.ends_with(".localhost")
            || Site::from_host(host).is_public()
            || self.is_alias(name)
    }

    /// Whether this is an alias of this machine.
    pub(crate) fn is_alias(&self, name: &str) -> bool {
        self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    }
}

/// Whether a browser says that a page of another site made this request. Only browsers send these headers.
fn is_of_another_site(host: &str, headers: &HeaderMap) -> bool {
    let fetched = headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    if fetched.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let origin = origin.to_str().unwrap_or_default();
    let own = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    own.is_none_or(|own| !own.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(peer: &str, headers: &[(&str, &str)]) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request
    }

    #[track_caller]
    fn check(
        guard: &Guard,
        host: &str,
        request: &Request<Body>,
        expected: &Result<(), NotAdmitted>,
    ) {
        assert_eq!(&guard.admit(host, request), expected, "{host}");
    }

    #[test]
    fn loopback_peers_are_admitted_and_other_peers_only_if_the_network_is_trusted() {
        let (closed, trusting) = (Guard::new(false, &[]), Guard::new(true, &[]));
        let (here, there) = (request("127.0.0.1:1", &[]), request("10.0.0.1:1", &[]));

        check(&closed, "localhost:8443", &here, &Ok(()));
        check(&closed, "localhost:8443", &request("[::ffff:127.0.0.1]:1", &[]), &Ok(()));
        check(&closed, "localhost:8443", &there, &Err(NotAdmitted::Peer));
        check(&trusting, "localhost:8443", &there, &Ok(()));
    }

    #[test]
    fn an_unknown_host_is_refused_even_if_the_network_is_trusted() {
        let guard = Guard::new(true, &["vault".to_owned()]);
        let here = request("127.0.0.1:1", &[]);

        for host in [
            "127.0.0.1:8443",
            "[::1]:8443",
            "169.254.169.254",
            "LOCALHOST",
            "local.vault.localhost:1",
            "local.vault.azure.net",
            "Vault:8443",
        ] {
            check(&guard, host, &here, &Ok(()));
        }
        for host in ["evil.example:8443", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            check(&guard, host, &here, &Err(NotAdmitted::Host(host.to_owned())));
        }
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        let guard = Guard::default();
        let from = |headers: &[(&str, &str)]| request("127.0.0.1:1", headers);

        for headers in [
            [("origin", "https://evil.example")],
            [("origin", "null")],
            [("origin", "http://localhost:3000")],
            [("sec-fetch-site", "cross-site")],
            [("sec-fetch-site", "same-site")],
        ] {
            check(&guard, "localhost:8443", &from(&headers), &Err(NotAdmitted::Page));
        }
        for headers in [[("origin", "http://localhost:8443")], [("sec-fetch-site", "none")]] {
            check(&guard, "localhost:8443", &from(&headers), &Ok(()));
        }
    }
}
