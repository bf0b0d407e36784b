//! Serves an axum router on a TCP listener: plain HTTP, or that and TLS, told apart by the first byte.
//!
//! Called by the vault and by the emulator's registry, which streams large bodies through it: there is no limit on
//! bodies here and no copy that could be spared. An I/O error of one connection ends that connection and nothing else.
//! An answer to CONNECT can turn a plain connection into a TLS one, so that a listener is a proxy to itself ([`Tunnel`]).
//! On shutdown no connection is accepted any more, requests under way may end for [`DRAIN`], and what is left is dropped.
//!
//! This module knows nothing of vaults. It does not bind, and it does not decide what is served.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::IntoResponse;
use http::header::HOST;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::patience::Patient;

/// How long requests under way may go on after a shutdown was asked for.
pub const DRAIN: Duration = Duration::from_secs(10);

/// How long a client may take to send a first byte, and then a request head. It bounds the idle time of a kept connection
/// as well, so it is longer than the pools of common clients keep one that they mean to use again.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(100);

/// How long a client may take to shake hands, once it has said that it speaks TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take nothing of an answer. Long, for some clients pause to unpack what they have.
const WRITE_STALL_LIMIT: Duration = Duration::from_mins(5);

/// How long accepting rests after an error that is not of one connection, such as too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// The first byte of a TLS connection: a record of type handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What a listener speaks.
#[derive(Clone, Debug)]
pub enum Transport {
    /// HTTP without TLS.
    Plain,
    /// HTTP with or without TLS, told apart by the first byte that the client sends.
    TlsAndPlain(Arc<ServerConfig>),
}

/// An address as people type it: `ADDRESS:PORT`, `localhost:PORT`, or a port of the loopback. The error is a sentence.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| {
        "expected ADDRESS:PORT, such as 127.0.0.1:5000, 0.0.0.0:5000 or [::1]:5000".to_owned()
    })
}

/// How a request arrived: an extension of every request, beside `ConnectInfo<SocketAddr>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Without TLS.
    Plain,
    /// Over TLS.
    Tls,
}

/// An extension of a response: it is not sent, and the connection is reset in its place. For faults on demand.
#[derive(Clone, Copy, Debug)]
pub struct HangUp;

/// An extension of the answer to a CONNECT request: what follows on the connection is TLS, and what comes in it is served
/// by the same router as if the client had connected by itself. It is for listeners that take TLS and plain text.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel;

/// Serves `app` until `shutdown` is cancelled and requests under way have ended, or [`DRAIN`] is over.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    transport: Transport,
    shutdown: CancellationToken,
) {
    accept(listener, app, transport, shutdown).await.drain().await;
}

/// What is still open when nothing is accepted any more.
#[must_use = "requests under way are cut off when this is dropped"]
#[derive(Debug)]
pub struct Connections(JoinSet<()>);

impl Connections {
    /// Returns when requests under way have ended, or [`DRAIN`] is over.
    pub async fn drain(mut self) {
        let drained = async { while self.0.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(connections = self.0.len(), "requests under way were cut off");
        }
    }
}

/// Serves `app` until `shutdown` is cancelled. On return the address is free again.
pub async fn accept(
    listener: TcpListener,
    app: Router,
    transport: Transport,
    shutdown: CancellationToken,
) -> Connections {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return Connections(connections),
            // Finished connections are reaped, so that the set holds open ones only.
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (app, transport) = (app.clone(), transport.clone());
                let shutdown = shutdown.clone();
                connections.spawn(async move {
                    if let Err(error) = connection(stream, peer, app, transport, shutdown).await {
                        tracing::debug!(client.address = %peer, %error, "a connection ended early");
                    }
                });
            }
            Err(error) if is_of_one_connection(&error) => (),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    transport: Transport,
    shutdown: CancellationToken,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let speaks_tls = match &transport {
        Transport::Plain => false,
        Transport::TlsAndPlain(_) => {
            let mut first = [0];
            let peeked = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                peeked = tokio::time::timeout(HEADER_READ_TIMEOUT, stream.peek(&mut first)) => peeked,
            };
            match peeked {
                Ok(Ok(1)) => first[0] == TLS_HANDSHAKE,
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    };
    let stream = Resettable { stream, reset: Arc::default() };
    let reset = Arc::clone(&stream.reset);
    let client = Client { peer, app, shutdown, reset };
    match transport {
        Transport::TlsAndPlain(config) if speaks_tls => client.serve_tls(config, stream).await,
        transport => match (client.serve(stream, Wire::Plain).await?, transport) {
            (Some(tunnel), Transport::TlsAndPlain(config)) => {
                let stream = tunnel.await.map_err(io::Error::other)?;
                client.serve_tls(config, TokioIo::new(stream)).await
            }
            _ => Ok(()),
        },
    }
}

/// One connection, and what it is served.
struct Client {
    peer: SocketAddr,
    app: Router,
    shutdown: CancellationToken,
    /// Set when the connection is to be reset rather than closed.
    reset: Arc<AtomicBool>,
}

