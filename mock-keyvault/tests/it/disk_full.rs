//! A full disk: changes are refused, and deletions, reads and uses of keys work while the reserve lasts.

use std::time::Duration;

use azure_emulator_core::disk_space::SimulatedDisk;
use mock_keyvault::{KeySize, MockKeyVault, VaultError};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, SUBSCRIPTION, World, clock, vault_path};

const READER: &str =
    "/providers/Microsoft.Authorization/roleDefinitions/21090545-7ca7-4776-b22c-e363652d74d2";

/// One request for each kind of change of keys except deletions, in an order in which all succeed.
fn changes() -> Vec<(Method, String, Option<Value>)> {
    let policy = json!({"lifetimeActions": [], "attributes": {"expiryTime": "P90D"}});
    vec![
        (Method::PATCH, "/keys/k".to_owned(), Some(json!({"attributes": {"enabled": true}}))),
        (Method::POST, "/keys/new/create".to_owned(), Some(json!({"kty": "EC", "crv": "P-256"}))),
        (Method::POST, "/keys/k/create".to_owned(), Some(json!({"kty": "RSA"}))),
        (Method::POST, "/keys/k/rotate".to_owned(), None),
        (Method::PUT, "/keys/k/rotationpolicy".to_owned(), Some(policy)),
        (Method::POST, "/deletedkeys/gone/recover".to_owned(), None),
    ]
}

fn vault_body() -> Value {
    let tenant = "00000000-0000-4000-8000-00000000a001";
    json!({"location": "East US", "properties": {
        "tenantId": tenant, "sku": {"family": "A", "name": "standard"}, "accessPolicies": [],
    }})
}

/// Requests a vault and a role assignment.
async fn managed(world: &World) -> [Answer; 2] {
    let assignment =
        "/providers/Microsoft.Authorization/roleAssignments/22222222-0000-4000-8000-000000000001";
    let role = json!({"properties": {
        "roleDefinitionId": format!("{SUBSCRIPTION}{READER}"),
        "principalId": "11111111-0000-4000-8000-000000000001",
        "principalType": "ServicePrincipal",
    }});
    [
        world.arm(Method::PUT, &vault_path("other"), Some(vault_body())).await,
        world.arm(Method::PUT, &format!("{SUBSCRIPTION}{assignment}"), Some(role)).await,
    ]
}

#[tokio::test]
async fn changes_are_refused_while_the_disk_is_full_and_accepted_when_there_is_space() {
    let world = World::with_key().await;
    world.vault.create_key("local", "gone", KeySize::Rsa2048).await.unwrap();
    world.vault.delete_key("local", "gone").await.unwrap();
    let before = world.owner(Method::GET, "/keys/k", None).await;

    world.vault.set_disk_full(true);
    let mut refused = Vec::new();
    for (method, path, body) in changes() {
        refused.push(world.owner(method, &path, body).await);
    }
    refused.extend(managed(&world).await);
    let by_handle = world.vault.set_key_enabled("local", "k", None, false).await;
    let meanwhile = world.owner(Method::GET, "/keys/k", None).await;
    world.vault.set_disk_full(false);

    for answer in &refused {
        let (status, code, message) = answer.refusal();
        assert_eq!((status, code.as_str()), (507, "InsufficientStorage"), "{message}");
        assert!(message.starts_with("The disk of this vault is full"), "{message}");
    }
    assert!(matches!(by_handle, Err(VaultError::DiskFull)));
    assert_eq!(meanwhile.text, before.text);
    for (method, path, body) in changes() {
        let taken = world.owner(method, &path, body).await;
        assert!(taken.status.is_success(), "{path}: {}", taken.text);
    }
    for taken in managed(&world).await {
        assert!(taken.status.is_success(), "{}", taken.text);
    }
}

