//! Proves that the suite can fail: registries that answer everything wrong must not pass.
//!
//! Each registry gives the same answer to every request. The clauses that hold anyway are listed, with the reason, so that a case
//! that always passes is noticed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use oci_spec_tests::{CASES, Outcome, Registry, run_case};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// The clauses that a `GET /v2/` with 200 satisfies.
const OF_THE_VERSION_CHECK: [&str; 1] = ["version_check_answers_200"];

#[tokio::test]
async fn a_registry_that_answers_200_to_everything_only_passes_the_version_check() {
    let held = held_by("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;

    assert_eq!(held, OF_THE_VERSION_CHECK.into());
}

#[tokio::test]
async fn a_registry_that_answers_201_to_everything_passes_no_clause() {
    let held = held_by("HTTP/1.1 201 Created\r\nLocation: /v2/\r\nContent-Length: 0\r\n\r\n").await;

    assert_eq!(held, BTreeSet::new());
}

#[tokio::test]
async fn a_registry_that_answers_404_to_everything_only_passes_clauses_about_absence() {
    let held = held_by(concat!(
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 65\r\n\r\n",
        r#"{"errors":[{"code":"NAME_UNKNOWN","message":"there is no such"}]}"#
    ))
    .await;

    // These clauses ask for content that does not exist, without pushing anything before.
    let asks_for_nothing_else = [
        "deleting_in_an_unknown_repository_is_404",
        "long_name_is_refused",
        "mount_from_a_malformed_name_does_no_harm",
        "nothing_is_stored_under_an_invalid_name",
        "pull_from_an_unknown_repository_is_404",
        "tag_list_of_an_unknown_repository_is_404",
        "traversal_is_refused",
        "unknown_repository_is_name_unknown",
    ];
    assert_eq!(held, asks_for_nothing_else.into());
}

#[tokio::test]
async fn a_registry_that_answers_500_to_everything_passes_no_clause() {
    let held = held_by("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n").await;

    assert_eq!(held, BTreeSet::from(["nothing_is_stored_under_an_invalid_name"]));
}

#[tokio::test]
async fn a_registry_that_closes_every_connection_passes_no_clause() {
    let held = held_by("").await;

    assert_eq!(held, BTreeSet::new());
}

/// The clauses that a registry passes which always gives this answer.
async fn held_by(answer: &'static str) -> BTreeSet<&'static str> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address: SocketAddr = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(respond(stream, answer));
        }
    });

    let registry = Registry::at(&address.to_string()).expect("an address is a registry");
    let permits = Arc::new(Semaphore::new(8));
    let mut running = Vec::new();
    for case in CASES {
        let (registry, permits) = (registry.clone(), Arc::clone(&permits));
        running.push((
            case.clause,
            tokio::spawn(async move {
                let _permit = permits.acquire_owned().await;
                run_case(case, &registry).await
            }),
        ));
    }
    let mut held = BTreeSet::new();
    for (clause, handle) in running {
        if handle.await.expect("no case panics, whatever the registry answers") == Ok(Outcome::Held)
        {
            held.insert(clause);
        }
    }
    held
}

/// Reads a head, answers, and reads on until the client closes, so that the answer is not lost with the connection.
async fn respond(mut stream: TcpStream, answer: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 100_000 {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    if answer.is_empty() || stream.write_all(answer.as_bytes()).await.is_err() {
        return;
    }
    let _ = stream.shutdown().await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}
