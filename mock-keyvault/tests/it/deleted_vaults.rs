//! Deleted vaults: recovery and purge.

use std::time::Duration;

use mock_keyvault::{KeySize, MockKeyVault, VaultChangeError, VaultChanges, VaultError};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{SUBSCRIPTION, World};

const DAY: Duration = Duration::from_hours(24);

fn deleted_path(name: &str) -> String {
    format!("{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/eastus/deletedVaults/{name}")
}

async fn with_vault(settings: VaultChanges) -> World {
    let world = World::new().await;
    world.vault.create_vault("kv1", settings).await.unwrap();
    world.vault.create_key("kv1", "k", KeySize::Rsa2048).await.unwrap();
    world
}

async fn get_key(world: &World) -> crate::support::Answer {
    world.keys_as(world.vault.owner().client_id, "kv1", Method::GET, "/keys/k", None).await
}

#[tokio::test]
async fn a_deleted_vault_is_not_found_and_is_recovered_unchanged() {
    let world = with_vault(VaultChanges::default()).await;
    let id = world.vault.vault_id("kv1").unwrap();
    let (key, vault) = (get_key(&world).await, world.arm(Method::GET, &id, None).await);

    let deleted = world.arm(Method::DELETE, &id, None).await;
    let gone = get_key(&world).await;
    let not_shown = world.arm(Method::GET, &id, None).await;
    let listed = world
        .arm(
            Method::GET,
            &format!("{SUBSCRIPTION}/providers/Microsoft.KeyVault/deletedVaults"),
            None,
        )
        .await;
    let shown = world.arm(Method::GET, &deleted_path("KV1"), None).await;
    let recover = json!({"location": "eastus", "properties": {"tenantId": world.vault.tenant(),
        "sku": {"family": "A", "name": "standard"}, "createMode": "recover"}});
    let recovered = world.arm(Method::PUT, &id, Some(recover)).await;

    assert_eq!((deleted.status, deleted.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(gone.refusal().1, "VaultNotFound");
    assert_eq!(not_shown.refusal().1, "ResourceNotFound");
    assert_eq!(listed.json()["value"], json!([shown.json()]));
    assert_eq!(
        shown.json(),
        json!({
            "id": deleted_path("kv1"),
            "name": "kv1",
            "type": "Microsoft.KeyVault/deletedVaults",
            "properties": {
                "vaultId": id,
                "location": "eastus",
                "tags": {},
                "deletionDate": "2026-01-01T00:00:00Z",
                "scheduledPurgeDate": "2026-04-01T00:00:00Z",
            },
        })
    );
    assert_eq!((recovered.status, recovered.text), (StatusCode::OK, vault.text));
    assert_eq!(get_key(&world).await.text, key.text);
}

#[tokio::test]
async fn deleting_an_absent_or_deleted_vault_is_204() {
    let world = with_vault(VaultChanges::default()).await;
    let id = world.vault.vault_id("kv1").unwrap();

    let absent = world.arm(Method::DELETE, &id.replace("kv1", "kv2"), None).await;
    world.vault.delete_vault("kv1").await.unwrap();
    let twice = world.arm(Method::DELETE, &id, None).await;

    assert_eq!((absent.status, twice.status), (StatusCode::NO_CONTENT, StatusCode::NO_CONTENT));
}

#[tokio::test]
async fn a_purged_vault_cannot_be_recovered_and_its_name_is_available() {
    let world = with_vault(VaultChanges::default()).await;
    world.vault.delete_vault("kv1").await.unwrap();

    let purged = world.arm(Method::POST, &format!("{}/purge", deleted_path("kv1")), None).await;
    let again = world.arm(Method::POST, &format!("{}/purge", deleted_path("kv1")), None).await;
    let recovered = world.vault.recover_vault("kv1").await;
    world.vault.create_vault("kv1", VaultChanges::default()).await.unwrap();

    assert_eq!(purged.status, StatusCode::OK, "{}", purged.text);
    assert_eq!(
        again.refusal(),
        (
            404,
            "DeletedVaultNotFound".into(),
            "The specified deleted vault 'kv1' does not exist.".into()
        )
    );
    assert!(matches!(recovered, Err(VaultChangeError::DeletedNotFound(_))));
    assert!(get_key(&world).await.text.contains("KeyNotFound"));
}

#[tokio::test]
async fn purge_protection_keeps_a_deleted_vault_until_the_clock_purges_it() {
    let settings = VaultChanges {
        purge_protection: Some(true),
        retention_days: Some(7),
        ..VaultChanges::default()
    };
    let world = with_vault(settings).await;
    world.vault.delete_vault("kv1").await.unwrap();

    let refused = world.arm(Method::POST, &format!("{}/purge", deleted_path("kv1")), None).await;
    world.vault.advance(6 * DAY).await.unwrap();
    let before = world.arm(Method::GET, &deleted_path("kv1"), None).await;
    world.vault.advance(DAY).await.unwrap();
    let after = world.arm(Method::GET, &deleted_path("kv1"), None).await;

    assert_eq!(
        refused.refusal(),
        (405, "MethodNotAllowed".into(), "Operation 'DeletedVaultPurge' is not allowed.".into())
    );
    assert_eq!((before.status, after.status), (StatusCode::OK, StatusCode::NOT_FOUND));
    assert!(world.vault.create_vault("kv1", VaultChanges::default()).await.is_ok());
}

#[tokio::test]
async fn deleted_and_purged_vaults_stay_deleted_and_purged_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let builder = || MockKeyVault::builder().data_dir(folder.path());
    let world = World::start(builder()).await;
    for name in ["kv1", "kv2"] {
        world.vault.create_vault(name, VaultChanges::default()).await.unwrap();
        world.vault.create_key(name, "k", KeySize::Rsa2048).await.unwrap();
        world.vault.delete_vault(name).await.unwrap();
    }
    world.vault.purge_vault("kv2").await.unwrap();
    world.vault.shutdown().await;

    let world = World::start(builder()).await;
    let gone = world.vault.latest_version("kv1", "k").await;
    let purged = world.vault.recover_vault("kv2").await;
    world.vault.recover_vault("kv1").await.unwrap();

    assert!(matches!(gone, Err(VaultError::VaultNotFound(_))));
    assert!(matches!(purged, Err(VaultChangeError::DeletedNotFound(_))));
    assert!(world.vault.latest_version("kv1", "k").await.unwrap().is_some());
}

#[tokio::test]
async fn the_deletion_of_a_vault_deletes_its_roles_as_in_azure() {
    let world = with_vault(VaultChanges { rbac: Some(true), ..VaultChanges::default() }).await;
    let id = world.vault.vault_id("kv1").unwrap();
    let owner = world.vault.owner().object_id;
    world.vault.assign_role(&id, "Key Vault Crypto User", owner).await.unwrap();
    assert_eq!(get_key(&world).await.status, StatusCode::OK);

    world.vault.delete_vault("kv1").await.unwrap();
    world.vault.recover_vault("kv1").await.unwrap();

    assert_eq!(get_key(&world).await.refusal().1, "Forbidden/ForbiddenByRbac");
}
