//! Chunked uploads: order, status, cancellation, and uploads that a client abandons.

use bytes::Bytes;
use futures::stream;
use reqwest::{Method, StatusCode};

use crate::support::client::Answer;
use crate::support::{Client, content, start};

async fn append(client: &Client, location: &str, first: usize, chunk: &[u8]) -> Answer {
    let range = format!("{first}-{}", first + chunk.len() - 1);
    let request = client.request(Method::PATCH, location).header("content-range", range);
    Answer::of(request.body(chunk.to_vec()).send().await.unwrap()).await
}

#[tokio::test]
async fn chunks_in_order_create_the_blob() {
    let (_emulator, client) = start().await;
    let blob = content::bytes(1, 700_001);
    let location = client.begin("app").await;

    let mut sent = 0;
    for chunk in blob.chunks(99_999) {
        assert_eq!(append(&client, &location, sent, chunk).await.status, StatusCode::ACCEPTED);
        sent += chunk.len();
    }
    let done = client
        .send(Method::PUT, &format!("{location}?digest={}", content::digest(&blob)), "")
        .await;

    assert_eq!(done.status, StatusCode::CREATED);
    assert!(client.pull_blob("app", &blob).await.body == blob);
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_with_the_offset_of_the_upload() {
    let (_emulator, client) = start().await;
    let location = client.begin("app").await;
    append(&client, &location, 0, b"hello").await;

    let refused = append(&client, &location, 6, b"world").await;

    assert_eq!(refused.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(refused.header("range"), "0-4");
    assert_eq!(refused.header("location"), location);
    assert_eq!(append(&client, &location, 5, b"world").await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn bytes_of_a_chunk_beyond_its_range_are_refused_and_not_part_of_the_upload() {
    let (_emulator, client) = start().await;
    let blob = content::bytes(3, 3_000_000);
    let location = client.begin("app").await;
    // Without `Content-Length` the registry does not know the length. The range ends within a piece and after a batch.
    let pieces: Vec<std::io::Result<Bytes>> =
        blob.chunks(70_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let request = client.request(Method::PATCH, &location).header("content-range", "0-1999999");

    let sent = request.body(reqwest::Body::wrap_stream(stream::iter(pieces))).send().await;
    let status = client.get(&location).await;
    let rest = append(&client, &location, 2_000_000, &blob[2_000_000..]).await;
    let path = format!("{location}?digest={}", content::digest(&blob));
    let done = client.send(Method::PUT, &path, "").await;

    let refused = Answer::of(sent.unwrap()).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "SIZE_INVALID"));
    assert_eq!(status.header("range"), "0-1999999");
    assert_eq!(rest.status, StatusCode::ACCEPTED);
    assert_eq!(done.status, StatusCode::CREATED);
    assert!(client.pull_blob("app", &blob).await.body == blob);
}

#[tokio::test]
async fn a_last_chunk_that_is_longer_than_its_range_creates_no_blob_and_the_upload_continues() {
    let (_emulator, client) = start().await;
    let location = client.begin("app").await;
    let path = format!("{location}?digest={}", content::digest(b"hello"));
    let body = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"hello world"))]);
    let request = client.request(Method::PUT, &path).header("content-range", "0-4");

    let refused =
        Answer::of(request.body(reqwest::Body::wrap_stream(body)).send().await.unwrap()).await;
    let status = client.get(&location).await;
    let done = client.send(Method::PUT, &path, "").await;

    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "SIZE_INVALID"));
    assert_eq!(status.header("range"), "0-4");
    assert_eq!(done.status, StatusCode::CREATED);
    assert_eq!(client.pull_blob("app", b"hello").await.body, b"hello");
}

#[tokio::test]
async fn content_with_a_wrong_digest_is_refused_and_ends_the_upload() {
    let (_emulator, client) = start().await;
    let location = client.begin("app").await;
    append(&client, &location, 0, b"hello").await;

    let refused = client
        .send(Method::PUT, &format!("{location}?digest={}", content::digest(b"other")), "")
        .await;

    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::BAD_REQUEST, "DIGEST_INVALID")
    );
    assert_eq!(client.get(&location).await.code(), "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(client.pull_blob("app", b"hello").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_digest_with_an_algorithm_that_the_first_request_did_not_name_is_computed_at_the_end() {
    let (_emulator, client) = start().await;
    let blob = content::bytes(5, 600_000);
    let digest = sealyard::internals::registry::Digest::of(
        sealyard::internals::registry::Algorithm::Sha512,
        &blob,
    );
    let location = client.begin("app").await;
    append(&client, &location, 0, &blob).await;

    let done = client.send(Method::PUT, &format!("{location}?digest={digest}"), "").await;

    assert_eq!(done.status, StatusCode::CREATED, "{done:?}");
    assert!(client.get(&format!("/v2/app/blobs/{digest}")).await.body == blob);
}

