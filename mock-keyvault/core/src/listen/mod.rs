//! Serves an axum router on a TCP listener: plain HTTP only, or plain HTTP and TLS, which the first byte distinguishes.
//!
//! Called by the vault and by the emulator's registry, which streams large bodies through it: bodies have no limit here
//! and are not copied. An I/O error of one connection ends only that connection. An answer to CONNECT can turn a plain
//! connection into a TLS one, so that a listener is a proxy to itself ([`Tunnel`]). Bytes that a client still sends after
//! an early answer are discarded, within limits, so that the client can read the answer. On shutdown no connection is
//! accepted any more; requests in progress may take up to [`DRAIN`], and are then dropped.
//!
//! This module knows nothing of vaults. It does not bind addresses, and it does not decide what is served.

mod accept;
mod address;
mod connect_refusal;
mod connection;
mod discard;
mod exchange;
mod head_search;
mod pace;
mod places;
mod prompt;
mod refusal;
mod request_body;
mod requests;
mod resettable;
#[cfg(test)]
mod tests;
mod transport;
mod write_timeout;

pub use self::accept::{Connections, DRAIN, accept, serve};
pub use self::address::parse_address;
pub use self::connect_refusal::connect_refusal;
pub use self::transport::{HangUp, Transport, Tunnel, Wire};
