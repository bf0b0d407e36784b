//! `POST /_sealyard/registries/NAME/gc`: the content that it keeps, until when, and the content that `now` removes.

use std::time::Duration;

use azure_emulator_core::clock::Clock;
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use serde_json::{Value, json};

use crate::support::{Client, content, start_with_clock};

/// A blob to which no manifest refers.
const LOOSE: &[u8] = b"nothing refers to it.";

/// An emulator that started an hour ago: no content counts as used because of the start.
pub(crate) async fn start() -> (Sealyard, Client, Clock) {
    let (emulator, client, clock) = start_with_clock().await;
    clock.pass(Duration::from_hours(1));
    (emulator, client, clock)
}

/// Runs a garbage collection of `local` and returns the report.
pub(crate) async fn collect(client: &Client, request: Value) -> Value {
    let answer = client.send_json("/_sealyard/registries/local/gc", &request).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

/// The size of the file of an upload without a whole segment: its header.
const HEADER: u64 = 32;

/// The report of a collection that removed nothing and kept nothing.
pub(crate) fn nothing() -> Value {
    json!({
        "uploads": 0, "manifests": 0, "links": 0, "blobs": 0, "bytes": 0, "orphans": 0, "uploadBytes": 0,
        "kept": { "uploads": 0, "manifests": 0, "blobs": 0, "uploadBytes": 0 },
    })
}

#[tokio::test]
async fn an_age_of_zero_keeps_content_that_was_used_in_the_last_minute_and_reports_when_it_is_due()
{
    let (_emulator, client, clock) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    client.push_blob("app", LOOSE).await;
    clock.pass(Duration::from_secs(20));
    let upload = client.begin("app").await;
    clock.pass(Duration::from_secs(39));

    let kept = collect(&client, json!({ "olderThanSeconds": 0 })).await;
    let again = collect(&client, json!({ "olderThanSeconds": 0 })).await;

    let mut expected = nothing();
    expected["kept"] = json!({
        "uploads": 1, "manifests": 0, "blobs": 1, "uploadBytes": HEADER,
        "firstDue": "2026-01-01T01:01:00Z", "lastDue": "2026-01-01T01:01:20Z",
    });
    assert_eq!(kept, expected);
    assert_eq!(again, expected, "a collection does not count as a use");

    clock.pass(Duration::from_secs(1));
    let first = collect(&client, json!({ "olderThanSeconds": 0 })).await;
    assert_eq!((&first["blobs"], &first["kept"]["uploads"]), (&json!(1), &json!(1)), "{first}");
    assert_eq!(first["bytes"], 21);
    assert_eq!(client.pull_blob("app", LOOSE).await.status, 404);
    clock.pass(Duration::from_secs(20));
    let last = collect(&client, json!({ "olderThanSeconds": 0 })).await;
    assert_eq!((&last["uploads"], &last["kept"]), (&json!(1), &nothing()["kept"]), "{last}");
    assert_eq!(client.get(&upload).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/v2/app/manifests/v1").await.body, manifest);
    assert_eq!(client.pull_blob("app", b"layer").await.body, b"layer");
}

#[tokio::test]
async fn now_also_removes_content_that_was_used_in_the_last_minute_and_never_referenced_content() {
    let (_emulator, client, _clock) = start().await;
    client.push_blob("app", b"{}").await;
    let untagged = content::image(b"{}", &[]).to_string().into_bytes();
    let digest = content::digest(&untagged).to_string();
    client.put_manifest("app", &digest, &untagged).await;
    client.push_blob("app", LOOSE).await;
    let upload = client.begin("app").await;
    client.send(Method::PATCH, &upload, "some bytes").await;

    let removed = collect(&client, json!({ "now": true })).await;
    let again = collect(&client, json!({ "now": true })).await;

    let mut expected = nothing();
    let removals =
        [("uploads", 1), ("uploadBytes", HEADER), ("links", 1), ("blobs", 1), ("bytes", 21)];
    for (name, number) in removals {
        expected[name] = json!(number);
    }
    assert_eq!((removed, again), (expected, nothing()));
    assert_eq!(client.pull_blob("app", LOOSE).await.status, 404);
    assert_eq!(client.get(&upload).await.status, StatusCode::NOT_FOUND);
    let pulled = client.get(&format!("/v2/app/manifests/{digest}")).await;
    assert_eq!(pulled.body, untagged, "only a request with `untagged` removes it");
    assert_eq!(client.pull_blob("app", b"{}").await.body, b"{}");
}

#[tokio::test]
async fn now_with_an_age_keeps_younger_content() {
    let (_emulator, client, clock) = start().await;
    client.push_blob("app", LOOSE).await;
    clock.pass(Duration::from_mins(9));

    let young = collect(&client, json!({ "now": true, "olderThanSeconds": 600 })).await;
    clock.pass(Duration::from_mins(1));
    let old = collect(&client, json!({ "now": true, "olderThanSeconds": 600 })).await;

    assert_eq!((&young["blobs"], &young["kept"]["blobs"]), (&json!(0), &json!(1)), "{young}");
    assert_eq!(young["kept"]["firstDue"], "2026-01-01T01:10:00Z");
    assert_eq!((&old["blobs"], &old["kept"]["blobs"]), (&json!(1), &json!(0)), "{old}");
}
