//! A folder of format 1 opens: its keys unwrap, and a clean stop removes the old rows.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_keyvault::MockKeyVault;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::program::Running;
use crate::support::{World, client, clock, vault_path};

/// Unpacks the folder of format 1, and returns its content as JSON.
pub(crate) fn unpack(to: &Path) -> Value {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/folders");
    let archive = std::fs::File::open(folders.join("format-1.tar.gz")).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(to).unwrap();
    serde_json::from_slice(&std::fs::read(folders.join("format-1.json")).unwrap()).unwrap()
}

/// Starts the vault of a folder with a frozen clock.
async fn start(folder: &Path) -> World {
    let vault = MockKeyVault::builder().data_dir(folder).start().await.unwrap();
    let http = client(vault.ca_pem());
    World { vault, clock: clock(), http }
}

async fn unwraps(world: &World, kept: &Value, but: &str) {
    for one in kept["wrapped"].as_array().unwrap().iter().filter(|one| one["key"] != but) {
        let [key, version, value, wrapped] =
            ["key", "version", "value", "wrapped"].map(|name| one[name].as_str().unwrap());
        let wrapped = URL_SAFE_NO_PAD.decode(wrapped).unwrap();
        let path = format!("/keys/{key}/{version}/unwrapkey");
        let body = json!({"alg": "RSA-OAEP-256", "value": URL_SAFE_NO_PAD.encode(wrapped)});
        let answer = world.owner(Method::POST, &path, Some(body)).await;
        assert_eq!(URL_SAFE_NO_PAD.encode(answer.value()), value);
    }
}

#[tokio::test]
async fn a_folder_of_format_1_keeps_everything_and_its_old_rows_until_the_first_clean_stop() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("v");
    let kept = unpack(&folder);
    let world = start(&folder).await;

    unwraps(&world, &kept, "gone").await;
    let deleted = world.owner(Method::GET, "/deletedkeys/gone", None).await;
    world.vault.recover_key("local", "gone").await.unwrap();
    let curve = world.owner(Method::GET, "/keys/signs", None).await.json();
    let policies = world.arm(Method::GET, &vault_path("kv2"), None).await.json();
    let roles = world.arm(Method::GET, kept["assignment"].as_str().unwrap(), None).await;
    let had_old = folder.join("vaults.format-1").exists();
    world.vault.shutdown().await;

    assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.text);
    assert_eq!(curve["key"]["crv"], "P-256");
    let policy = &policies["properties"]["accessPolicies"][0];
    assert_eq!(policy["objectId"], kept["application"]);
    assert_eq!(roles.json()["properties"]["principalId"], kept["application"], "{}", roles.text);
    assert!(had_old && !folder.join("vaults.format-1").exists());
    assert!(folder.join("vaults/moved.txt").exists(), "an older program refuses the folder");
    let world = start(&folder).await;
    unwraps(&world, &kept, "").await;
}

#[tokio::test]
async fn after_a_kill_the_old_rows_still_exist_and_the_next_start_continues() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("v");
    let kept = unpack(&folder);

    let running = Running::start(&folder, &[]);
    running.kill();
    drop(running);
    let after_kill = folder.join("vaults.format-1").exists();
    let world = start(&folder).await;

    assert!(after_kill);
    unwraps(&world, &kept, "gone").await;
}

#[tokio::test]
async fn missing_or_damaged_rows_are_refused_with_a_message_and_nothing_changes() {
    for (damage, expected) in [
        ((|db| std::fs::remove_file(db).unwrap()) as fn(&Path), "No such file"),
        (|db| std::fs::write(db, "").unwrap(), "damaged"),
        (
            |db| {
                std::fs::write(db, "").unwrap();
                // Without a snapshot, an empty database looks like a new one.
                for entry in std::fs::read_dir(db.parent().unwrap()).unwrap() {
                    let path = entry.unwrap().path();
                    if path.file_name().unwrap().to_str().unwrap().starts_with("snap.") {
                        std::fs::remove_file(path).unwrap();
                    }
                }
            },
            "has no format",
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("v");
        unpack(&folder);
        damage(&folder.join("vaults/db"));

        let error = MockKeyVault::builder().data_dir(&folder).start().await.unwrap_err();

        let error = error.to_string();
        assert!(error.contains(expected) && error.contains("nothing was changed"), "{error}");
        assert!(!folder.join("journal").exists() && !folder.join("mock-keyvault.json").exists());
    }
}