#[tokio::test]
async fn keys_vaults_and_roles_are_deleted_while_the_disk_is_full() {
    let world = World::with_key().await;
    world.vault.create_key("local", "gone", KeySize::Rsa2048).await.unwrap();
    world.vault.delete_key("local", "gone").await.unwrap();
    for made in managed(&world).await {
        assert!(made.status.is_success(), "{}", made.text);
    }

    world.vault.set_disk_full(true);
    let role = format!(
        "{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments/22222222-0000-4000-8000-000000000001"
    );
    let deleted = [
        world.owner(Method::DELETE, "/keys/k", None).await,
        world.owner(Method::DELETE, "/deletedkeys/gone", None).await,
        world.arm(Method::DELETE, &role, None).await,
        world.arm(Method::DELETE, &vault_path("other"), None).await,
    ];

    for answer in deleted {
        assert!(answer.status.is_success(), "{}", answer.text);
    }
    assert_eq!(world.owner(Method::GET, "/keys/k", None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_key_is_not_used_when_the_audit_log_cannot_be_written() {
    let world = World::with_key().await;
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await.value();

    let sign = json!({"alg": "RS256", "value": "A".repeat(43)});

    world.vault.set_disk(SimulatedDisk::UsedUp);
    let refused = [
        world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await,
        world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped).await,
        world.owner(Method::POST, "/keys/k/sign", Some(sign)).await,
        world.owner(Method::POST, "/keys/k/backup", None).await,
    ];
    let read = world.owner(Method::GET, "/keys/k", None).await;
    let deleted = world.owner(Method::DELETE, "/keys/k", None).await;
    world.vault.set_disk(SimulatedDisk::Off);
    let unwrapped = world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped).await;

    for answer in refused {
        assert_eq!(answer.headers["retry-after"], "1");
        let (status, code, message) = answer.refusal();
        assert_eq!((status, code.as_str()), (503, "ServiceUnavailable/AuditLogUnavailable"));
        assert!(message.contains("the disk is full"), "{message}");
    }
    assert_eq!(read.status, StatusCode::OK);
    assert_eq!(deleted.status.as_u16(), 507);
    assert_eq!(unwrapped.value(), b"x");
}

#[tokio::test]
async fn every_use_of_a_key_is_in_the_file_of_the_audit_log_before_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(MockKeyVault::builder().data_dir(folder.path())).await;
    world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    let log = || std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();

    for uses in 1..=20 {
        world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await.value();
        assert_eq!(log().matches("KeyWrap").count(), uses);
    }
}

#[tokio::test]
async fn keys_are_read_and_used_and_calls_are_logged_while_the_disk_is_full() {
    let world = World::with_key().await;

    world.vault.set_disk_full(true);
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await.value();
    let unwrapped = world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped).await.value();
    let listed = world.owner(Method::GET, "/keys", None).await;
    let vault = world.arm(Method::GET, &vault_path("none"), None).await;

    assert_eq!(unwrapped, b"x");
    assert_eq!(listed.status, StatusCode::OK);
    assert_eq!(vault.status, StatusCode::NOT_FOUND);
    let statuses: Vec<u16> = world.vault.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [200, 200, 200]);
}

#[tokio::test]
async fn a_purge_that_is_due_while_the_reserve_is_used_up_is_done_when_there_is_space() {
    let world = World::with_key().await;
    world.vault.delete_key("local", "k").await.unwrap();

    world.vault.set_disk(SimulatedDisk::UsedUp);
    world.clock.advance(Duration::from_hours(91 * 24));
    let due = world.vault.run_due().await;
    let listed = world.owner(Method::GET, "/deletedkeys", None).await;
    world.vault.set_disk_full(false);
    world.vault.run_due().await.unwrap();
    let purged = world.owner(Method::GET, "/deletedkeys/k", None).await;

    assert!(matches!(due, Err(VaultError::DiskFull)));
    assert_eq!(listed.json()["value"].as_array().unwrap().len(), 1, "{}", listed.text);
    assert_eq!(purged.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn refused_changes_are_not_found_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || MockKeyVault::builder().data_dir(folder.path()).clock(clock()).start();
    let vault = start().await.unwrap();
    vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();

    vault.set_disk(SimulatedDisk::UsedUp);
    vault.rotate_key("local", "k").await.unwrap_err();
    vault.delete_key("local", "k").await.unwrap_err();
    let before = vault.latest_version("local", "k").await.unwrap();
    vault.shutdown().await;
    let vault = start().await.unwrap();

    assert_eq!(vault.latest_version("local", "k").await.unwrap(), before);
}
