//! The state of a vault after it ended, cleanly or not, and starts again.

use mock_keyvault::{KeySize, MockKeyVault, StartError};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{World, admin};

#[tokio::test]
async fn after_a_restart_on_another_port_every_id_works_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    let body = json!({"kty": "RSA", "tags": {"a": "1"}});
    let made = world.owner(Method::POST, "/keys/k/create", Some(body)).await.json();
    world.vault.create_key("local", "gone", KeySize::Rsa2048).await.unwrap();
    world.vault.delete_key("local", "gone").await.unwrap();
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"kept").await;
    let identity = world.vault.managed_identity().object_id;
    world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    world.vault.set_key_enabled("local", "k", None, false).await.unwrap();
    let token = world.token(world.vault.managed_identity()).await;
    let (ca, port) = (world.vault.ca_pem().to_owned(), world.vault.address().port());
    world.vault.shutdown().await;

    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;

    assert_ne!(world.vault.address().port(), port);
    assert_eq!(world.vault.ca_pem(), ca);
    let version = made["key"]["kid"].as_str().unwrap().rsplit('/').next().unwrap();
    let path = format!("/keys/k/{version}");
    // A token from before the restart is still valid: the issuer has kept its key.
    let got = world.with_token(&token, Method::GET, &path, None).await.json();
    assert_eq!(got["key"]["n"], made["key"]["n"]);
    assert_eq!(got["tags"], made["tags"]);
    let kid = got["key"]["kid"].as_str().unwrap();
    assert_eq!(kid, format!("{}{path}", world.vault.uri()));
    let unwrapped =
        world.wrap(&format!("{path}/unwrapkey"), "RSA-OAEP-256", &wrapped.value()).await;
    assert_eq!(unwrapped.value(), b"kept");
    let newest = world.identity(Method::GET, "/keys/k", None).await.json();
    assert_eq!(newest["attributes"]["enabled"], false);
    world.vault.recover_key("local", "gone").await.unwrap();
    assert_eq!(identity, world.vault.managed_identity().object_id);
}

#[tokio::test]
async fn a_copy_of_the_folder_at_any_moment_holds_all_answered_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("vault"), folder.path().join("copy"));
    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    let key = world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await.value();
    let object_id = world.vault.managed_identity().object_id;
    world.vault.remove_access_policy("local", world.vault.owner().object_id).await.unwrap();

    // The files on disk while the vault runs are those that a kill would leave.
    copy_tree(&data, &copy);
    let other = World::start(MockKeyVault::builder().data_dir(&copy)).await;

    let latest = other.vault.latest_version("local", "k").await.unwrap();
    assert_eq!(latest, Some(key));
    assert_eq!(other.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped).await.value(), b"x");
    assert_eq!(other.owner(Method::GET, "/keys", None).await.status, StatusCode::FORBIDDEN);
    assert_eq!(object_id, other.vault.managed_identity().object_id);
}

fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_folder_in_use_and_a_port_in_use_are_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let first = MockKeyVault::builder().data_dir(folder.path()).start().await.unwrap();

    let second = MockKeyVault::builder().data_dir(folder.path()).start().await.unwrap_err();
    let third =
        MockKeyVault::builder().ephemeral().listen(first.address()).start().await.unwrap_err();

    assert!(matches!(second, StartError::FolderInUse { .. }), "{second}");
    assert!(second.to_string().contains("--data-dir"));
    assert!(matches!(third, StartError::PortTaken { .. }), "{third}");
    assert!(third.to_string().contains("--listen"));
}

#[tokio::test]
async fn a_folder_without_its_sealing_key_is_refused_and_gets_no_new_key() {
    let folder = tempfile::tempdir().unwrap();
    let open = || MockKeyVault::builder().data_dir(folder.path()).start();
    let vault = open().await.unwrap();
    let key = vault.create_ec_key("local", "k", mock_keyvault::Curve::P256).await.unwrap();
    vault.shutdown().await;
    let (file, kept) = (folder.path().join("sealing.key"), folder.path().join("kept"));
    std::fs::rename(&file, &kept).unwrap();

    let refused = open().await.unwrap_err();

    assert!(matches!(&refused, StartError::NoSealingKey { file: named } if *named == file));
    assert!(refused.to_string().contains("sealing.key is missing"), "{refused}");
    assert!(!file.exists());
    std::fs::rename(&kept, &file).unwrap();
    let vault = open().await.unwrap();
    assert_eq!(vault.latest_version("local", "k").await.unwrap(), Some(key));
}

#[tokio::test]
async fn the_health_report_has_the_notices_of_a_start_about_the_stored_rows() {
    let folder = tempfile::tempdir().unwrap();
    let start = || World::start(MockKeyVault::builder().data_dir(folder.path()));
    start().await.vault.shutdown().await;
    std::fs::remove_file(folder.path().join("journal/head")).unwrap();

    let world = start().await;
    let health = world.http.get(format!("{}/_keyvault/health", world.vault.uri())).send().await;
    let health: serde_json::Value = health.unwrap().json().await.unwrap();

    let notices = health["notices"].as_array().unwrap();
    assert_eq!(notices.len(), 1, "{health}");
    assert!(notices[0].as_str().unwrap().contains("the head of the journal was missing"));
}

#[tokio::test]
async fn an_ephemeral_vault_leaves_no_folder() {
    let vault = MockKeyVault::builder().ephemeral().start().await.unwrap();
    let folder = vault.data_dir().to_owned();
    assert!(folder.exists());

    vault.shutdown().await;

    assert!(!folder.exists());
}

#[tokio::test]
async fn a_dropped_vault_stops_listening_and_its_folder_can_be_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = MockKeyVault::builder().data_dir(folder.path()).start().await.unwrap();
    let address = first.address();

    first.shutdown().await;

    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    for _ in 0..5 {
        let again = MockKeyVault::builder().data_dir(folder.path()).start().await.unwrap();
        again.shutdown().await;
    }
}

#[tokio::test]
async fn verifying_a_vault_reports_and_repairs_damage_in_an_old_part_of_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    let verify = async || admin(&world, Method::POST, "verify", None).await.json();
    let before = verify().await;

    let mut segments: Vec<_> = std::fs::read_dir(data.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "segment"))
        .collect();
    segments.sort();
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    bytes[2000] ^= 1;
    std::fs::write(&segments[0], bytes).unwrap();
    let found = verify().await;

    assert_eq!((&before["damaged"], &before["healed"]), (&json!([]), &json!(false)));
    assert_eq!(before["indexIsRight"], true);
    let name = segments[0].file_name().unwrap().to_str().unwrap();
    assert!(found["damaged"][0].as_str().unwrap().contains(name), "{found}");
    assert_eq!(found["healed"], true);
    world.vault.shutdown().await;
    std::fs::remove_dir_all(data.join("index")).unwrap();
    let world = World::start(MockKeyVault::builder().data_dir(&data)).await;
    assert!(world.owner(Method::GET, "/keys/k", None).await.status.is_success());
}
