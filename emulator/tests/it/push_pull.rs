//! Pulled content equals the pushed content to the byte, for every kind of push and at every boundary of the format.

use reqwest::{Method, StatusCode};

use crate::support::client::Answer;
use crate::support::{content, start};

const SEGMENT: usize = sealed_envelope::SEGMENT_LEN as usize;

#[tokio::test]
async fn an_image_is_pulled_as_it_was_pushed() {
    let (_emulator, client) = start().await;
    let layers = [content::bytes(1, 3 * SEGMENT + 17), content::bytes(2, 100)];

    let manifest = client.push_image("app", "v1", &[&layers[0], &layers[1]]).await;

    let pulled = client.get("/v2/app/manifests/v1").await;
    assert_eq!(pulled.body, manifest);
    assert_eq!(pulled.header("docker-content-digest"), content::digest(&manifest).as_str());
    for layer in &layers {
        assert!(client.pull_blob("app", layer).await.body == *layer);
    }
}

#[tokio::test]
async fn blobs_of_every_length_around_a_segment_are_pulled_as_pushed() {
    let (_emulator, client) = start().await;

    for len in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 5 * SEGMENT + 3] {
        let blob = content::bytes(len as u64, len);
        assert_eq!(client.push_blob("app", &blob).await.status, StatusCode::CREATED, "{len}");
        let pulled = client.pull_blob("app", &blob).await;
        assert!(pulled.body == blob, "{len}");
        assert_eq!(pulled.header("content-length"), len.to_string());
    }
}

#[tokio::test]
async fn a_range_request_returns_exactly_its_bytes() {
    let (_emulator, client) = start().await;
    let blob = content::bytes(7, 3 * SEGMENT);
    client.push_blob("app", &blob).await;
    let path = format!("/v2/app/blobs/{}", content::digest(&blob));

    for (first, last) in
        [(0, 0), (SEGMENT - 1, SEGMENT), (5, 2 * SEGMENT + 5), (3 * SEGMENT - 1, 3 * SEGMENT - 1)]
    {
        let request =
            client.request(Method::GET, &path).header("range", format!("bytes={first}-{last}"));
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
        assert!(answer.body == blob[first..=last], "{first}-{last}");
        assert_eq!(answer.header("content-range"), format!("bytes {first}-{last}/{}", blob.len()));
    }
}

#[tokio::test]
async fn the_same_blob_is_stored_once_and_visible_only_where_it_was_pushed() {
    let (emulator, client) = start().await;
    let blob = content::bytes(3, 1000);

    client.push_blob("one", &blob).await;
    client.push_blob("two", &blob).await;

    assert_eq!(emulator.registry().stats().await.unwrap().blobs, 1);
    assert_eq!(client.pull_blob("two", &blob).await.body, blob);
    assert_eq!(client.pull_blob("three", &blob).await.code(), "BLOB_UNKNOWN");
}

#[tokio::test]
async fn a_blob_that_a_manifest_refers_to_cannot_be_deleted() {
    let (_emulator, client) = start().await;
    let layer = content::bytes(4, 10);
    let manifest = client.push_image("app", "v1", &[&layer]).await;
    let path = format!("/v2/app/blobs/{}", content::digest(&layer));

    let refused = client.send(Method::DELETE, &path, "").await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    let manifest_path = format!("/v2/app/manifests/{}", content::digest(&manifest));
    assert_eq!(client.send(Method::DELETE, &manifest_path, "").await.status, StatusCode::ACCEPTED);

    assert_eq!(client.send(Method::DELETE, &path, "").await.status, StatusCode::ACCEPTED);
    assert_eq!(client.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_local_name_reaches_the_registry_as_host() {
    let (emulator, client) = start().await;
    let port = emulator.registry_address().port();

    for host in ["localhost", "127.0.0.1", "app.localhost", "local.azurecr.localhost"] {
        let request = client.request(Method::GET, "/v2/").header("host", format!("{host}:{port}"));
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK, "{host}");
    }
}
