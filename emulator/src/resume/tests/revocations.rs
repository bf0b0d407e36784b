//! Tests of partly completed revocations, and of repeated revocations.

use serde_json::json;

use super::replaced::leave;
use super::*;
use crate::registry::Kind;
use crate::revocation::RevocationMethod;
use crate::vault::ROLES_API;

/// The roles of the tests: each lets a key be used.
const ROLES: [&str; 2] = ["Key Vault Crypto Service Encryption User", "Key Vault Crypto User"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_had_removed_some_of_the_roles_removes_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let app = emulator.app().clone();
    let owner = app.owner().unwrap();
    let vault = emulator.vault().unwrap();
    let scope = vault.vault_id("local").unwrap();
    let identity = vault.managed_identity().object_id;
    for role in ROLES {
        vault.assign_role(&scope, role, identity).await.unwrap();
    }
    let by_roles = mock_keyvault::VaultChanges { rbac: Some(true), ..Default::default() };
    vault.change_vault("local", by_roles).await.unwrap();
    let at = format!("{scope}/providers/Microsoft.Authorization/roleAssignments");
    let of_identity = async || {
        let all = owner.resources(&at, &[ROLES_API]).await.unwrap().into_iter();
        all.filter(|one| one["properties"]["principalId"] == identity).collect::<Vec<_>>()
    };
    let before = of_identity().await;
    app.revocations
        .revoke(emulator.registry(), app.revocation_context(), RevocationMethod::Role, true)
        .await
        .unwrap();
    // The state after a stop between the two removals.
    let properties = &before[0]["properties"];
    let body = json!({ "properties": {
        "roleDefinitionId": properties["roleDefinitionId"], "principalId": properties["principalId"],
        "principalType": properties["principalType"],
    }});
    let id = before[0]["id"].as_str().unwrap();
    owner.resource(Method::PUT, id, &[ROLES_API], Some(&body)).await.unwrap();
    let half = of_identity().await.len();

    let intents =
        leave(&emulator, Kind::Revoke, json!({ "registry": "local", "by": "role" })).await;
    intents.end_backoff();
    operations_end(&emulator).await;
    let rest = of_identity().await.len();
    let dark = state(&emulator, "local").await;
    app.revocations
        .restore(emulator.registry(), app.revocation_context(), None, true)
        .await
        .unwrap();
    let restored = of_identity().await.len();
    drop((intents, app));
    emulator.shutdown().await;

    assert_eq!((before.len(), half, rest, restored), (2, 1, 0, 2));
    assert_eq!(dark, State::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_revocation_replaces_a_waiting_restoration() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let app = emulator.app().clone();
    let revoke = async || {
        app.revocations
            .revoke(emulator.registry(), app.revocation_context(), RevocationMethod::Policy, true)
            .await
    };
    revoke().await.unwrap();

    // No waiting operation is tried meanwhile.
    let reset = app.registries.intents().begin(Kind::Reset, &()).await.unwrap();
    let steps = json!({ "registry": "local", "by": null });
    let intents = leave(&emulator, Kind::Restore, steps).await;
    revoke().await.unwrap();
    let left = intents.unfinished().len();
    reset.end().await.unwrap();
    operations_end(&emulator).await;
    let (methods, dark) = (app.revocations.methods_of("local"), state(&emulator, "local").await);
    drop((intents, app));
    emulator.shutdown().await;

    // The reset itself.
    assert_eq!(left, 1);
    assert_eq!((methods, dark), (vec![RevocationMethod::Policy], State::Unavailable));
}
