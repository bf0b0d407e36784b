//! Requests to which two servers could give different lengths: no bytes of a body are ever a second request.

use super::doors::{open, statuses};
use crate::support::raw::Raw;
use crate::support::{content, start};

/// A second request, which an attacker hides in the body of the first.
fn hidden(host: &str) -> String {
    format!("GET /hidden HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_request_with_an_ambiguous_length_is_refused_and_ends_the_connection_on_every_listener() {
    let (_emulator, doors) = open().await;

    for door in &doors {
        let host = door.host.as_str();
        let hidden = hidden(host);
        let len = hidden.len();
        let last = format!("0\r\n\r\n{hidden}");
        for (framing, body, status) in [
            // Both lengths, in both orders.
            ("content-length: 5\r\ntransfer-encoding: chunked\r\n".to_owned(), &last, "400"),
            ("transfer-encoding: chunked\r\ncontent-length: 5\r\n".to_owned(), &last, "400"),
            (format!("Content-Length: {len}\nTransfer-Encoding: chunked\r\n"), &last, "400"),
            ("content-length: 0\r\ncontent-length: 5\r\n".to_owned(), &last, "400"),
            (format!("content-length: 0, {len}\r\n"), &hidden, "400"),
            (format!("content-length: +{len}\r\n"), &hidden, "400"),
            ("content-length: -1\r\n".to_owned(), &hidden, "400"),
            ("content-length: 0x10\r\n".to_owned(), &hidden, "400"),
            ("content-length: 99999999999999999999\r\n".to_owned(), &hidden, "400"),
            ("content-length: \r\n".to_owned(), &hidden, "400"),
            ("content-length : 0\r\n".to_owned(), &hidden, "400"),
            ("content-length:\r\n 5\r\n".to_owned(), &hidden, "400"),
            // Encodings that another server might understand differently.
            ("transfer-encoding : chunked\r\n".to_owned(), &last, "400"),
            ("transfer-encoding:\r\n chunked\r\n".to_owned(), &last, "400"),
            ("transfer-encoding: chunked, identity\r\n".to_owned(), &last, "400"),
            ("transfer-encoding: identity\r\n".to_owned(), &last, "400"),
            ("transfer-encoding: xchunked\r\n".to_owned(), &last, "400"),
            ("transfer-encoding: \"chunked\"\r\n".to_owned(), &last, "400"),
            ("transfer-encoding: chunked\r\ntransfer-encoding: x\r\n".to_owned(), &last, "400"),
            ("transfer-encoding: \x0bchunked\r\n".to_owned(), &last, "400"),
            ("transfer-encoding: chunked, chunked\r\n".to_owned(), &last, "400"),
            ("transfer-encoding: gzip, chunked\r\n".to_owned(), &last, "501"),
        ] {
            let head =
                format!("POST {} HTTP/1.1\r\nhost: {host}\r\n{framing}\r\n{body}", door.path);
            let answers = door.exchange(head).await;

            let service = door.service;
            assert_eq!(statuses(&answers), [status], "{service}: {framing:?}: {answers}");
            assert!(answers.contains("connection: close\r\n"), "{service}: {answers}");
            assert!(answers.contains(": send "), "it says what to do: {service}: {answers}");
        }
    }
}

#[tokio::test]
async fn an_old_client_cannot_send_chunks() {
    let (_emulator, doors) = open().await;

    for door in &doors {
        let (path, hidden) = (door.path, hidden(&door.host));
        let head = format!(
            "POST {path} HTTP/1.0\r\nhost: {}\r\ntransfer-encoding: chunked\r\n",
            door.host
        );
        let answers = door.exchange(format!("{head}\r\n0\r\n\r\n{hidden}")).await;

        assert_eq!(statuses(&answers), ["400"], "{}: {answers}", door.service);
    }
}

#[tokio::test]
async fn chunks_that_are_not_valid_end_an_upload_and_nothing_after_them_is_a_request() {
    let (emulator, client) = start().await;
    let (address, hidden) = (emulator.registry_address(), hidden("localhost"));

    for (chunks, received) in [
        // The line of a chunk ends with a line feed only.
        (format!("5\nhello\r\n0\r\n\r\n{hidden}"), ""),
        (format!("5\r\nhello\n0\r\n\r\n{hidden}"), "hello"),
        (format!("5;a\nb\r\nhello\r\n0\r\n\r\n{hidden}"), ""),
        (format!("-5\r\nhello\r\n0\r\n\r\n{hidden}"), ""),
        (format!("0x5\r\nhello\r\n0\r\n\r\n{hidden}"), ""),
        (format!("fffffffffffffffff\r\nhello\r\n0\r\n\r\n{hidden}"), ""),
        (format!("5\r\nhello!\r\n0\r\n\r\n{hidden}"), "hello"),
        (format!("5;{}\r\nhello\r\n0\r\n\r\n{hidden}", "a".repeat(100_000)), ""),
    ] {
        let location = client.begin("app").await;
        let head = format!(
            "PATCH {location} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let raw = Raw::plain(address);
        let answers = raw.send(format!("{head}{chunks}")).await.answer().await;

        let start = &chunks[..20];
        assert_eq!(statuses(&answers), ["400"], "{start:?}: {answers}");
        assert!(answers.contains("BLOB_UPLOAD_INVALID"), "{start:?}: {answers}");
        let digest = content::digest(received.as_bytes());
        let path = format!("{location}?digest={digest}");
        let finished = client.send(reqwest::Method::PUT, &path, "").await;
        assert_eq!(finished.status, 201, "the bytes before the fault stay: {start:?}");
    }
}

#[tokio::test]
async fn extensions_of_chunks_are_ignored_and_a_request_after_a_valid_body_is_served() {
    let (emulator, client) = start().await;
    let location = client.begin("app").await;
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: Chunked\r\n\r\n"
    );
    let chunks = "5;name=\"value\"\r\nhello\r\n0;last\r\nx-trailer: a\r\n\r\n";
    let raw = Raw::plain(emulator.registry_address());

    let answers = raw.send(format!("{head}{chunks}{}", hidden("localhost"))).await.answer().await;

    // This also proves that the other tests would see the answer to a hidden request.
    assert_eq!(statuses(&answers), ["202", "404"], "{answers}");
    assert!(answers.contains("range: 0-4\r\n"), "{answers}");
}

#[tokio::test]
async fn a_chunked_request_behind_another_body_is_the_last_of_its_connection() {
    let (emulator, client) = start().await;
    let [first, second] = [client.begin("app").await, client.begin("app").await];
    let body = "a".repeat(200_000);
    let one = format!(
        "PATCH {first} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // Its head can arrive together with the end of the body before it, where nothing looks for a second length.
    let two = format!(
        "PATCH {second} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    );
    let raw = Raw::plain(emulator.registry_address());

    let answers = raw.send(format!("{one}{two}{}", hidden("localhost"))).await.answer().await;

    assert_eq!(statuses(&answers).len(), 2, "{answers}");
    assert!(!answers.contains(" 404 "), "{answers}");
    assert!(answers.contains("connection: close\r\n"), "{answers}");
}

#[tokio::test]
async fn requests_that_arrive_together_are_told_apart_and_an_ambiguous_one_among_them_is_the_last()
{
    let (emulator, client) = start().await;
    let location = client.begin("app").await;
    let chunked = format!(
        "PATCH {location} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    );
    let with_length =
        "POST /v2/app/blobs/uploads/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
    let ambiguous =
        format!("\r\n\r\n{}", chunked.replacen("host:", "content-length: 5\r\nhost:", 1));
    let hidden = hidden("localhost");
    let exchange = async |bytes: String| {
        let raw = Raw::plain(emulator.registry_address());
        raw.send(bytes).await.answer().await
    };

    let regular = exchange(format!("{chunked}{with_length}{hidden}")).await;
    let attack = exchange(format!("{with_length}{ambiguous}{hidden}")).await;
    let third = exchange(format!("{with_length}{with_length}{ambiguous}{hidden}")).await;
    let alone = exchange(format!("{ambiguous}{hidden}")).await;

    assert_eq!(statuses(&regular), ["202", "202", "404"], "{regular}");
    assert_eq!(statuses(&attack).len(), 2, "{attack}");
    assert_eq!(statuses(&third).len(), 3, "{third}");
    assert_eq!(statuses(&alone), ["400"], "{alone}");
}
