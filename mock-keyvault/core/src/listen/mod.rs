//! Serves an axum router on a TCP listener: plain HTTP only, or plain HTTP and TLS, which the first byte distinguishes.
//!
//! Called by the vault and by the emulator's registry, which streams large bodies through it: bodies have no limit here
//! and are not copied. An I/O error of one connection ends only that connection. An answer to CONNECT can turn a plain
//! connection into a TLS one, so that a listener is a proxy to itself ([`Tunnel`]). Bytes that a client still sends after
//! an early answer are discarded, within limits, so that the client can read the answer. On shutdown no connection is
//! accepted any more; requests in progress may take up to [`DRAIN`], and are then dropped.
//!
//! This module knows nothing of vaults. It does not bind addresses, and it does not decide what is served.

mod connect_refusal;
mod connection;
mod discard;
mod exchange;
mod patience;
mod prompt;
mod requests;
mod resettable;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::connect_refusal::connect_refusal;
use self::connection::Limits;

/// How long requests in progress may go on after the shutdown was requested.
pub const DRAIN: Duration = Duration::from_secs(10);

/// How long the listener pauses after an error that concerns more than one connection, such as too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// The protocols of a listener.
#[derive(Clone, Debug)]
pub enum Transport {
    /// HTTP without TLS.
    Plain,
    /// HTTP with or without TLS, depending on the first byte that the client sends.
    TlsAndPlain(Arc<ServerConfig>),
}

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

/// Serves `app` until `shutdown` is cancelled, and after that until all requests have ended or [`DRAIN`] is over.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    transport: Transport,
    shutdown: CancellationToken,
) {
    accept(listener, app, transport, shutdown).await.drain().await;
}

/// The connections that are still open when the listener has stopped accepting.
#[must_use = "requests in progress are aborted when this is dropped"]
#[derive(Debug)]
pub struct Connections(JoinSet<()>);

impl Connections {
    /// Waits until all requests have ended or [`DRAIN`] is over.
    pub async fn drain(mut self) {
        let drained = async { while self.0.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(connections = self.0.len(), "aborted requests that did not end in time");
        }
    }
}

/// Serves `app` until `shutdown` is cancelled. Then the address is free again.
pub async fn accept(
    listener: TcpListener,
    app: Router,
    transport: Transport,
    shutdown: CancellationToken,
) -> Connections {
    accept_within(Limits::default(), listener, app, transport, shutdown).await
}

async fn accept_within(
    limits: Limits,
    listener: TcpListener,
    app: Router,
    transport: Transport,
    shutdown: CancellationToken,
) -> Connections {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return Connections(connections),
            // Finished connections are removed, so that the set holds only open ones.
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (app, transport) = (app.clone(), transport.clone());
                let (limits, shutdown) = (limits.clone(), shutdown.clone());
                connections.spawn(async move {
                    let served =
                        connection::serve(stream, peer, app, transport, limits, shutdown).await;
                    if let Err(error) = served {
                        tracing::debug!(client.address = %peer, %error, "a connection ended early");
                    }
                });
            }
            Err(error) if is_of_one_connection(&error) => (),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
