//! Answers before the request was read: every client can read them, whatever it still sends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream as StdStream;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::StatusCode;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::*;

const LONG: Duration = Duration::from_hours(1);
/// More than the buffers of both sides hold.
const LARGE: usize = 24 << 20;

async fn panics() -> StatusCode {
    panic!("a defect")
}

/// A listener whose paths answer differently. Only `/read` reads the body.
async fn start(limits: Limits) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    let app = Router::new()
        .route(
            "/",
            post(|| async { (StatusCode::NOT_FOUND, "nothing here") }).get(|| async { "here" }),
        )
        .route("/read", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/panic", post(panics))
        .route(
            "/reset",
            post(|| async {
                let mut response = StatusCode::OK.into_response();
                response.extensions_mut().insert(HangUp);
                response
            }),
        )
        .route(
            "/cut",
            post(|| async {
                let half = stream::once(async { Ok::<_, io::Error>(Bytes::from_static(b"half")) });
                let end = stream::once(async {
                    tokio::task::yield_now().await;
                    Err(io::Error::from(ErrorKind::ConnectionReset))
                });
                let mut response = Response::new(Body::from_stream(half.chain(end)));
                response.headers_mut().insert("content-length", 8.into());
                response
            }),
        )
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(tower_http::catch_panic::CatchPanicLayer::new());
    let (listener, address) = bound().await;
    let shutdown = CancellationToken::new();
    let accepted = accept_within(limits, listener, app, Transport::Plain, shutdown.clone());
    let server = tokio::spawn(async move { accepted.await.drain().await });
    (address, shutdown, server)
}

/// Sends all of this in blocking writes, and only then reads, as simple clients do.
async fn exchange(address: SocketAddr, parts: Vec<Vec<u8>>) -> io::Result<String> {
    spawn_blocking(move || {
        let mut stream = StdStream::connect(address)?;
        for part in parts {
            stream.write_all(&part)?;
        }
        read_all(&mut stream)
    })
    .await
    .unwrap()
}

fn read_all(stream: &mut StdStream) -> io::Result<String> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn head(path: &str, more: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n").into_bytes()
}

fn with_length(path: &str, len: usize) -> Vec<u8> {
    head(path, &format!("content-length: {len}\r\n"))
}

#[tokio::test]
async fn a_client_that_sends_its_whole_body_first_reads_an_early_answer() {
    let (address, _shutdown, _server) = start(Limits::default()).await;
    let chunk = [format!("{LARGE:x}\r\n").into_bytes(), vec![0; LARGE], b"\r\n0\r\n\r\n".to_vec()];

    for (request, body) in [
        (with_length("/", LARGE), vec![0; LARGE]),
        (head("/", "transfer-encoding: chunked\r\n"), chunk.concat()),
        (
            format!("POST / HTTP/1.0\r\ncontent-length: {LARGE}\r\n\r\n").into_bytes(),
            vec![0; LARGE],
        ),
    ] {
        let answer = exchange(address, vec![request, body]).await.unwrap();

        assert!(answer[8..].starts_with(" 404 Not Found\r\n"), "{answer}");
        assert!(
            answer.contains("connection: close\r\n") || answer.starts_with("HTTP/1.0"),
            "{answer}"
        );
        assert!(answer.ends_with("nothing here"), "{answer}");
    }
}

#[tokio::test]
async fn refusals_of_the_listener_itself_arrive_as_well() {
    let (address, _shutdown, _server) = start(Limits::default()).await;
    let body = vec![b'a'; LARGE];
    let no_host = format!("POST / HTTP/1.1\r\ncontent-length: {LARGE}\r\n\r\n").into_bytes();

    for (request, status) in [
        (no_host, "400"),
        (with_length("/panic", LARGE), "500"),
        (head("/", "content-length: x\r\n"), "400"),
        (b"GET /".to_vec(), "431"),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: ".to_vec(), "431"),
        (head("/read", "transfer-encoding: chunked\r\n"), "400"),
    ] {
        let answer = exchange(address, vec![request, body.clone()]).await.unwrap();

        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
}

#[tokio::test]
async fn a_connection_is_kept_after_a_short_body_that_the_handler_did_not_read() {
    let (address, _shutdown, _server) = start(Limits::default()).await;
    let last =
        b"POST /read HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc";
    let requests = [&with_length("/", 5)[..], b"hello", &head("/", "content-length: 0\r\n"), last];

    let answers = exchange(address, vec![requests.concat()]).await.unwrap();

    let statuses: Vec<&str> =
        answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["404", "404", "200"], "{answers}");
    assert!(answers.ends_with("\r\n\r\n3"), "{answers}");
}

