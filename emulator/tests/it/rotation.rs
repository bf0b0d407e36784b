//! Rotation wraps the data keys again and does not change the blobs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use azure_emulator_core::clock::Clock;
use mock_keyvault::{KeyPermission, KeySize, VaultChanges};
use sealyard::Sealyard;
use sealyard::internals::keys::{KeyId, RingError, RotationTarget};

use crate::support::{Client, content, start_with_clock};

/// Every sealed file with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.join("files")];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
    }
    found
}

async fn calls_of_a_rotation(blobs: u64) -> usize {
    let folder = tempfile::tempdir().unwrap();
    // The clock stands still, because the renewal of a lease would count too.
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 00:00 UTC));
    let builder = Sealyard::builder().ephemeral().data_dir(folder.path().join("d"));
    let emulator = builder.clock(clock).start().await.unwrap();
    let client = Client::of(&emulator);
    for blob in 0..blobs {
        client.push_blob("app", &content::bytes(blob + 1, 100)).await;
    }
    let before = (files(&folder.path().join("d")), emulator.vault().unwrap().calls().len());

    let seen = client.key("rotate").await;

    assert_eq!(seen["state"], "active", "{seen}");
    assert_eq!(files(&folder.path().join("d")), before.0, "a sealed file changed");
    let calls = emulator.vault().unwrap().calls().len() - before.1;
    for blob in 0..blobs {
        let bytes = content::bytes(blob + 1, 100);
        assert_eq!(client.pull_blob("app", &bytes).await.body, bytes);
    }
    calls
}

#[tokio::test]
async fn a_rotation_with_many_blobs_needs_as_many_vault_calls_as_with_one() {
    assert_eq!(calls_of_a_rotation(1).await, calls_of_a_rotation(100).await);
}

#[tokio::test]
async fn after_a_rotation_the_old_version_may_be_disabled() {
    let emulator = Sealyard::builder().ephemeral().start().await.unwrap();
    let client = Client::of(&emulator);
    client.push_blob("app", b"before").await;
    let old =
        emulator.registry().key_ring().describe().versioned.unwrap().version().unwrap().to_string();

    client.key("rotate").await;
    client.push_blob("app", b"after").await;
    let vault = emulator.vault().unwrap();
    vault.set_key_enabled("local", "registry-key", Some(&old), false).await.unwrap();
    emulator.registry().key_ring().check().await;

    assert_eq!(client.pull_blob("app", b"before").await.body, b"before");
    assert_eq!(client.pull_blob("app", b"after").await.body, b"after");
}

#[tokio::test]
async fn a_registry_moves_to_a_key_in_another_vault_and_no_longer_needs_the_first() {
    let (emulator, client, _clock) = start_with_clock().await;
    client.push_blob("app", b"before").await;
    let vault = emulator.vault().unwrap();
    let identity = vault.managed_identity().object_id.to_owned();
    vault.create_vault("elsewhere", VaultChanges::default()).await.unwrap();
    vault.create_key("elsewhere", "theirs", KeySize::Rsa2048).await.unwrap();
    let ring = emulator.registry().key_ring();
    let key: KeyId = "https://elsewhere.vault.azure.net/keys/theirs".parse().unwrap();
    let target = || RotationTarget::key(key.clone());

    let denied = ring.rotate(target()).await;
    let some = [KeyPermission::Get, KeyPermission::UnwrapKey];
    vault.set_access_policy("elsewhere", &identity, &some).await.unwrap();
    let lacking = ring.rotate(target()).await;
    let all = KeyPermission::FOR_ENCRYPTION;
    vault.set_access_policy("elsewhere", &identity, all).await.unwrap();
    ring.rotate(target()).await.unwrap();
    vault.delete_vault("local").await.unwrap();

    let message = |denied: Result<_, RingError>| denied.unwrap_err().to_string();
    let (denied, lacking) = (message(denied), message(lacking));
    assert!(denied.starts_with("Failed to access KeyId 'https://elsewhere."), "{denied}");
    assert!(denied.contains("No policy gives it 'Get"), "{denied}");
    assert!(lacking.ends_with("No policy gives it 'Wrap Key'."), "{lacking}");
    assert_eq!(ring.check().await.cause, None);
    let description = ring.describe();
    assert!(description.automatic && description.configured == Some(key), "{description:?}");
    assert_eq!(client.pull_blob("app", b"before").await.body, b"before");
    assert_eq!(client.push_blob("app", b"after").await.status, reqwest::StatusCode::CREATED);
}

#[tokio::test]
async fn the_registry_follows_a_rotation_policy_of_the_vault_by_the_clock() {
    let (emulator, client, clock) = start_with_clock().await;
    client.push_blob("app", b"before").await;
    let vault = emulator.vault().unwrap();
    let week = "P7D".parse().unwrap();
    vault.rotate_automatically("local", "registry-key", week, None).await.unwrap();
    let in_use = || emulator.registry().key_ring().describe().versioned.unwrap();
    let advance = async |by: &str| {
        let body = serde_json::json!({ "advance": by });
        let moved = client.send_json("/_sealyard/clock", &body).await;
        assert_eq!(moved.status, reqwest::StatusCode::OK, "{moved:?}");
    };
    let first = in_use();

    advance("P6D").await;
    assert_eq!(in_use(), first, "the rotation is not due yet");
    advance("P1DT1H").await;
    let second = in_use();
    let rotated = emulator.registry().key_ring().describe().last_rotation.unwrap();
    client.push_blob("app", b"after").await;
    let old = first.version().unwrap().to_string();
    vault.set_key_enabled("local", "registry-key", Some(&old), false).await.unwrap();
    advance("PT1H").await;

    assert_ne!(second.version(), first.version());
    assert!(clock.now() - rotated < time::Duration::hours(3), "the registry rotated too late");
    assert_eq!(emulator.registry().key_ring().check().await.cause, None);
    assert_eq!(client.pull_blob("app", b"before").await.body, b"before");
    assert_eq!(client.pull_blob("app", b"after").await.body, b"after");
    advance("P7D").await;
    assert_ne!(in_use(), second, "the next version is not in use");
}
