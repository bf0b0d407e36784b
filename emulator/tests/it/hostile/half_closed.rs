//! Clients that close their half of a connection early, or vanish: the service goes on, and no byte is lost.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use reqwest::Method;
use tokio::task::spawn_blocking;

use super::doors::{open, statuses};
use crate::support::{content, start};

/// Sends bytes, closes the sending half, and reads to the end of the connection.
async fn half_closed(address: SocketAddr, bytes: String) -> String {
    spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_half_head_gets_no_answer_and_the_next_client_is_served_on_every_listener() {
    let (emulator, doors) = open().await;
    let addresses = [
        emulator.registry_address(),
        emulator.registry_address_of("team1").await.unwrap(),
        emulator.vault().unwrap().address(),
    ];

    for address in addresses {
        for bytes in ["", "G", "GET /v2/ HTTP/1.1\r\nhost: localhost\r\n"] {
            let answer = half_closed(address, bytes.to_owned()).await;
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
                "{bytes:?}: {answer}"
            );
        }
    }

    for door in &doors {
        assert_eq!(statuses(&door.get().await).len(), 1, "{}", door.service);
    }
}

#[tokio::test]
async fn the_part_of_a_half_closed_upload_that_arrived_is_kept() {
    let (emulator, client) = start().await;
    let location = client.begin("app").await;
    let head = format!("PATCH {location} HTTP/1.1\r\nhost: localhost\r\n");

    for (framing, part) in [
        ("content-length: 1000\r\n\r\n", "first ".to_owned()),
        ("transfer-encoding: chunked\r\n\r\n7\r\n", "second ".to_owned()),
    ] {
        half_closed(emulator.registry_address(), format!("{head}{framing}{part}")).await;
    }
    let body = b"first second third".as_slice();
    // The registry notices the end of the connection, which the client does not wait for.
    let received = async {
        loop {
            let status = client.get(&location).await;
            if status.headers.get("range").is_some_and(|range| range == "0-12") {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), received).await.unwrap();
    let path = format!("{location}?digest={}", content::digest(body));
    let finished = client.send(Method::PUT, &path, "third").await;

    assert_eq!(finished.status, 201, "{finished:?}");
    assert_eq!(client.pull_blob("app", body).await.body, body);
}

#[tokio::test]
async fn a_half_closed_push_of_a_manifest_stores_nothing() {
    let (emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    let len = manifest.len();
    let cut = String::from_utf8(manifest[..len - 1].to_vec()).unwrap();
    let head = format!(
        "PUT /v2/app/manifests/v2 HTTP/1.1\r\nhost: localhost\r\ncontent-type: {}\r\n",
        content::IMAGE
    );

    let answer = half_closed(
        emulator.registry_address(),
        format!("{head}content-length: {len}\r\n\r\n{cut}"),
    )
    .await;

    assert!(!answer.contains("HTTP/1.1 2"), "{answer}");
    assert_eq!(client.get("/v2/app/manifests/v2").await.status, 404);
}

#[tokio::test]
async fn a_client_that_vanishes_during_a_pull_disturbs_no_other_client() {
    let (emulator, client) = start().await;
    let layer = content::bytes(7, 8 << 20);
    client.push_blob("app", &layer).await;
    let get = format!(
        "GET /v2/app/blobs/{} HTTP/1.1\r\nhost: localhost\r\n\r\n",
        content::digest(&layer)
    );

    for _ in 0..20 {
        let (address, get) = (emulator.registry_address(), get.clone());
        spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(get.as_bytes()).unwrap();
            // Unread bytes make the close a reset.
            stream.read_exact(&mut [0; 100]).unwrap();
        })
        .await
        .unwrap();
    }

    assert_eq!(client.pull_blob("app", &layer).await.body, layer);
}
