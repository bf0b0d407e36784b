//! One connection: the handshake, its requests, and the bytes that the client still sends after the last answer.
//!
//! `accept.rs` calls [`serve`] for each connection that it accepts. Its layers, from the socket up: [`Resettable`], TLS,
//! [`Prompt`] for request heads, [`WriteTimeout`] for answers, and hyper.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::discard::{self, Discard, has_unread};
use super::exchange::Exchange;
use super::pace;
use super::places::{Place, Places};
use super::prompt::Prompt;
use super::refusal::{MAX_HEADERS, Refusal};
use super::requests::Requests;
use super::resettable::Resettable;
use super::transport::{Transport, Wire};
use super::write_timeout::WriteTimeout;

/// How long a connection may be idle: before its first byte, and between two requests. It is longer than the time for
/// which the pools of common clients keep a connection.
const IDLE_LIMIT: Duration = Duration::from_secs(100);

/// How long a request head may take from its first byte to its end.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// How long a TLS handshake may take from its first byte.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may read nothing of an answer. It is long because some clients pause to unpack the data so far.
const WRITE_STALL_LIMIT: Duration = Duration::from_mins(5);

/// The first byte of a TLS connection: a record of type handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// The limits of one listener that tests make shorter. Clones share their counters.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) head: Duration,
    /// The period in which a part of a body must arrive.
    pub(super) body_period: Duration,
    pub(super) discard: discard::Limits,
    pub(super) places: Places,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: HEAD_LIMIT,
            body_period: pace::PERIOD,
            discard: discard::Limits::default(),
            places: Places::of_process(),
        }
    }
}

/// Serves one connection to its end.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    app: Router,
    transport: Transport,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let speaks_tls = match &transport {
        Transport::Plain => false,
        Transport::TlsAndPlain(_) => {
            let mut first = [0];
            let peeked = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = place.is_wanted() => return Ok(()),
                peeked = tokio::time::timeout(IDLE_LIMIT, stream.peek(&mut first)) => peeked,
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
    let client = Client { peer, place, app, limits, shutdown, reset };
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

/// One connection, and the router that serves it.
struct Client {
    peer: SocketAddr,
    place: Place,
    app: Router,
    limits: Limits,
    shutdown: CancellationToken,
    /// Set if the connection must be reset instead of closed.
    reset: Arc<AtomicBool>,
}

impl Client {
    /// Performs the TLS handshake, and serves the connection.
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

    /// Serves requests until the connection ends. Returns a tunnel, if the connection became one.
    async fn serve<S>(&self, stream: S, wire: Wire) -> io::Result<Option<OnUpgrade>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (exchange, tunnel) = (Arc::<Exchange>::default(), Arc::<OnceLock<_>>::default());
        let requests = Arc::new(Requests {
            peer: self.peer,
            wire,
            app: self.app.clone(),
            exchange: Arc::clone(&exchange),
            reset: Arc::clone(&self.reset),
            tunnel: Arc::clone(&tunnel),
            body_period: self.limits.body_period,
        });
        let stream = Prompt::new(stream, Arc::clone(&exchange), self.limits.head);
        let stream = WriteTimeout::new(stream, WRITE_STALL_LIMIT);
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE_LIMIT)
            // More than the listener itself accepts, so that a client with a few too many gets a sentence.
            .max_headers(2 * MAX_HEADERS)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| Arc::clone(&requests).answer(request)),
            )
            .with_upgrades();
        let mut discard = Discard::new(self.limits.discard.clone());
        let ended = {
            // hyper reads a body only when a reader polls it, so the rest of it is polled here, while hyper sends the
            // answer.
            let mut discarding = pin!(async {
                let mut body = exchange.left_over().await;
                discard.all(|context| exchange.poll_discard(&mut body, context)).await;
            });
            // A connection whose place is wanted ends after the request in progress, or at once if it is idle.
            let mut stopping = pin!(async {
                tokio::select! {
                    () = self.shutdown.cancelled() => (),
                    () = self.place.is_wanted() => (),
                }
            });
            let (mut is_discarded, mut is_stopping) = (false, false);
            loop {
                tokio::select! {
                    ended = &mut connection => break ended,
                    () = discarding.as_mut(), if !is_discarded => is_discarded = true,
                    () = stopping.as_mut(), if !is_stopping => is_stopping = true,
                }
                if is_stopping {
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        };
        if let Some(parts) = connection.into_parts()
            && !self.reset.load(Ordering::Relaxed)
            && !discard.is_spent()
        {
            let (mut stream, refusal) = parts.io.into_inner().into_inner().into_parts();
            let is_unknown =
                exchange.heads() == 0 && ended.as_ref().is_err_and(hyper::Error::is_parse);
            let refusal = refusal.or_else(|| is_unknown.then_some(Refusal::Malformed));
            if let Some(refusal) = refusal {
                refusal.send(&mut stream).await;
            }
            let sends_more = match &ended {
                Ok(()) => {
                    exchange.is_arriving()
                        || discard.has_begun()
                        || !parts.read_buf.is_empty()
                        || has_unread(&mut stream).await
                }
                // hyper itself answers a head that it cannot parse. Any other error comes after an answer, or without one.
                Err(error) => refusal.is_some() || error.is_parse() || exchange.is_arriving(),
            };
            if sends_more {
                discard.linger(&mut stream).await;
            }
        }
        ended.map_err(io::Error::other)?;
        Ok(Arc::into_inner(tunnel).and_then(OnceLock::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_may_take_ten_seconds_and_a_connection_may_be_idle_for_a_hundred() {
        assert_eq!(Limits::default().head, Duration::from_secs(10));
        assert_eq!(IDLE_LIMIT, Duration::from_secs(100));
    }
}
