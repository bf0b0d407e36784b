//! A revoked key: every request for content is refused within one lease, and the content is intact after the restore.

use std::time::Duration;

use futures::StreamExt as _;
use reqwest::{Method, StatusCode};
use sealyard::internals::{acr, oci};

use crate::support::{content, start, start_with_clock};

#[tokio::test]
async fn with_a_disabled_key_content_is_refused_and_is_intact_after_the_key_is_enabled() {
    let (_emulator, client) = start().await;
    let layer = content::bytes(1, 300_000);
    let manifest = client.push_image("app", "v1", &[&layer]).await;
    let upload = client.begin("app").await;

    let seen = client.key("disable").await;
    let pull = client.get("/v2/app/manifests/v1").await;
    let push = client.send(Method::POST, "/v2/app/blobs/uploads/", "").await;
    let chunk = client.send(Method::PATCH, &upload, "more").await;
    let base = client.get("/v2/").await;
    client.key("enable").await;

    assert_eq!(
        (seen["state"].as_str(), seen["cause"].as_str()),
        (Some("unavailable"), Some("keyDisabled"))
    );
    for refused in [&pull, &push, &chunk] {
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "DENIED"));
        let error = &refused.json()["errors"][0];
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with("Access to Key Encryption Key is forbidden. View troubleshooting steps at https://aka.ms/acr/cmk"), "{message}");
        assert!(message.contains("registry-key"), "{message}");
        assert_eq!(error["detail"]["cause"], "keyDisabled");
    }
    assert_eq!(base.status, StatusCode::OK);
    assert_eq!(client.get("/v2/app/manifests/v1").await.body, manifest);
    assert!(client.pull_blob("app", &layer).await.body == layer);
}

#[tokio::test]
async fn a_revocation_cuts_a_running_download_which_never_ends_cleanly() {
    let (_emulator, client) = start().await;
    // The blob is larger than all buffers between the disk and this test.
    let blob = content::bytes(2, 64 << 20);
    client.push_blob("app", &blob).await;
    let path = format!("/v2/app/blobs/{}", content::digest(&blob));

    let mut stream = client.request(Method::GET, &path).send().await.unwrap().bytes_stream();
    let first = stream.next().await.unwrap().unwrap();
    client.key("disable").await;
    let mut received = first.len();
    let end = loop {
        match stream.next().await {
            Some(Ok(bytes)) => received += bytes.len(),
            other => break other,
        }
    };

    assert!(matches!(end, Some(Err(_))), "the download was not cut");
    assert!(received < blob.len());
}

#[tokio::test]
async fn every_content_route_is_refused_and_the_base_route_and_health_are_not() {
    let (_emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    let upload = client.begin("app").await;
    client.key("disable").await;

    let digest = content::digest(b"layer");
    let mut requests = Vec::new();
    for kind in oci::RouteKind::ALL {
        let path = match kind {
            oci::RouteKind::Base => continue,
            oci::RouteKind::Catalog => "/v2/_catalog".to_owned(),
            oci::RouteKind::Tags => "/v2/app/tags/list".to_owned(),
            oci::RouteKind::Referrers => format!("/v2/app/referrers/{digest}"),
            oci::RouteKind::Manifest => "/v2/app/manifests/v1".to_owned(),
            oci::RouteKind::Blob => format!("/v2/app/blobs/{digest}"),
            oci::RouteKind::Uploads => "/v2/app/blobs/uploads/".to_owned(),
            oci::RouteKind::Upload => upload.clone(),
        };
        requests.push((path, kind.methods()));
    }
    let manifest = content::digest(&manifest);
    for kind in acr::RouteKind::ALL {
        let path = match kind {
            acr::RouteKind::Catalog => "/acr/v1/_catalog".to_owned(),
            acr::RouteKind::Repository => "/acr/v1/app".to_owned(),
            acr::RouteKind::Tags => "/acr/v1/app/_tags".to_owned(),
            acr::RouteKind::Tag => "/acr/v1/app/_tags/v1".to_owned(),
            acr::RouteKind::Manifests => "/acr/v1/app/_manifests".to_owned(),
            acr::RouteKind::Manifest => format!("/acr/v1/app/_manifests/{manifest}"),
            acr::RouteKind::Deleted => "/acr/v1/_deleted/app".to_owned(),
        };
        requests.push((path, kind.methods()));
    }
    for (path, methods) in requests {
        for method in methods {
            let refused = client.send(method.clone(), &path, "").await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{method} {path}");
            if method != Method::HEAD {
                assert_eq!(refused.code(), "DENIED", "{method} {path}");
            }
        }
    }

    assert_eq!(client.get("/v2/").await.status, StatusCode::OK);
    assert_eq!(client.get("/_sealyard/health").await.status, StatusCode::OK);
    assert_eq!(
        client.get("/_sealyard/status").await.json()["registries"][0]["cause"],
        "keyDisabled"
    );
}

#[tokio::test]
async fn an_unreachable_vault_is_503_with_retry_after() {
    let (emulator, client, clock) = start_with_clock().await;
    client.push_blob("app", b"content").await;

    emulator.vault().unwrap().set_outage(true);
    clock.pass(Duration::from_secs(6));
    let refused = client.pull_blob("app", b"content").await;
    emulator.vault().unwrap().set_outage(false);
    clock.pass(Duration::from_secs(6));

    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE")
    );
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(client.pull_blob("app", b"content").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_deleted_key_has_its_own_cause_and_its_recovery_makes_the_content_available() {
    let (_emulator, client) = start().await;
    client.push_blob("app", b"content").await;

    let deleted = client.key("delete").await;
    let refused = client.pull_blob("app", b"content").await;
    client.key("recover").await;

    assert_eq!(deleted["cause"], "keyDeleted");
    assert_eq!(refused.code(), "DENIED");
    assert_eq!(client.pull_blob("app", b"content").await.body, b"content");
}

#[tokio::test]
async fn a_removed_access_policy_refuses_content() {
    let (emulator, client, clock) = start_with_clock().await;
    client.push_blob("app", b"content").await;
    let vault = emulator.vault().unwrap();
    let identity = vault.managed_identity().object_id.to_owned();

    vault.remove_access_policy("local", &identity).await.unwrap();
    clock.pass(Duration::from_secs(6));
    let refused = client.pull_blob("app", b"content").await;

    assert_eq!(refused.code(), "DENIED");
    assert_eq!(refused.json()["errors"][0]["detail"]["cause"], "policyRemoved");
}
