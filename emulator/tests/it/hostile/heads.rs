//! Heads that are too large or no heads at all get the status of the limit, and a sentence that says what to do.

use super::doors::{Door, open, statuses};

/// Checks the one answer to a head, and that the connection is closed after it.
#[track_caller]
fn assert_refused(door: &Door, answer: &str, status: &str, way_out: &str) {
    let service = door.service;
    assert_eq!(statuses(answer), [status], "{service}: {answer}");
    assert!(answer.contains("connection: close\r\n"), "{service}: {answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(body.contains(way_out), "{service}: {answer}");
}

#[tokio::test]
async fn a_head_with_too_many_or_too_large_headers_is_431_on_every_listener() {
    let (_emulator, doors) = open().await;
    let large = |len| format!("x-large: {}\r\n", "a".repeat(len));
    let many = |count| {
        let lines: Vec<String> = (0..count).map(|number| format!("x-{number}: a\r\n")).collect();
        lines.concat()
    };

    for door in &doors {
        // The listener itself refuses the first of each pair. Beyond larger limits, the HTTP library does.
        for headers in [large(70 << 10), large(600 << 10), many(120), many(5000)] {
            let (path, host) = (door.path, &door.host);
            let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n");
            let answer = door.exchange(head).await;

            assert_refused(
                door,
                &answer,
                "431",
                "send at most 100 headers, and at most 65536 bytes",
            );
        }
    }
}

#[tokio::test]
async fn a_target_that_is_too_long_is_414_on_every_listener() {
    let (_emulator, doors) = open().await;

    for door in &doors {
        for len in [33 << 10, 100 << 10] {
            let (host, long) = (&door.host, "a".repeat(len));
            let answer =
                door.exchange(format!("GET /{long} HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;

            assert_refused(door, &answer, "414", "send at most 32768 bytes");
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_head_are_400_on_every_listener_and_the_next_client_is_served() {
    let (_emulator, doors) = open().await;

    for door in &doors {
        let (path, host) = (door.path, &door.host);
        let line = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n");
        for bytes in [
            // A header in two lines (RFC 9112, section 5.2).
            format!("{line}x-folded: a\r\n b\r\n\r\n").into_bytes(),
            format!("{line}x-space : a\r\n\r\n").into_bytes(),
            format!("{line}x-return: a\rb: c\r\n\r\n").into_bytes(),
            format!("{line}x-null: a\0b\r\n\r\n").into_bytes(),
            format!("{line} x: a header that begins with a space\r\n\r\n").into_bytes(),
            format!("{line}no colon\r\n\r\n").into_bytes(),
            format!("GET {path} HTTP/9.9\r\nhost: {host}\r\n\r\n").into_bytes(),
            format!("GET {path}\r\nhost: {host}\r\n\r\n").into_bytes(),
            format!("GET {path}\0 HTTP/1.1\r\nhost: {host}\r\n\r\n").into_bytes(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            b"{\"json\": true}\r\n\r\n".to_vec(),
            b"\x80\x01\x02\xff\r\n\r\n".to_vec(),
        ] {
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            let answer = door.exchange(bytes).await;

            assert_eq!(statuses(&answer), ["400"], "{}: {shown:?}: {answer}", door.service);
            assert_refused(door, &answer, "400", "RFC 9112");
        }
        for (headers, way_out) in [
            (String::new(), "needs one Host header: send exactly one"),
            (format!("host: {host}\r\nhost: evil.test\r\n"), "send exactly one"),
        ] {
            let answer = door.exchange(format!("GET {path} HTTP/1.1\r\n{headers}\r\n")).await;

            assert_refused(door, &answer, "400", way_out);
        }
        assert!(door.get().await.starts_with("HTTP/1.1 "), "{}", door.service);
    }
}
