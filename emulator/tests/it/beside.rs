//! Registries with a mock vault in another process: created, used, revoked, changed and deleted as with the embedded vault.

use mock_keyvault::{MockKeyVault, VaultChanges};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Client, external, start_beside};

const REGISTRIES: &str = "/_sealyard/registries";
const TEAM: &str = "/_sealyard/registries/team1";

#[tokio::test]
async fn a_registry_is_created_with_its_own_key_in_an_external_vault() {
    for rbac in [false, true] {
        let vault = MockKeyVault::builder().start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (emulator, client) = start_beside(external(&vault), folder.path()).await;
        if rbac {
            // The first identity keeps its key. The owner needs a role to create keys: ownership of the vault is not enough.
            let scope = vault.vault_id("local").unwrap();
            let user = "Key Vault Crypto Service Encryption User";
            vault.assign_role(&scope, user, vault.managed_identity().object_id).await.unwrap();
            let officer = "Key Vault Crypto Officer";
            vault.assign_role(&scope, officer, vault.owner().object_id).await.unwrap();
            let roles = VaultChanges { rbac: Some(true), ..VaultChanges::default() };
            vault.change_vault("local", roles).await.unwrap();
        }

        let made = client.send_json(REGISTRIES, &json!({ "name": "team1" })).await;
        assert_eq!(made.status, StatusCode::CREATED, "rbac {rbac}: {made:?}");
        let again = client.send_json(REGISTRIES, &json!({ "name": "team1" })).await;
        assert_eq!(again.status, StatusCode::CONFLICT, "rbac {rbac}: {again:?}");
        let shown = client.get(TEAM).await.json();
        assert_eq!(shown["state"], "active", "rbac {rbac}: {shown}");
        assert!(shown["key"]["keyIdentifier"].as_str().unwrap().ends_with("/keys/team1"));

        let team = Client::at(shown["url"].as_str().unwrap());
        team.push_image("app", "v1", &[b"layer"]).await;
        assert_eq!(team.pull_blob("app", b"layer").await.body, b"layer");

        let by = json!({ "by": if rbac { "role" } else { "policy" } });
        let revoked = client.send_json(&format!("{TEAM}/revoke"), &by).await.json();
        assert_eq!(revoked["state"], "unavailable", "rbac {rbac}: {revoked}");
        assert_eq!(team.pull_blob("app", b"layer").await.status, StatusCode::FORBIDDEN);
        let restored = client.send_json(&format!("{TEAM}/restore"), &json!({})).await.json();
        assert_eq!(restored["state"], "active", "rbac {rbac}: {restored}");
        assert_eq!(team.pull_blob("app", b"layer").await.body, b"layer", "rbac {rbac}");

        emulator.shutdown().await;
        let (_emulator, client) = start_beside(external(&vault), folder.path()).await;
        let shown = client.get(TEAM).await.json();
        let team = Client::at(shown["url"].as_str().unwrap());
        assert_eq!(team.pull_blob("app", b"layer").await.body, b"layer", "after a restart");
        let deleted = client.send(Method::DELETE, TEAM, "").await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT, "rbac {rbac}: {deleted:?}");
    }
}

#[tokio::test]
async fn identities_are_created_and_removed_with_an_external_vault() {
    let vault = MockKeyVault::builder().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_emulator, client) = start_beside(external(&vault), folder.path()).await;
    let before = vault.principals().len();

    let made = client.send_json("/_sealyard/identities", &json!({ "name": "puller" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let object_id = made.json()["principalId"].as_str().unwrap().to_owned();
    let is_it = || vault.principals().iter().any(|one| one.object_id() == object_id);
    assert!(is_it(), "{made:?}");

    let deleted = client.send(Method::DELETE, "/_sealyard/identities/puller", "").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    assert!(!is_it());
    assert_eq!(vault.principals().len(), before);
}

#[tokio::test]
async fn a_registry_has_a_system_identity_with_an_external_vault() {
    let vault = MockKeyVault::builder().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_emulator, client) = start_beside(external(&vault), folder.path()).await;

    client.send_json(REGISTRIES, &json!({ "name": "team1" })).await;
    let change =
        client.request(Method::PATCH, TEAM).json(&json!({ "systemAssignedIdentity": true }));
    let changed = change.send().await.unwrap();

    assert_eq!(changed.status(), StatusCode::OK);
    let shown = client.get(TEAM).await.json();
    let object_id = shown["systemAssignedIdentity"]["principalId"].as_str().unwrap().to_owned();
    assert!(vault.principals().iter().any(|one| one.object_id() == object_id), "{shown}");
}
