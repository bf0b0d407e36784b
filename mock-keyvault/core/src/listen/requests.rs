//! Answers the requests of one connection with the router.
//!
//! `connection.rs` calls it for each request when hyper has read its head.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONNECTION, EXPECT, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tower::Service as _;

use super::connect_refusal::connect_refusal;
use super::exchange::Exchange;
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
}

impl Requests {
    /// Answers one request. An error ends the connection.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> io::Result<Response> {
        let request = request.map(|body| self.exchange.begin(body));
        let expects_continue = request.headers().contains_key(EXPECT);
        let mut response = self.route(request).await;
        if response.extensions().get::<HangUp>().is_some() {
            self.reset.store(true, Ordering::Relaxed);
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        if !self.exchange.answered(expects_continue).await {
            // The rest is discarded. The header tells the client at once that the connection ends with this answer.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    async fn route(&self, mut request: Request<Body>) -> Response {
        let is_connect = request.method() == Method::CONNECT;
        if !names_one_host(&request) {
            return no_host(is_connect);
        }
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

/// Whether a request has the `Host` header that it must have. HTTP/1.1 requires exactly one (RFC 9112, section 3.2).
fn names_one_host<B>(request: &Request<B>) -> bool {
    let count = request.headers().get_all(HOST).iter().count();
    count == 1 || (count == 0 && request.version() < Version::HTTP_11)
}

fn no_host(is_connect: bool) -> Response {
    let sentence = "A request of HTTP/1.1 needs one Host header: send exactly one.";
    if is_connect {
        return connect_refusal(StatusCode::BAD_REQUEST, sentence);
    }
    (StatusCode::BAD_REQUEST, format!("{sentence}\n")).into_response()
}