#[tokio::test]
async fn an_upload_continues_at_its_offset_after_the_client_disconnected() {
    let (_emulator, client) = start().await;
    let blob = content::bytes(6, 900_000);
    let location = client.begin("app").await;
    let cut = stream::iter([
        Ok(Bytes::copy_from_slice(&blob[..500_000])),
        Err(std::io::Error::other("cut")),
    ]);

    let body = reqwest::Body::wrap_stream(cut);
    assert!(client.request(Method::PATCH, &location).body(body).send().await.is_err());
    let status = client.get(&location).await;
    let at: usize = status.header("range").trim_start_matches("0-").parse::<usize>().unwrap() + 1;
    let rest = append(&client, &location, at, &blob[at..]).await;
    let done = client
        .send(Method::PUT, &format!("{location}?digest={}", content::digest(&blob)), "")
        .await;

    assert_eq!((status.status, rest.status), (StatusCode::NO_CONTENT, StatusCode::ACCEPTED));
    assert_eq!(done.status, StatusCode::CREATED);
    assert!(client.pull_blob("app", &blob).await.body == blob);
}

#[tokio::test]
async fn abandoned_content_is_collected_and_content_in_use_is_not() {
    let (emulator, client, clock) = crate::support::start_with_clock().await;
    let layer = content::bytes(8, 1000);
    client.push_image("app", "v1", &[&layer]).await;
    client.push_blob("app", b"nothing refers to it.").await;
    let left = client.begin("app").await;

    let fresh = emulator
        .registry()
        .collect(sealyard::internals::registry::CollectOptions::default())
        .await
        .unwrap();
    clock.pass(std::time::Duration::from_hours(25));
    emulator
        .registry()
        .collect(sealyard::internals::registry::CollectOptions::default())
        .await
        .unwrap();

    assert_eq!((fresh.removed.blobs, fresh.removed.uploads), (0, 0));
    assert_eq!((fresh.retained.blobs, fresh.retained.uploads), (1, 1));
    assert_eq!(
        client.pull_blob("app", b"nothing refers to it.").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(client.get(&left).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.pull_blob("app", &layer).await.body, layer);
}

#[tokio::test]
async fn a_push_long_after_the_start_survives_a_jump_of_the_clock() {
    let (emulator, client, clock) = crate::support::start_with_clock().await;
    let minutes = std::time::Duration::from_mins(5);
    clock.pass(minutes);
    client.push_blob("app", b"its manifest is still to come").await;
    let location = client.begin("app").await;
    let id = location.rsplit('/').next().unwrap().parse().unwrap();
    let passing = clock.clone();
    let slow = stream::once(async move {
        passing.pass(minutes);
        Ok(Bytes::from_static(b"a body that takes minutes"))
    });

    client.push_blob("app", b"another").await;
    let content = emulator.registry().content().await.unwrap();
    let headers = sealyard::internals::registry::ChunkHeaders::default();
    content.append(&"app".parse().unwrap(), id, headers, Box::pin(slow)).await.unwrap();
    client.push_blob("app", b"pushed after it").await;
    clock.advance(std::time::Duration::from_hours(720));
    emulator
        .registry()
        .collect(sealyard::internals::registry::CollectOptions::default())
        .await
        .unwrap();

    assert_eq!(client.pull_blob("app", b"pushed after it").await.status, StatusCode::OK);
    assert_eq!(client.get(&location).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.pull_blob("app", b"another").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_jump_of_the_clock_does_not_end_a_running_push() {
    let (emulator, client, clock) = crate::support::start_with_clock().await;
    let location = client.begin("app").await;
    append(&client, &location, 0, b"hello").await;
    client.push_blob("app", b"its manifest is still to come").await;

    clock.advance(std::time::Duration::from_hours(720));
    emulator
        .registry()
        .collect(sealyard::internals::registry::CollectOptions::default())
        .await
        .unwrap();

    assert_eq!(client.get(&location).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        client.pull_blob("app", b"its manifest is still to come").await.status,
        StatusCode::OK
    );
}
