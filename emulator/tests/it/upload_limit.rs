//! The limit of open uploads over HTTP: which idle upload a new one replaces, and what a client sees.

use std::time::Duration;

use azure_emulator_core::clock::Clock;
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use sealyard::internals::registry::Settings;

use crate::support::{Answer, Client, content};

const LIMIT: usize = 3;
const UPLOADS: &str = "/v2/app/blobs/uploads/";

async fn start() -> (Sealyard, Client, Clock) {
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 00:00 UTC));
    let settings = Settings { max_uploads: LIMIT, ..Settings::default() };
    let builder = Sealyard::builder().ephemeral().settings(settings).clock(clock.clone());
    let emulator = builder.start().await.unwrap();
    let client = Client::of(&emulator);
    (emulator, client, clock)
}

async fn ask_for_upload(client: &Client) -> Answer {
    client.send(Method::POST, UPLOADS, "").await
}

async fn append(client: &Client, location: &str, bytes: &[u8]) {
    let answer = client.send(Method::PATCH, location, bytes.to_vec()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
}

/// Opens as many uploads as the limit allows, each with one byte, one second apart.
async fn fill(client: &Client, clock: &Clock) -> Vec<String> {
    let mut locations = Vec::new();
    for _ in 0..LIMIT {
        let location = client.begin("app").await;
        append(client, &location, b"a").await;
        clock.pass(Duration::from_secs(1));
        locations.push(location);
    }
    locations
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    assert_eq!(answer.code(), "TOOMANYREQUESTS");
    assert_eq!(answer.header("retry-after"), "1");
    let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("3 uploads are open, which is the limit"), "{message}");
    assert!(message.contains("`gc --now --registry local`"), "{message}");
}

/// Checks that every request for the upload gets 404.
async fn assert_gone(client: &Client, location: &str) {
    for method in [Method::GET, Method::PATCH, Method::PUT, Method::DELETE, Method::GET] {
        let path = match method {
            Method::PUT => format!("{location}?digest={}", content::digest(b"a")),
            _ => location.to_owned(),
        };
        let answer = client.send(method.clone(), &path, "a").await;
        let seen = (answer.status, answer.code());
        assert_eq!(seen, (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN".to_owned()), "{method}");
    }
}

#[tokio::test]
async fn at_the_limit_a_new_upload_replaces_the_oldest_empty_upload_after_ten_idle_seconds() {
    let (_emulator, client, clock) = start().await;
    let used = client.begin("app").await;
    append(&client, &used, b"a").await;
    clock.pass(Duration::from_secs(1));
    let older = client.begin("app").await;
    clock.pass(Duration::from_secs(1));
    let newer = client.begin("app").await;

    assert_refused(&ask_for_upload(&client).await);
    clock.pass(Duration::from_secs(8));
    assert_refused(&ask_for_upload(&client).await);
    clock.pass(Duration::from_secs(1));
    let begun = ask_for_upload(&client).await;
    let next = ask_for_upload(&client).await;

    assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
    assert_refused(&next);
    assert_gone(&client, &older).await;
    for location in [&used, &newer, begun.header("location")] {
        assert_eq!(client.get(location).await.status, StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn at_the_limit_a_new_upload_replaces_the_oldest_upload_with_bytes_after_ten_idle_minutes() {
    let (_emulator, client, clock) = start().await;
    let uploads = fill(&client, &clock).await;
    // The first upload is the oldest, but it was used last.
    append(&client, &uploads[0], b"b").await;

    clock.pass(Duration::from_mins(10) - Duration::from_secs(3));
    assert_refused(&ask_for_upload(&client).await);
    clock.pass(Duration::from_secs(1));
    let begun = ask_for_upload(&client).await;

    assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
    assert_gone(&client, &uploads[1]).await;
    for (location, blob) in [(&uploads[0], &b"ab"[..]), (&uploads[2], b"a")] {
        let path = format!("{location}?digest={}", content::digest(blob));
        assert_eq!(client.send(Method::PUT, &path, "").await.status, StatusCode::CREATED);
        assert_eq!(client.pull_blob("app", blob).await.body, blob);
    }
}

#[tokio::test]
async fn at_the_limit_every_kind_of_upload_request_replaces_an_idle_upload() {
    let (_emulator, client, clock) = start().await;
    let digest = content::digest(b"whole");
    let whole = format!("{UPLOADS}?digest={digest}");
    let mount = format!("{UPLOADS}?mount={digest}&from=elsewhere");
    for (path, body, status) in [
        (UPLOADS, "", StatusCode::ACCEPTED),
        (&mount, "", StatusCode::ACCEPTED),
        (&whole, "whole", StatusCode::CREATED),
    ] {
        let uploads = fill(&client, &clock).await;

        assert_refused(&client.send(Method::POST, path, body).await);
        clock.pass(Duration::from_mins(10));
        let begun = client.send(Method::POST, path, body).await;

        assert_eq!(begun.status, status, "{path}: {begun:?}");
        assert_gone(&client, &uploads[0]).await;
        for location in [&uploads[1], &uploads[2]] {
            let cancelled = client.send(Method::DELETE, location, "").await;
            assert_eq!(cancelled.status, StatusCode::NO_CONTENT, "{path}: {cancelled:?}");
        }
        if let Some(location) =
            begun.headers.get("location").filter(|_| status == StatusCode::ACCEPTED)
        {
            client.send(Method::DELETE, location.to_str().unwrap(), "").await;
        }
    }
}
