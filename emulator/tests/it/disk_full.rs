//! A full disk: pulls, deletions and `gc` work while the reserve lasts, and no key is used without an audit entry.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use azure_emulator_core::disk_space::SimulatedDisk;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{self, process};

/// Waits until the lease of the data keys has ended.
const TWO_LEASES: Duration = Duration::from_secs(10);

#[tokio::test]
async fn pulls_deletions_and_gc_work_on_a_full_disk_and_pushes_get_507() {
    let (emulator, client, clock) = support::start_with_clock().await;
    client.push_image("app", "1", &[b"a layer"]).await;

    emulator.set_disk(SimulatedDisk::Full);
    clock.advance(TWO_LEASES);
    let pulled = client.pull_blob("app", b"a layer").await;
    let pushed = client.send(Method::POST, "/v2/app/blobs/uploads/", "").await;
    let tagged = client.put_manifest("app", "2", b"{}").await;
    let deleted = client.send(Method::DELETE, "/v2/app/manifests/1", "").await;
    let body = json!({ "now": true, "untagged": true });
    let collected = client.send_json("/_sealyard/registries/local/gc", &body).await;
    emulator.set_disk(SimulatedDisk::Off);

    assert_eq!(pulled.status, StatusCode::OK, "{pulled:?}");
    assert_eq!(pushed.status, StatusCode::INSUFFICIENT_STORAGE, "{pushed:?}");
    assert!(!tagged.status.is_success(), "{tagged:?}");
    assert_eq!(deleted.status, StatusCode::ACCEPTED, "{deleted:?}");
    assert_eq!(collected.status, StatusCode::OK, "{collected:?}");
    assert!(collected.json()["blobs"].as_u64().unwrap() > 0, "{collected:?}");
    client.push_image("app", "1", &[b"a layer"]).await;
}

#[tokio::test]
async fn pulls_get_503_with_the_remedy_when_the_reserve_is_used_up_and_work_again_with_free_space()
{
    let (emulator, client, clock) = support::start_with_clock().await;
    client.push_image("app", "1", &[b"a layer"]).await;
    let uses = || async {
        let answer = client.get("/_sealyard/registries/local/audit").await;
        answer.json().as_array().map_or(0, Vec::len)
    };

    emulator.set_disk(SimulatedDisk::UsedUp);
    clock.advance(TWO_LEASES);
    let before = uses().await;
    let refused = client.pull_blob("app", b"a layer").await;
    let after = uses().await;
    emulator.set_disk(SimulatedDisk::Off);
    clock.pass(Duration::from_secs(2));
    let pulled = client.pull_blob("app", b"a layer").await;

    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    let error = &refused.json()["errors"][0];
    assert_eq!(error["detail"]["cause"], "auditUnavailable");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("disk is full") && message.contains("run gc with --now"), "{message}");
    assert_eq!(before, after);
    assert_eq!(pulled.status, StatusCode::OK, "{pulled:?}");
}

#[tokio::test]
async fn a_change_of_the_clock_on_a_full_disk_is_507_and_does_not_move_the_clock() {
    let (emulator, client, clock) = support::start_with_clock().await;
    let before = clock.now();

    emulator.set_disk(SimulatedDisk::Full);
    let refused = client.send_json("/_sealyard/clock", &json!({ "advance": "PT1H" })).await;
    emulator.set_disk(SimulatedDisk::Off);

    assert_eq!(refused.status, StatusCode::INSUFFICIENT_STORAGE, "{refused:?}");
    assert_eq!(refused.json()["error"]["code"], "DiskFull");
    assert_eq!(clock.now(), before);
}

#[tokio::test]
async fn the_bytes_of_uploads_are_shown_and_gc_now_frees_them_on_a_full_disk() {
    let (emulator, client) = support::start().await;
    let location = client.begin("app").await;
    let chunk = vec![7; 3 << 20];
    let sent = client.send(Method::PATCH, &location, chunk).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{sent:?}");

    emulator.set_disk(SimulatedDisk::Full);
    let status = client.get("/_sealyard/status").await.json();
    let held = status["registries"][0]["uploadBytes"].as_u64().unwrap();
    let diagnosis = client.get("/_sealyard/diagnosis").await.json();
    let kept = client.send_json("/_sealyard/registries/local/gc", &json!({})).await.json();
    let removed = client.send_json("/_sealyard/registries/local/gc", &json!({ "now": true })).await;
    let after = client.get("/_sealyard/status").await.json();
    emulator.set_disk(SimulatedDisk::Off);

    assert!(held > 2 << 20, "{held}");
    assert_eq!(diagnosis["registries"][0]["uploadBytes"], held);
    assert_eq!(kept["kept"]["uploadBytes"], held);
    assert_eq!(removed.json()["uploadBytes"], held, "{removed:?}");
    assert_eq!(after["registries"][0]["uploadBytes"], 0);
}

#[tokio::test]
async fn a_registry_whose_vault_has_a_full_disk_is_507() {
    let (emulator, client) = support::start().await;

    emulator.vault().unwrap().set_disk(SimulatedDisk::Full);
    let refused = client.send_json("/_sealyard/registries", &json!({ "name": "team1" })).await;
    let key = "/_sealyard/registries/local/key";
    let rotated = client.send_json(key, &json!({ "operation": "rotate" })).await;
    emulator.vault().unwrap().set_disk(SimulatedDisk::Off);
    let made = client.send_json("/_sealyard/registries", &json!({ "name": "team1" })).await;

    for answer in [refused, rotated] {
        assert_eq!(answer.status, StatusCode::INSUFFICIENT_STORAGE, "{answer:?}");
        assert_eq!(answer.json()["error"]["code"], "DiskFull");
    }
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
}

/// Collects the files and folders that other users can read, except those for clients.
fn readable_by_others(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let is_public =
            ["endpoints.json", "ca-bundle.pem", "ca.pem", "tls"].contains(&name.as_str());
        let wanted = if metadata.is_dir() { 0o700 } else { 0o600 };
        if !is_public && metadata.permissions().mode() & 0o777 != wanted {
            found.push(path.display().to_string());
        }
        if metadata.is_dir() {
            readable_by_others(&path, found);
        }
    }
}

#[tokio::test]
async fn a_start_makes_all_files_of_the_data_folder_private_to_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut first = process::spawn(folder.path(), &[]).await;
    first.client.push_image("app", "1", &[b"a layer"]).await;
    first.client.send_json("/_sealyard/clock", &json!({ "advance": "PT1H" })).await;
    first.child.kill().await.unwrap();
    let mut found = Vec::new();
    readable_by_others(&data, &mut found);
    for name in ["audit/key-uses.jsonl", "clock.json", "vault/audit.jsonl", "vault/lock"] {
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(data.join(name), open).unwrap();
    }
    // `env` writes this file for clients of every user.
    let bundle = data.join("ca-bundle.pem");
    std::fs::write(&bundle, "").unwrap();
    std::fs::set_permissions(&bundle, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut second = process::spawn(folder.path(), &[]).await;
    readable_by_others(&data, &mut found);
    let mode = std::fs::metadata(&bundle).unwrap().permissions().mode() & 0o777;
    second.child.kill().await.unwrap();

    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(mode, 0o644);
}
