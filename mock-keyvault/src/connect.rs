//! Answers CONNECT on this listener: a proxy that only connects to the emulator itself.
//!
//! Called by the router. With `HTTPS_PROXY` set to this listener, a client needs neither a name server nor a hosts file: it
//! sends the name in plain text, gets 200, and makes the TLS handshake on the same connection, which the same router serves
//! ([`azure_emulator_core::listen::Tunnel`]). The public names are served too, so that a script for Azure runs unchanged.
//!
//! Nothing is ever forwarded. The proxy refuses any other name with a message, so that a forgotten variable can neither reach
//! the real service nor send data to it.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Request, StatusCode};

use crate::app::App;
use crate::host::Site;
use azure_emulator_core::authority::Authority;
use azure_emulator_core::listen::{Tunnel, Wire, connect_refusal};

/// The port of `https`.
const HTTPS: u16 = 443;

/// Answers a CONNECT request.
pub(crate) fn answer(app: &App, request: &Request<Body>) -> Response {
    if request.extensions().get() == Some(&Wire::Tls) {
        let sentence = "This proxy takes CONNECT in plain text: use http:// for its own address.";
        return connect_refusal(StatusCode::BAD_REQUEST, sentence);
    }
    // The target is a host and a port, not a URL (RFC 9110, section 9.3.6).
    let authority = request.uri().authority().filter(|_| request.uri().scheme().is_none());
    let authority = authority.map(http::uri::Authority::as_str).unwrap_or_default();
    let Ok(target) = authority.parse::<Authority>() else {
        let sentence = "CONNECT takes a host and a port, such as local.vault.azure.net:443.";
        return connect_refusal(StatusCode::BAD_REQUEST, sentence);
    };
    if !leads_here(app, &target) {
        tracing::info!(host.name = target.name(), "a connection to another host was refused");
        return connect_refusal(StatusCode::FORBIDDEN, &refusal(&target));
    }
    let mut response = StatusCode::OK.into_response();
    response.extensions_mut().insert(Tunnel);
    response
}

/// Whether this host and port are the emulator's.
fn leads_here(app: &App, target: &Authority) -> bool {
    let (name, port) = (target.name(), target.port().unwrap_or(HTTPS));
    let is_own = port == app.port;
    if Site::from_host(name).is_named() || app.host_router.knows(name) {
        // A local name only means this machine, and its port may be mapped to the listener's port.
        return name.ends_with(".localhost") || port == HTTPS || is_own;
    }
    let is_this_machine = name == "localhost"
        || target.address().is_some_and(|address| address.is_loopback())
        || app.guard.is_alias(name);
    is_this_machine && is_own
}

fn refusal(target: &Authority) -> String {
    let port = target.port().unwrap_or(HTTPS);
    format!(
        "CONNECT {}:{port} is refused: this proxy leads to the emulator only and forwards nothing to other hosts. \
         It takes the names of Azure that are emulated here, at port 443. \
         If this program should reach other hosts, set HTTPS_PROXY only for the commands that use the emulator.",
        target.name()
    )
}
