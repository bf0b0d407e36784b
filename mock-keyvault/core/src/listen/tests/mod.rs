//! A listener as raw clients see it.

mod early;
mod limits;
mod tunnel;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::accept::accept_within;
use super::connection::Limits;
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
fn an_address_may_be_only_a_port() {
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
async fn a_request_in_progress_is_answered_during_a_shutdown() {
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
async fn a_client_that_disconnects_does_not_end_the_server() {
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
