//! A start checks the stored rows: meanwhile reads work and changes get `Retry-After`; findings are in events and in the
//! status.

use http::header::RETRY_AFTER;
use mock_keyvault::MockKeyVault;
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;

use crate::support::{self, Client};

#[tokio::test]
async fn while_the_rows_are_checked_after_a_start_pulls_work_and_changes_get_503_with_retry_after()
{
    let (emulator, client, _clock) = support::start_with_clock().await;
    client.push_image("app", "1", &[b"a layer"]).await;

    emulator.set_proven(false);
    let pulled = client.pull_blob("app", b"a layer").await;
    let pushed = client.send(Method::POST, "/v2/app/blobs/uploads/", "").await;
    let deleted = client.send(Method::DELETE, "/v2/app/manifests/1", "").await;
    let managed = client.send(Method::POST, "/_sealyard/registries/local/gc", "").await;
    emulator.set_proven(true);

    assert_eq!(pulled.status, StatusCode::OK, "{pulled:?}");
    for refused in [pushed, deleted] {
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
        assert!(refused.headers.contains_key(RETRY_AFTER), "{refused:?}");
    }
    assert!(managed.status != StatusCode::INTERNAL_SERVER_ERROR, "{managed:?}");
    client.push_image("app", "2", &[b"another layer"]).await;
}

#[tokio::test]
async fn findings_of_a_start_in_the_rows_of_registry_and_vault_are_in_the_events_and_the_status() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    let start = || Sealyard::builder().ephemeral().data_dir(&data).start();
    start().await.unwrap().shutdown().await;
    fs_err::remove_file(data.join("journal/head")).unwrap();
    fs_err::remove_file(data.join("vault/journal/head")).unwrap();
    let orphan = "00".repeat(16);
    fs_err::write(data.join("files/00").join(&orphan), "sealed").unwrap();

    let emulator = start().await.unwrap();
    let client = Client::of(&emulator);
    // The emulator moves the file to the quarantine folder in the background.
    let mut events = emulator.app().events.after(0);
    let is_quarantined = |event: &sealyard::internals::registry::Event| {
        serde_json::to_string(&event.event).unwrap().contains("quarantined")
    };
    if !events.retained.iter().any(|event| is_quarantined(event)) {
        while !is_quarantined(&events.live.recv().await.unwrap()) {}
    }

    let status = client.get("/_sealyard/status").await.json();
    let request = client.request(Method::GET, "/_sealyard/events");
    let answer = request.header("accept", "application/json").send().await.unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    let sent: Vec<&str> = answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["event"] == "rowsNotice")
        .map(|event| event["words"].as_str().unwrap())
        .collect();
    let find = |start: &str| sent.iter().filter(|notice| notice.starts_with(start)).count();
    assert_eq!(find("registry: the head of the journal was missing"), 1, "{sent:?}");
    assert_eq!(find("vault: the head of the journal was missing"), 1, "{sent:?}");
    assert_eq!(find("registry: 1 files that no row names"), 1, "{sent:?}");
    assert!(data.join("quarantine").join(orphan).exists());
    let notices = status["notices"].as_array().unwrap();
    assert_eq!(notices.len(), sent.len(), "{status}");
    assert_eq!(emulator.vault().unwrap().notices().len(), 1);
}

#[tokio::test]
async fn an_emulator_with_refused_rows_names_the_journal_and_releases_its_vault() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    let start = || Sealyard::builder().ephemeral().data_dir(&data).start();
    start().await.unwrap().shutdown().await;
    let journal = data.join("journal");
    fs_err::rename(&journal, folder.path().join("away")).unwrap();

    let refused = start().await.unwrap_err().to_string();

    assert!(refused.contains(&journal.display().to_string()), "{refused}");
    let vault =
        MockKeyVault::builder().data_dir(data.join("vault")).listen(([127, 0, 0, 1], 0).into());
    vault.start().await.unwrap().shutdown().await;
    fs_err::rename(folder.path().join("away"), &journal).unwrap();
    start().await.unwrap().shutdown().await;
}