#[tokio::test]
async fn no_request_is_read_from_a_body_or_after_it_when_the_connection_is_closed() {
    let (address, _shutdown, _server) = start(Limits::default()).await;
    let next = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    let body = [&next[..], &vec![0; LARGE], &next[..]].concat();
    let request = with_length("/", body.len() - next.len());

    let answers = exchange(address, vec![request, body]).await.unwrap();

    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    assert!(answers.starts_with("HTTP/1.1 404") && answers.ends_with("nothing here"));
}

#[tokio::test]
async fn a_client_that_waits_for_100_need_not_send_its_body() {
    let (address, _shutdown, _server) = start(Limits::default()).await;
    let request = head("/", "content-length: 5\r\nexpect: 100-continue\r\n");

    let answer = spawn_blocking(move || {
        let mut stream = StdStream::connect(address).unwrap();
        stream.write_all(&request).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        read_all(&mut stream).unwrap()
    });

    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_client_sees_half_of_a_cut_body_and_a_reset_as_a_reset() {
    let (address, _shutdown, _server) = start(Limits::default()).await;

    let cut = exchange(address, vec![with_length("/cut", LARGE), vec![0; LARGE]]).await.unwrap();
    let reset = exchange(address, vec![with_length("/reset", LARGE), vec![0; LARGE]]).await;

    assert!(cut.starts_with("HTTP/1.1 200") && cut.ends_with("\r\n\r\nhalf"), "{cut}");
    let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    assert!(kinds.contains(&reset.unwrap_err().kind()));
}

/// Limits that no test reaches, except the number of connections.
fn endless(places: usize) -> Limits {
    let places = Arc::new(Semaphore::new(places));
    let discard = discard::Limits { bytes: u64::MAX, time: LONG, idle: LONG, places };
    Limits { head: LONG, discard, ..Limits::default() }
}

/// A connection whose request was answered after the beginning of its body.
fn answered(address: SocketAddr) -> StdStream {
    let mut stream = StdStream::connect(address).unwrap();
    stream.write_all(&with_length("/", LARGE)).unwrap();
    stream.write_all(&vec![0; 100_000]).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"nothing here") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    stream
}

#[tokio::test]
async fn a_client_beyond_the_limit_of_connections_is_answered_and_closed_at_once() {
    let (address, _shutdown, _server) = start(endless(3)).await;

    spawn_blocking(move || {
        let mut kept: Vec<StdStream> = (0..3).map(|_| answered(address)).collect();
        let mut closed = answered(address);
        // The connection has ended, cleanly or not.
        assert!(matches!(closed.read(&mut [0]), Ok(0) | Err(_)));
        for stream in &mut kept {
            stream.write_all(&vec![0; LARGE - 100_000]).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "a clean end");
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_body_beyond_the_limit_ends_the_connection_after_the_answer() {
    let mut limits = endless(1);
    limits.discard.bytes = 1_000_000;
    let (address, _shutdown, _server) = start(limits).await;

    let sent = spawn_blocking(move || answered(address).write_all(&vec![0; LARGE])).await.unwrap();

    assert!(sent.is_err());
}

#[tokio::test]
async fn a_shutdown_waits_no_longer_than_the_idle_limit_for_a_client_that_sends_nothing() {
    let mut limits = endless(1);
    limits.discard.idle = Duration::from_millis(20);
    let (address, shutdown, server) = start(limits).await;
    let _stream = spawn_blocking(move || answered(address)).await.unwrap();

    shutdown.cancel();

    server.await.unwrap();
}

#[tokio::test]
async fn a_head_that_arrives_too_slowly_ends_the_connection_and_an_idle_one_is_kept() {
    let limits = Limits { head: Duration::from_millis(50), ..Limits::default() };
    let (address, _shutdown, _server) = start(limits).await;

    let answer = spawn_blocking(move || {
        let get = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let last = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let mut fresh = StdStream::connect(address).unwrap();
        let mut kept = StdStream::connect(address).unwrap();
        kept.write_all(get).unwrap();
        let mut slow = StdStream::connect(address).unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        slow.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let end = loop {
            let _ = slow.write_all(b"a: b\r\n");
            match slow.read(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => (),
                end => break end,
            }
        };
        let status = |stream: &mut StdStream| {
            stream.set_read_timeout(None).unwrap();
            read_all(stream).unwrap()
        };
        assert!(matches!(end, Ok(1)), "the answer begins: {end:?}");
        assert!(status(&mut slow).starts_with("TTP/1.1 408 Request Timeout\r\n"));
        // These were idle for longer than the slow head lasted.
        kept.write_all(last).unwrap();
        fresh.write_all(last).unwrap();
        (read_all(&mut kept).unwrap(), read_all(&mut fresh).unwrap())
    });
    let (kept, fresh) = answer.await.unwrap();

    assert_eq!(kept.matches("HTTP/1.1 200").count(), 2, "{kept}");
    assert!(fresh.ends_with("here"), "{fresh}");
}
