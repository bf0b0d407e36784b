//! The address that the client of a proxy used: `X-Forwarded-Proto` and `X-Forwarded-Host`.
//!
//! They decide the name of the registry in responses: in challenges, in tokens and in documents of the metadata API. Only the
//! `Host` selects the registry of a request. They are read only from a trusted proxy, since any client can send them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use mock_keyvault::AddressRange;

/// The trusted proxies: the loopback, and these.
#[derive(Clone, Debug)]
pub struct Proxies(Arc<[AddressRange]>);

/// The address that the client of a proxy used, if the proxy names it: an extension of its requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Forwarded {
    pub(super) scheme: Option<&'static str>,
    pub(super) host: Option<String>,
}

impl Proxies {
    /// Trusts the loopback, and these.
    pub fn new(trusted: &[AddressRange]) -> Self {
        Self(trusted.into())
    }

    /// Adds the address that the proxy names to the requests of these routes.
    pub fn add_to(self, routes: Router) -> Router {
        routes.layer(from_fn_with_state(self, note))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.0.iter().any(|range| range.contains(address))
    }
}

async fn note(State(proxies): State<Proxies>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if peer.is_some_and(|ConnectInfo(peer)| proxies.trusts(peer.ip())) {
        let forwarded = Forwarded::from_headers(request.headers());
        request.extensions_mut().insert(forwarded);
    }
    next.run(request).await
}

impl Forwarded {
    /// Unreadable headers are ignored. In a chain of proxies the first value is the client's.
    fn from_headers(headers: &HeaderMap) -> Self {
        let first = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.split(',').next().unwrap_or(value).trim())
        };
        let scheme = first("x-forwarded-proto").and_then(|scheme| {
            ["http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))
        });
        let host = first("x-forwarded-host").filter(|host| {
            host.parse::<Authority>().is_ok_and(|host| !host.as_str().contains('@'))
        });
        Self { scheme, host: host.map(str::to_owned) }
    }
}

/// The client's name for the registry: the host of the request, or the name that its proxy gives. It is not stored.
pub(super) fn login_server(head: &Parts) -> String {
    let forwarded = head.extensions.get::<Forwarded>();
    if let Some(host) = forwarded.and_then(|forwarded| forwarded.host.as_ref()) {
        return host.clone();
    }
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = head.uri.authority().map(Authority::as_str).or(host);
    host.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use axum::Json;
    use axum::body::Body;
    use http_body_util::BodyExt as _;
    use proptest::prelude::*;
    use tower::ServiceExt as _;

    use super::*;

    fn forwarded(scheme: &str, host: &str) -> Forwarded {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-proto", scheme.parse().unwrap());
        headers.insert("x-forwarded-host", host.parse().unwrap());
        Forwarded::from_headers(&headers)
    }

    #[test]
    fn the_first_value_of_a_chain_of_proxies_counts() {
        let said = forwarded("HTTPS, http", "registry.example:8443, inner");

        assert_eq!(said.scheme, Some("https"));
        assert_eq!(said.host.as_deref(), Some("registry.example:8443"));
    }

    #[test]
    fn invalid_schemes_and_hosts_are_ignored() {
        for (scheme, host) in [("ftp", "a/b"), ("", ""), ("https:", "user@host"), ("h", "a\"b")] {
            assert_eq!(forwarded(scheme, host), Forwarded::default(), "{scheme} {host}");
        }
        assert_eq!(Forwarded::from_headers(&HeaderMap::new()), Forwarded::default());
    }

    #[test]
    fn only_the_loopback_and_the_given_addresses_are_trusted() {
        let proxies = Proxies::new(&["10.1.0.0/16".parse().unwrap()]);

        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3"] {
            assert!(proxies.trusts(address.parse().unwrap()), "{address}");
        }
        for address in ["10.2.0.1", "192.168.0.1", "2001:db8::1"] {
            assert!(!proxies.trusts(address.parse().unwrap()), "{address}");
        }
    }

    /// The forwarded address that a route sees for a request from `peer`, whose headers name another one.
    async fn forwarded_for(peer: Option<&str>) -> Option<Forwarded> {
        let routes = Router::new().fallback(async |request: Request| {
            Json(request.extensions().get::<Forwarded>().map(|said| said.host.clone()))
        });
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert("x-forwarded-host", "registry.example".parse().unwrap());
        if let Some(peer) = peer {
            let peer: SocketAddr = peer.parse().unwrap();
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let proxies = Proxies::new(&["10.1.0.0/16".parse().unwrap()]);
        let answer = proxies.add_to(routes).oneshot(request).await.unwrap();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let host: Option<Option<String>> = serde_json::from_slice(&bytes).unwrap();
        host.map(|host| Forwarded { scheme: None, host })
    }

    #[tokio::test]
    async fn a_route_learns_the_address_from_a_trusted_proxy_and_from_no_other_peer() {
        let said = Forwarded { scheme: None, host: Some("registry.example".to_owned()) };

        for peer in ["127.0.0.1:9", "10.1.2.3:9", "[::ffff:10.1.2.3]:9"] {
            assert_eq!(forwarded_for(Some(peer)).await, Some(said.clone()), "{peer}");
        }
        for peer in [Some("10.2.0.1:9"), Some("203.0.113.9:9"), Some("[2001:db8::1]:9"), None] {
            assert_eq!(forwarded_for(peer).await, None, "{peer:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic_or_ends_the_realm(scheme in r"[ -~]{0,40}", host in r"[ -~]{0,80}") {
            let said = forwarded(&scheme, &host);
            prop_assert!(!said.host.unwrap_or_default().contains(['"', ' ', '/', '\\']));
        }
    }
}
