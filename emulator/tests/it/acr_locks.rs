//! Locks: `deleteEnabled`, `listEnabled`, `readEnabled` and `writeEnabled` refuse requests on each level, in both APIs.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Client, content, start};

async fn patch(client: &Client, path: &str, change: Value) -> Answer {
    let answer = client.send(Method::PATCH, path, change.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer
}

async fn delete(client: &Client, path: &str) -> Answer {
    client.send(Method::DELETE, path, "").await
}

/// Docker knows this code: after any other code it retries a layer for 50 seconds.
#[track_caller]
fn assert_upload_locked(answer: &Answer, what: &str) {
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{what}: {answer:?}");
    assert_eq!(answer.code(), "UNSUPPORTED", "{what}");
    let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("The operation is disallowed on this registry"), "{message}");
}

#[track_caller]
fn assert_locked(answer: &Answer, what: &str) {
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{what}: {answer:?}");
    assert_eq!(answer.code(), "REGISTRY_DISALLOWED_OPERATION", "{what}");
    let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("The operation is disallowed on this registry"), "{message}");
}

#[tokio::test]
async fn a_change_of_one_switch_answers_with_all_switches_and_does_not_change_the_other_levels() {
    let (_emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    let manifest = format!("/acr/v1/app/_manifests/{}", content::digest(&manifest));

    let changed = patch(&client, "/acr/v1/app/_tags/v1", json!({ "writeEnabled": false })).await;
    patch(&client, &manifest, json!({ "deleteEnabled": false })).await;

    let switches = |write: bool, delete: bool| {
        json!({
            "deleteEnabled": delete, "writeEnabled": write, "readEnabled": true, "listEnabled": true,
        })
    };
    assert_eq!(changed.json()["tag"]["changeableAttributes"], switches(false, true));
    let described = client.get(&manifest).await.json();
    assert_eq!(described["manifest"]["changeableAttributes"], switches(true, false));
    let repository = client.get("/acr/v1/app").await.json();
    assert_eq!(repository["changeableAttributes"], switches(true, true));
}

#[tokio::test]
async fn a_tag_locked_against_writing_cannot_move_and_neither_it_nor_its_manifest_can_be_deleted() {
    let (_emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    let other = client.push_image("app", "v2", &[b"other layer"]).await;
    patch(&client, "/acr/v1/app/_tags/v1", json!({ "writeEnabled": false })).await;
    let by_digest = format!("/v2/app/manifests/{}", content::digest(&manifest));

    assert_locked(&client.put_manifest("app", "v1", &other).await, "a push over it");
    assert_locked(&delete(&client, "/acr/v1/app/_tags/v1").await, "untagging");
    assert_locked(&delete(&client, "/v2/app/manifests/v1").await, "deletion by tag");
    assert_locked(&delete(&client, &by_digest).await, "deletion of its manifest");
    assert_locked(&delete(&client, "/acr/v1/app").await, "deletion of the repository");

    assert_eq!(client.get("/v2/app/manifests/v1").await.body, manifest);
    assert_eq!(client.put_manifest("app", "v3", &other).await.status, StatusCode::CREATED);
    patch(&client, "/acr/v1/app/_tags/v1", json!({ "writeEnabled": true })).await;
    assert_eq!(client.put_manifest("app", "v1", &other).await.status, StatusCode::CREATED);
    assert_eq!(delete(&client, "/acr/v1/app").await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_tag_locked_against_deletion_can_be_moved_by_a_push_and_stays_locked() {
    let (_emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;
    patch(&client, "/acr/v1/app/_tags/v1", json!({ "deleteEnabled": false })).await;

    let moved = client.push_image("app", "v1", &[b"other layer"]).await;

    assert_eq!(client.get("/v2/app/manifests/v1").await.body, moved);
    assert_locked(&delete(&client, "/acr/v1/app/_tags/v1").await, "untagging");
}

#[tokio::test]
async fn a_manifest_locked_against_deletion_stays_when_its_tags_are_deleted() {
    let (_emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    let digest = content::digest(&manifest);
    let path = format!("/acr/v1/app/_manifests/{digest}");

    for switch in ["deleteEnabled", "writeEnabled"] {
        patch(&client, &path, json!({ switch: false })).await;
        assert_locked(&delete(&client, &format!("/v2/app/manifests/{digest}")).await, switch);
        assert_locked(&delete(&client, "/acr/v1/app").await, switch);
        patch(&client, &path, json!({ switch: true })).await;
    }
    patch(&client, &path, json!({ "deleteEnabled": false })).await;
    let untagged = delete(&client, "/acr/v1/app/_tags/v1").await;

    assert_eq!(untagged.status, StatusCode::ACCEPTED);
    assert_eq!(client.get(&format!("/v2/app/manifests/{digest}")).await.body, manifest);
}

#[tokio::test]
async fn a_repository_locked_against_writing_refuses_pushes_and_deletions() {
    let (_emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    client.push_blob("app", b"loose").await;
    client.push_blob("other", b"elsewhere").await;
    patch(&client, "/acr/v1/app", json!({ "writeEnabled": false })).await;
    let digest = content::digest(&manifest);
    let mount =
        format!("/v2/app/blobs/uploads/?mount={}&from=other", content::digest(b"elsewhere"));
    let loose = format!("/v2/app/blobs/{}", content::digest(b"loose"));

    let begun = client.send(Method::POST, "/v2/app/blobs/uploads/", "").await;
    assert_upload_locked(&begun, "an upload");
    assert_upload_locked(&client.send(Method::POST, &mount, "").await, "a mount");
    assert_locked(&client.put_manifest("app", "v2", &manifest).await, "a push");
    assert_locked(&delete(&client, "/acr/v1/app/_tags/v1").await, "untagging");
    assert_locked(&delete(&client, &format!("/v2/app/manifests/{digest}")).await, "a manifest");
    assert_locked(&delete(&client, &loose).await, "a blob");
    assert_locked(&delete(&client, "/acr/v1/app").await, "the repository");

    assert_eq!(client.get("/v2/app/manifests/v1").await.body, manifest);
}

#[tokio::test]
async fn a_repository_locked_against_deletion_stays_when_its_content_is_deleted() {
    let (_emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    patch(&client, "/acr/v1/app", json!({ "deleteEnabled": false })).await;

    assert_locked(&delete(&client, "/acr/v1/app").await, "the repository");
    let path = format!("/v2/app/manifests/{}", content::digest(&manifest));
    assert_eq!(delete(&client, &path).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn unreadable_content_cannot_be_pulled_but_is_still_described() {
    let (_emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    let digest = content::digest(&manifest);
    let by_digest = format!("/v2/app/manifests/{digest}");
    let of_manifest = format!("/acr/v1/app/_manifests/{digest}");
    let (off, on) = (json!({ "readEnabled": false }), json!({ "readEnabled": true }));

    patch(&client, "/acr/v1/app/_tags/v1", off.clone()).await;
    assert_locked(&client.get("/v2/app/manifests/v1").await, "by its tag");
    assert_eq!(client.get(&by_digest).await.status, StatusCode::OK);
    patch(&client, "/acr/v1/app/_tags/v1", on.clone()).await;

    patch(&client, &of_manifest, off.clone()).await;
    assert_locked(&client.get("/v2/app/manifests/v1").await, "by a tag of the manifest");
    assert_locked(&client.get(&by_digest).await, "by its digest");
    patch(&client, &of_manifest, on.clone()).await;

    patch(&client, "/acr/v1/app", off).await;
    assert_locked(&client.get("/v2/app/manifests/v1").await, "in the repository");
    assert_locked(&client.pull_blob("app", b"layer").await, "a blob");
    let mount = format!("/v2/new/blobs/uploads/?mount={}&from=app", content::digest(b"layer"));
    assert_upload_locked(&client.send(Method::POST, &mount, "").await, "a mount from it");
    assert_eq!(client.get(&of_manifest).await.status, StatusCode::OK);
    patch(&client, "/acr/v1/app", on).await;
    assert_eq!(client.get("/v2/app/manifests/v1").await.body, manifest);
}

#[tokio::test]
async fn unlisted_content_is_omitted_from_every_list_and_can_still_be_pulled_by_name() {
    let (_emulator, client) = start().await;
    let first = client.push_image("app", "v1", &[b"layer"]).await;
    client.push_image("app", "v2", &[b"other layer"]).await;
    client.push_image("hidden", "v1", &[b"layer"]).await;
    let off = json!({ "listEnabled": false });
    let of_manifest = format!("/acr/v1/app/_manifests/{}", content::digest(&first));

    patch(&client, "/acr/v1/hidden", off.clone()).await;
    patch(&client, "/acr/v1/app/_tags/v1", off.clone()).await;
    patch(&client, &of_manifest, off).await;

    for catalog in ["/v2/_catalog", "/acr/v1/_catalog"] {
        assert_eq!(client.get(catalog).await.json()["repositories"], json!(["app"]), "{catalog}");
    }
    assert_eq!(client.get("/v2/app/tags/list").await.json()["tags"], json!(["v2"]));
    let tags = client.get("/acr/v1/app/_tags?orderby=timedesc").await.json();
    assert_eq!(tags["tags"].as_array().unwrap().len(), 1);
    let manifests = client.get("/acr/v1/app/_manifests").await.json();
    assert_eq!(manifests["manifests"].as_array().unwrap().len(), 1);
    assert!(client.get(&of_manifest).await.json()["manifest"].get("tags").is_none());
    assert_eq!(client.get("/v2/app/manifests/v1").await.body, first);
    assert_eq!(client.get("/acr/v1/hidden").await.status, StatusCode::OK);
}

#[tokio::test]
async fn locks_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let builder = || sealyard::Sealyard::builder().ephemeral().data_dir(folder.path().join("data"));
    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator);
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    patch(&client, "/acr/v1/app/_tags/v1", json!({ "writeEnabled": false })).await;
    emulator.shutdown().await;

    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator);

    assert_locked(&client.put_manifest("app", "v1", &manifest).await, "after the restart");
}
