//! The requests of one connection, each from its head to the answer of the router.
//!
//! `connection.rs` calls it for each request that hyper has read the head of.

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

use super::exchange::Exchange;
use super::{HangUp, Tunnel, Wire, connect_refusal};

/// What the requests of one connection have in common.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) peer: SocketAddr,
    pub(super) wire: Wire,
    pub(super) app: Router,
    pub(super) exchange: Arc<Exchange>,
    /// Set when the connection is to be reset rather than closed.
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
            // The rest is discarded, and a client need not wait to learn that the connection ends with this answer.
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
        // A router is always ready, and its clone is a count.
        let Ok::<Response, Infallible>(response) = self.app.clone().call(request).await;
        if let (Some(upgrade), Some(Tunnel)) = (upgrade, response.extensions().get()) {
            // There is one on a connection: no request follows a tunnel.
            let _ = self.tunnel.set(upgrade);
            self.exchange.become_tunnel();
        }
        response
    }
}

/// A request of HTTP/1.1 that has no `Host`, or several, has to be refused (RFC 9112, section 3.2).
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
