//! A host and a port, as in a `Host` header or in the request line of a CONNECT request (RFC 9110, section 7.2).
//!
//! Called wherever a host name selects the handler. A name is always in lower case, and without the dot that a complete
//! name may end with. A text that cannot be a host gives `None`, so that no code compares it with a name.
//!
//! This module does not know which names are served.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::Request;
use http::header::HOST;

/// The length of the longest possible name (RFC 1035, section 3.1), with a dot at the end.
const MAX_NAME: usize = 254;

/// A host, and the port if one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    name: String,
    port: Option<u16>,
}

/// The text is not a host, with or without a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a host, or not a host and a port: expected NAME:PORT, such as local.vault.azure.net:443"
)]
pub struct AuthorityError;

impl Authority {
    /// The host that a client used, parsed; `None` if the text cannot be a host.
    pub fn from_request<B>(request: &Request<B>) -> Option<Self> {
        host_of(request)?.parse().ok()
    }

    /// The host in lower case, without a dot at its end; an IPv6 address without its brackets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, if one is named.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The host as an address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }
}

impl FromStr for Authority {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Self, AuthorityError> {
        let (name, port) = if let Some(rest) = text.strip_prefix('[') {
            let (name, rest) = rest.split_once(']').ok_or(AuthorityError)?;
            let address: Ipv6Addr = name.parse().map_err(|_| AuthorityError)?;
            (address.to_string(), rest)
        } else {
            let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            let name = name.to_ascii_lowercase();
            (name.strip_suffix('.').map(str::to_owned).unwrap_or(name), rest)
        };
        let port = match port.strip_prefix(':') {
            // An empty port is the usual one (RFC 3986, section 3.2.3).
            Some("") => None,
            Some(digits) => Some(parse_port(digits)?),
            None if port.is_empty() => None,
            None => return Err(AuthorityError),
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        // No label of a name is empty (RFC 1035, section 3.1): after its last dot, `a..` would still end with a dot.
        let has_empty_label = name.split('.').any(str::is_empty);
        if has_empty_label || name.len() > MAX_NAME || !name.bytes().all(is_host) {
            return Err(AuthorityError);
        }
        Ok(Self { name, port })
    }
}

/// The host that a client used: from the request line if it is there, else from the header (RFC 9112, section 3.2.2).
pub fn host_of<B>(request: &Request<B>) -> Option<&str> {
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(HOST)?.to_str().ok(),
    }
}

/// A port of digits only: the parser of numbers would accept a sign as well.
fn parse_port(digits: &str) -> Result<u16, AuthorityError> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AuthorityError);
    }
    digits.parse().map_err(|_| AuthorityError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_host_is_parsed_to_lower_case_without_a_final_dot() {
        for (text, name, port) in [
            ("Local.Vault.Azure.Net:443", "local.vault.azure.net", Some(443)),
            ("local.vault.azure.net.", "local.vault.azure.net", None),
            ("localhost.:8443", "localhost", Some(8443)),
            ("localhost:", "localhost", None),
            ("127.0.0.1:5000", "127.0.0.1", Some(5000)),
            ("[::1]:8443", "::1", Some(8443)),
            ("[0:0::1]", "::1", None),
            ("my_registry:5000", "my_registry", Some(5000)),
        ] {
            let authority: Authority = text.parse().unwrap();
            assert_eq!((authority.name(), authority.port()), (name, port), "{text}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_a_host_is_refused() {
        for text in [
            "",
            ":443",
            ".",
            ".:1",
            "a..",
            "a..:1",
            "a..b",
            ".a",
            "a b",
            "a:+1",
            "a:65536",
            "a:1:2",
            "::1",
            "[::1",
            "[x]:1",
            "[::1]443",
            "user@host:443",
            "http://host",
            "host/path",
            "host?x",
            "h\u{f6}st",
            "a\0",
            "host:443 ",
        ] {
            assert_eq!(text.parse::<Authority>(), Err(AuthorityError), "{text:?}");
        }
        assert!("a".repeat(255).parse::<Authority>().is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_an_accepted_one_is_parsed_again_to_the_same(
            text in prop_oneof!["\\PC{0,80}", "[aA0.:\\[\\]_-]{0,8}"],
        ) {
            if let Ok(authority) = text.parse::<Authority>() {
                let host = match authority.address() {
                    Some(IpAddr::V6(address)) => format!("[{address}]"),
                    _ => authority.name().to_owned(),
                };
                let port = authority.port().map(|port| format!(":{port}")).unwrap_or_default();
                prop_assert_eq!(format!("{host}{port}").parse::<Authority>(), Ok(authority));
            }
        }

        #[test]
        fn every_name_and_port_is_accepted(name in "([a-z0-9][a-z0-9-]{0,20}\\.){0,3}[a-z0-9]{1,20}", port in any::<u16>()) {
            let authority: Authority = format!("{name}:{port}").parse().unwrap();
            prop_assert_eq!(authority.name(), name);
            prop_assert_eq!(authority.port(), Some(port));
        }
    }
}