impl Client {
    /// Shakes hands, and serves what comes.
    async fn serve_tls<S>(&self, config: Arc<ServerConfig>, stream: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let accept = TlsAcceptor::from(config).accept(stream);
        let stream = tokio::select! {
            () = self.shutdown.cancelled() => return Ok(()),
            stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, accept) => stream,
        };
        let stream = stream.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        self.serve(stream, Wire::Tls).await.map(drop)
    }

    /// Serves requests until the connection ends. A tunnel, if that is what it became.
    async fn serve<S>(&self, stream: S, wire: Wire) -> io::Result<Option<OnUpgrade>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let tunnel = Arc::new(OnceLock::new());
        let service = {
            let (peer, app) = (self.peer, self.app.clone());
            let (reset, tunnel) = (Arc::clone(&self.reset), Arc::clone(&tunnel));
            service_fn(move |request| {
                answer(request, peer, wire, app.clone(), Arc::clone(&reset), Arc::clone(&tunnel))
            })
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_READ_TIMEOUT)
            .serve_connection(TokioIo::new(Patient::new(stream, WRITE_STALL_LIMIT)), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        ended.map_err(io::Error::other)?;
        Ok(Arc::into_inner(tunnel).and_then(OnceLock::into_inner))
    }
}

/// One request. An error ends the connection.
async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    wire: Wire,
    mut app: Router,
    reset: Arc<AtomicBool>,
    tunnel: Arc<OnceLock<OnUpgrade>>,
) -> io::Result<Response<Body>> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(wire);
    if !names_one_host(&request) {
        return Ok(StatusCode::BAD_REQUEST.into_response());
    }
    let upgrade = (request.method() == Method::CONNECT).then(|| hyper::upgrade::on(&mut request));
    // A router is always ready, and its clone is a count.
    let Ok::<Response<Body>, Infallible>(response) = app.call(request).await;
    if response.extensions().get::<HangUp>().is_some() {
        reset.store(true, Ordering::Relaxed);
        return Err(io::Error::from(io::ErrorKind::ConnectionReset));
    }
    if let (Some(upgrade), Some(Tunnel)) = (upgrade, response.extensions().get()) {
        // There is one on a connection: no request follows a tunnel.
        let _ = tunnel.set(upgrade);
    }
    Ok(response)
}

/// A connection that can end in a reset, which clients see as an error in any case.
struct Resettable {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Resettable {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // A system that will not do it closes the connection without an answer, which is nearly the same.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Resettable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Resettable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Relaxed) {
            // Nothing more is said, not even a farewell.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A request of HTTP/1.1 that has no `Host`, or several, has to be refused (RFC 9112, section 3.2).
fn names_one_host<B>(request: &Request<B>) -> bool {
    let count = request.headers().get_all(HOST).iter().count();
    count == 1 || (count == 0 && request.version() < Version::HTTP_11)
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    use super::*;

    async fn bound() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[test]
    fn an_address_may_be_a_port_alone() {
        assert_eq!(parse_address("6000").unwrap(), "127.0.0.1:6000".parse().unwrap());
        assert_eq!(parse_address(":0").unwrap(), "127.0.0.1:0".parse().unwrap());
        assert_eq!(parse_address("localhost:5000").unwrap(), "127.0.0.1:5000".parse().unwrap());
        assert_eq!(parse_address("[::1]:5000").unwrap(), "[::1]:5000".parse().unwrap());
        for bad in ["", "65536", "host:5000", "127.0.0.1"] {
            assert!(parse_address(bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_request_knows_the_peer_and_the_wire() {
        let (listener, address) = bound().await;
        let app = Router::new().route(
            "/",
            get(
                |ConnectInfo(peer): ConnectInfo<SocketAddr>,
                 axum::Extension(wire): axum::Extension<Wire>| async move {
                    format!("{} {wire:?}", peer.ip())
                },
            ),
        );
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(listener, app, Transport::Plain, shutdown.clone()));

        let answer = ask(address, "/").await;
        shutdown.cancel();
        server.await.unwrap();

        assert!(answer.ends_with("127.0.0.1 Plain"), "{answer}");
    }

    #[tokio::test]
    async fn a_request_under_way_ends_although_a_shutdown_was_asked_for() {
        let (listener, address) = bound().await;
        let (arrived, has_arrived) = oneshot::channel();
        let (release, released) = oneshot::channel::<()>();
        let once = Arc::new(std::sync::Mutex::new(Some((arrived, released))));
        let app = Router::new().route(
            "/",
            get(move || async move {
                let (arrived, released) = once.lock().unwrap().take().unwrap();
                arrived.send(()).unwrap();
                released.await.unwrap();
                "ended"
            }),
        );
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(listener, app, Transport::Plain, shutdown.clone()));
        let client = tokio::spawn(async move { ask(address, "/").await });

        has_arrived.await.unwrap();
        shutdown.cancel();
        release.send(()).unwrap();

        assert!(client.await.unwrap().ends_with("ended"));
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_goes_away_does_not_end_the_server() {
        let (listener, address) = bound().await;
        let app = Router::new().route("/", get(|| async { "here" }));
        let shutdown = CancellationToken::new();
        let _server = tokio::spawn(serve(listener, app, Transport::Plain, shutdown.clone()));

        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HT").await.unwrap();
        drop(stream);

        assert!(ask(address, "/").await.ends_with("here"));
        shutdown.cancel();
    }
}
