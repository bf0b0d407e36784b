//! How requests arrive, and how an answer tells the listener what happens to the connection.

use std::sync::Arc;

use rustls::ServerConfig;

/// The protocols of a listener.
#[derive(Clone, Debug)]
pub enum Transport {
    /// HTTP without TLS.
    Plain,
    /// HTTP with or without TLS, depending on the first byte that the client sends.
    TlsAndPlain(Arc<ServerConfig>),
}

/// How a request arrived: an extension of every request, in addition to `ConnectInfo<SocketAddr>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Without TLS.
    Plain,
    /// Over TLS.
    Tls,
}

/// An extension of a response that must not be sent: the connection is reset instead. For faults on demand.
#[derive(Clone, Copy, Debug)]
pub struct HangUp;

/// An extension of the answer to a CONNECT request: TLS follows on the connection, and the same router serves the requests
/// in it, as if the client had connected directly. It is for listeners that accept TLS and plain HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel;
