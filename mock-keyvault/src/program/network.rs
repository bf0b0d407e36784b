//! The addresses of a listener as a client reaches them, and whether this machine resolves local names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// A resolver that takes longer is treated as if it did not know local names.
const RESOLVER_PATIENCE: Duration = Duration::from_secs(1);

/// Replaces the unspecified address, on which a listener accepts connections to every address, by the loopback.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => (),
    }
    address
}

/// Whether this machine resolves names under `localhost`. Some resolvers only know the name `localhost` itself.
///
/// `vault` is the address of a vault.
pub(super) async fn names_resolve(vault: &str) -> bool {
    let host = vault.trim_start_matches("https://");
    let found = tokio::time::timeout(RESOLVER_PATIENCE, tokio::net::lookup_host(host)).await;
    match found {
        Ok(Ok(mut found)) => found.any(|address| address.ip().is_loopback()),
        Ok(Err(_)) | Err(_) => false,
    }
}
