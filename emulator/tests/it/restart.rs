//! Data survives restarts; only one process opens a folder at a time, and only a data folder of Sealyard.

use azure_emulator_core::durable::marker::Marker;
use azure_emulator_core::identity::OWNER_CLIENT_ID;
use mock_keyvault::{Call, Operation};
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use sealyard::internals::registry::Settings;

use crate::support::{Client, content};

#[tokio::test]
async fn all_content_survives_a_restart_on_other_ports() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Sealyard::builder().ephemeral().data_dir(folder.path().join("d")).start();
    let emulator = start().await.unwrap();
    let client = Client::of(&emulator);
    let layer = content::bytes(1, 300_000);
    let manifest = client.push_image("app", "v1", &[&layer]).await;
    client.key("rotate").await;
    let before = emulator.registry().key_ring().describe().versioned;
    emulator.shutdown().await;

    let emulator = start().await.unwrap();
    let client = Client::of(&emulator);

    assert_eq!(client.get("/v2/app/manifests/v1").await.body, manifest);
    assert!(client.pull_blob("app", &layer).await.body == layer);
    assert_eq!(emulator.registry().key_ring().describe().versioned, before);
}

#[tokio::test]
async fn only_the_first_start_calls_the_vault_as_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Sealyard::builder().ephemeral().data_dir(folder.path().join("d")).start();
    let calls_of_owner = |emulator: &Sealyard| {
        let calls = emulator.vault().unwrap().calls();
        let is_owner = |call: &Call| call.app_id.as_deref() == Some(OWNER_CLIENT_ID);
        calls.into_iter().filter(is_owner).map(|call| call.operation).collect::<Vec<_>>()
    };
    let emulator = start().await.unwrap();
    assert_eq!(calls_of_owner(&emulator), [Operation::GetKey, Operation::CreateKey]);
    emulator.shutdown().await;

    let emulator = start().await.unwrap();

    // A token of the owner costs a later start more than anything else that it does in the vault.
    assert_eq!(calls_of_owner(&emulator), []);
}

#[tokio::test]
async fn an_upload_continues_after_a_restart_at_the_offset_in_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Sealyard::builder().ephemeral().data_dir(folder.path().join("d")).start();
    let blob = content::bytes(2, 1_000_000);
    let emulator = start().await.unwrap();
    let client = Client::of(&emulator);
    let location = client.begin("app").await;
    client.send(Method::PATCH, &location, blob[..700_000].to_vec()).await;
    emulator.shutdown().await;

    let emulator = start().await.unwrap();
    let client = Client::of(&emulator);
    let status = client.get(&location).await;
    let at: usize = status.header("range").trim_start_matches("0-").parse::<usize>().unwrap() + 1;
    client.send(Method::PATCH, &location, blob[at..].to_vec()).await;
    let done = client
        .send(Method::PUT, &format!("{location}?digest={}", content::digest(&blob)), "")
        .await;

    assert!(at > 500_000 && at <= 700_000, "the upload kept whole segments: {at}");
    assert_eq!(done.status, StatusCode::CREATED, "{done:?}");
    assert!(client.pull_blob("app", &blob).await.body == blob);
}

#[tokio::test]
async fn uploads_from_before_a_restart_count_towards_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_uploads: 2, ..Settings::default() };
    let start = || {
        let builder = Sealyard::builder().ephemeral().data_dir(folder.path().join("d"));
        builder.settings(settings.clone()).start()
    };
    let emulator = start().await.unwrap();
    let client = Client::of(&emulator);
    let location = client.begin("app").await;
    client.begin("app").await;
    emulator.shutdown().await;

    let emulator = start().await.unwrap();
    let client = Client::of(&emulator);
    let begin = || client.send(Method::POST, "/v2/app/blobs/uploads/", "");
    let refused = begin().await;
    client.send(Method::DELETE, &location, "").await;
    let begun = begin().await;

    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    assert_eq!(begin().await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_folder_in_use_is_refused_with_a_message_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Sealyard::builder().ephemeral().data_dir(folder.path().join("d")).start();
    let _first = start().await.unwrap();

    let error = start().await.unwrap_err();

    assert!(error.to_string().contains("is in use by process"), "{error}");
}

#[tokio::test]
async fn a_folder_of_another_format_version_is_refused_with_a_message_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let newer = Marker { format_version: 99, unfinished: false }.encode().unwrap();
    std::fs::write(folder.path().join("sealyard.json"), newer).unwrap();

    let error = Sealyard::builder().ephemeral().data_dir(folder.path()).start().await.unwrap_err();

    assert!(error.to_string().contains("format version 99"), "{error}");
}
