//! Addresses as people type them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Parses an address as people type it: `ADDRESS:PORT`, `localhost:PORT`, or a port of the loopback. The error is a sentence.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| {
        "expected ADDRESS:PORT, such as 127.0.0.1:5000, 0.0.0.0:5000 or [::1]:5000".to_owned()
    })
}
