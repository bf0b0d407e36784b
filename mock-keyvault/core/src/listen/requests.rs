//! Answers the requests of one connection with the router.
//!
//! `connection.rs` calls it for each request when hyper has read its head.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::header::{CONNECTION, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tower::Service as _;

use super::connect_refusal::connect_refusal;
use super::exchange::{Exchange, NamedLength};
use super::pace::Pace;
use super::refusal::{MAX_HEAD, MAX_HEADERS, MAX_TARGET, Refusal};
use super::transport::{HangUp, Tunnel, Wire};

/// The state that the requests of one connection share.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) peer: SocketAddr,
    pub(super) wire: Wire,
    pub(super) app: Router,
    pub(super) exchange: Arc<Exchange>,
    /// Set if the connection must be reset instead of closed.
    pub(super) reset: Arc<AtomicBool>,
    /// Set when the connection became a tunnel.
    pub(super) tunnel: Arc<OnceLock<OnUpgrade>>,
    /// The period in which a part of a body must arrive.
    pub(super) body_period: Duration,
}

impl Requests {
    /// Answers one request. An error ends the connection.
    ///
    /// The request begins with the call and not with the first poll: hyper may read from the connection before it polls.
    pub(super) fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = io::Result<Response>> {
        let (head, body) = request.into_parts();
        let (body, named) = self.exchange.begin(body, Pace::new(self.body_period));
        self.answer_begun(Request::from_parts(head, body), named)
    }

    async fn answer_begun(
        self: Arc<Self>,
        request: Request<Body>,
        named: NamedLength,
    ) -> io::Result<Response> {
        let expects_continue = request.headers().contains_key(EXPECT);
        // Bytes of another request may follow where another server saw the end of this one.
        let is_last = named != NamedLength::No && request.headers().contains_key(TRANSFER_ENCODING);
        let mut response = match refusal(&request, named) {
            Some(refusal) if request.method() == Method::CONNECT => {
                connect_refusal(refusal.status(), &refusal.sentence())
            }
            Some(refusal) => refusal.into_response(),
            None => self.route(request).await,
        };
        if self.exchange.is_late() && response.status().is_client_error() {
            *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
        }
        if response.extensions().get::<HangUp>().is_some() {
            self.reset.store(true, Ordering::Relaxed);
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        let is_read = self.exchange.answered(expects_continue).await;
        if is_last || !is_read {
            // The rest is discarded. The header tells the client at once that the connection ends with this answer.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    async fn route(&self, mut request: Request<Body>) -> Response {
        let is_connect = request.method() == Method::CONNECT;
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(self.wire);
        let upgrade = is_connect.then(|| hyper::upgrade::on(&mut request));
        // A router is always ready, and cloning it only increments a counter.
        let Ok::<Response, Infallible>(response) = self.app.clone().call(request).await;
        if let (Some(upgrade), Some(Tunnel)) = (upgrade, response.extensions().get()) {
            // A connection has at most one tunnel, since no request follows it.
            let _ = self.tunnel.set(upgrade);
            self.exchange.become_tunnel();
        }
        response
    }
}

/// The reason to refuse a request before any router sees it.
fn refusal<B>(request: &Request<B>, named: NamedLength) -> Option<Refusal> {
    let headers = request.headers();
    if target_len(request) > MAX_TARGET {
        Some(Refusal::LongTarget)
    } else if headers.len() > MAX_HEADERS || head_len(request) > MAX_HEAD {
        Some(Refusal::LargeHead)
    } else if headers.contains_key(TRANSFER_ENCODING) && named == NamedLength::Yes {
        Some(Refusal::TwoLengths)
    } else if let Some(refusal) = coding_refusal(headers) {
        Some(refusal)
    } else if !names_one_host(request) {
        Some(Refusal::Host)
    } else {
        None
    }
}

/// Refuses every transfer coding but `chunked`, and more than one (RFC 9112, section 6.1).
fn coding_refusal(headers: &HeaderMap) -> Option<Refusal> {
    let values = headers.get_all(TRANSFER_ENCODING).iter();
    let mut codings =
        values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).peekable();
    codings.peek()?;
    let (mut count, mut is_known) = (0, true);
    for coding in codings {
        count += 1;
        is_known &= coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    }
    match (is_known, count) {
        (true, 1) => None,
        (true, _) => Some(Refusal::Coding),
        (false, _) => Some(Refusal::UnknownCoding),
    }
}

fn target_len<B>(request: &Request<B>) -> usize {
    request.uri().path_and_query().map_or(0, |target| target.as_str().len())
}

/// The length of a head, without the method and the version.
fn head_len<B>(request: &Request<B>) -> usize {
    let headers = request.headers().iter();
    let headers: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    target_len(request) + headers
}

/// Whether a request has the `Host` header that it must have. HTTP/1.1 requires exactly one (RFC 9112, section 3.2).
fn names_one_host<B>(request: &Request<B>) -> bool {
    let count = request.headers().get_all(HOST).iter().count();
    count == 1 || (count == 0 && request.version() < Version::HTTP_11)
}
