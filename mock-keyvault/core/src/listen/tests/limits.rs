//! Slow clients and too many clients.

use std::io::{Read as _, Write as _};
use std::net::TcpStream as StdStream;

use axum::routing::post;
use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::super::places::Places;
use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const LAST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// A listener that reads bodies at `/`.
async fn start(limits: Limits) -> (SocketAddr, CancellationToken) {
    let read = |body: Bytes| async move { body.len().to_string() };
    let app = Router::new().route("/", post(read).get(|| async { "here" }));
    let (listener, address) = bound().await;
    let shutdown = CancellationToken::new();
    tokio::spawn(accept_within(limits, listener, app, Transport::Plain, shutdown.clone()));
    (address, shutdown)
}

/// Sends bytes on a new connection, and reads to its end.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_body_that_stops_is_408_and_ends_the_connection() {
    let limits = Limits { body_period: Duration::from_millis(20), ..Limits::default() };
    let (address, _shutdown) = start(limits).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\n";

    for begun in [
        format!("{head}content-length: 1000\r\n\r\n"),
        format!("{head}content-length: 1000\r\n\r\nhello"),
        format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nhe"),
    ] {
        let answer = exchange(address, begun.as_bytes()).await;

        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{begun:?}: {answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.contains("send at least 65536 bytes"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_408_although_it_never_stops() {
    let limits = Limits { body_period: Duration::from_millis(200), ..Limits::default() };
    let (address, _shutdown) = start(limits).await;

    let answer = spawn_blocking(move || {
        let mut stream = StdStream::connect(address).unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut answer = [0; 12];
        let mut read = 0;
        while read < answer.len() {
            let _ = stream.write_all(b"a");
            read += stream.read(&mut answer[read..]).unwrap_or(0);
        }
        String::from_utf8(answer.to_vec()).unwrap()
    });

    assert_eq!(answer.await.unwrap(), "HTTP/1.1 408");
}

#[tokio::test]
async fn a_head_that_stops_is_408_on_a_new_connection_and_unanswered_on_a_used_one() {
    let limits = Limits { head: Duration::from_millis(20), ..Limits::default() };
    let (address, _shutdown) = start(limits).await;

    let fresh = exchange(address, b"GET / HTTP/1.1\r\nhost: x\r\n").await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    let mut used = String::new();
    while !used.ends_with("here") {
        used.push(char::from(stream.read_u8().await.unwrap()));
    }
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    stream.read_to_string(&mut used).await.unwrap();

    assert!(fresh.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{fresh}");
    assert!(fresh.ends_with("did not arrive within 0.02 s: send it at once.\n"), "{fresh}");
    // The bytes of a refusal could be taken for a part of the answer before it.
    assert_eq!(used.matches("HTTP/1.1").count(), 1, "{used}");
}

#[tokio::test]
async fn idle_connections_end_when_a_new_one_finds_no_place() {
    let limits = Limits { places: Places::new(3), ..Limits::default() };
    let (address, _shutdown) = start(limits).await;
    let connect = async |bytes: &[u8]| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    };
    let mut idle = [connect(b"").await, connect(GET).await, connect(GET).await];

    let served = exchange(address, LAST).await;

    assert!(served.ends_with("here"), "{served}");
    for stream in &mut idle {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert!(rest.is_empty() || rest.ends_with("here"), "{rest}");
    }
}

#[tokio::test]
async fn a_request_in_progress_keeps_its_place_and_the_next_client_waits() {
    let limits = Limits { places: Places::new(1), ..Limits::default() };
    let (address, _shutdown) = start(limits).await;
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhel").await.unwrap();
    let waiting = tokio::spawn(async move { exchange(address, LAST).await });

    // The second client has a connection in the queue of the system, and no answer.
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    busy.write_all(b"lo").await.unwrap();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();

    assert!(answer.ends_with("\r\n\r\n5"), "{answer}");
    assert!(waiting.await.unwrap().ends_with("here"));
}
