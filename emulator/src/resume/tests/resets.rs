//! Tests of a reset while other operations run: each stops before its next step, and none undoes changes after the reset.

use std::sync::Arc;

use azure_emulator_core::identity::{MANAGED_IDENTITY_OBJECT_ID, SUBSCRIPTION};
use serde_json::json;
use tokio::sync::Notify;

use super::control_plane::{arm, make_group, make_vault, vaults};
use super::replaced::leave;
use super::*;
use crate::registry::{Error, Intents, Kind};
use crate::reset;
use crate::revocation::RevocationMethod;
use crate::store::End;

/// The running operation of a kind.
fn under_way(intents: &Intents, kind: Kind) -> uuid::Uuid {
    let all = intents.unfinished();
    all.iter().find(|one| one.operation == kind.name()).unwrap().id
}

/// Resets while an operation is stopped before one of its steps. The operation continues when the reset has asked it to end or, if
/// the reset does not do so, after `then`.
async fn reset_meanwhile(emulator: &Sealyard, kind: Kind, then: impl AsyncFnOnce(&Sealyard)) {
    let intents = emulator.app().registries.intents().clone();
    intents.stop().reached().await;
    let id = under_way(&intents, kind);
    let (app, ended) = (emulator.app().clone(), Arc::new(Notify::new()));
    let tell = Arc::clone(&ended);
    let resetting = tokio::spawn(async move {
        let done = reset::reset(&app).await.map(drop);
        tell.notify_one();
        done
    });
    let reached = async {
        while !intents.is_stopping(id) {
            tokio::task::yield_now().await;
        }
    };
    let has_ended = tokio::select! {
        () = ended.notified() => true,
        () = reached => false,
    };
    if !has_ended {
        intents.stop().release();
    }
    resetting.await.unwrap().unwrap();
    then(emulator).await;
    intents.stop().release();
    operations_end(emulator).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_deletion_of_a_group_deletes_nothing_after_a_reset() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let intents = emulator.app().registries.intents().clone();
    make_group(&emulator).await;
    for name in ["team1", "team2"] {
        make_registry(&emulator, name, "team").await;
    }

    // Between the two registries.
    intents.stop().one_after(Kind::DeleteGroup, 2);
    arm(&emulator, Method::DELETE, "resourceGroups/team", None).await;
    let id = under_way(&intents, Kind::DeleteGroup);
    reset_meanwhile(&emulator, Kind::DeleteGroup, async |emulator: &Sealyard| {
        make_registry(emulator, "team2", "team").await;
    })
    .await;
    let is_there = emulator.registry_named("team2").is_some();
    let outcome = intents.outcome(id).await.unwrap();
    drop(intents);
    emulator.shutdown().await;

    assert!(is_there);
    assert_eq!(outcome, Some(Ok(())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_deployment_creates_nothing_after_a_reset() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let intents = emulator.app().registries.intents().clone();
    let identity = |name: &str, after: &[&str]| {
        json!({
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
            "apiVersion": "2018-11-30",
            "name": name,
            "location": "eastus",
            "dependsOn": after,
        })
    };
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [identity("one", &[]), identity("two", &["one"])],
    });
    let body = json!({ "properties": { "mode": "Incremental", "template": template } });
    let path = "resourceGroups/sealyard/providers/Microsoft.Resources/deployments/d";

    // Between the two identities.
    intents.stop().one_after(Kind::Deploy, 2);
    arm(&emulator, Method::PUT, path, Some(&body)).await;
    let id = under_way(&intents, Kind::Deploy);
    reset_meanwhile(&emulator, Kind::Deploy, async |_: &Sealyard| ()).await;
    let identities = emulator.app().registries.identities().await.unwrap().len();
    let outcome = intents.outcome(id).await.unwrap().unwrap();
    // Its name is free again.
    let again = arm(&emulator, Method::PUT, path, Some(&body)).await;
    operations_end(&emulator).await;
    drop(intents);
    emulator.shutdown().await;

    assert_eq!(identities, 1);
    assert_eq!(outcome.unwrap_err()["code"], "DeploymentCanceled");
    assert!(again["id"].is_string(), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_waits_for_a_running_revocation_before_it_examines_the_vault() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let intents = emulator.app().registries.intents().clone();
    emulator.create_identity("one").await.unwrap();

    // The record is stored, but the access is not removed yet.
    intents.stop().one_after(Kind::Revoke, 1);
    let (app, local) = (emulator.app().clone(), emulator.registry().clone());
    let revoking = tokio::spawn(async move {
        app.revocations
            .revoke(&local, app.revocation_context(), RevocationMethod::Disable, false)
            .await
            .map(drop)
    });
    intents.stop().reached().await;
    let app = emulator.app().clone();
    let resetting = tokio::spawn(async move { reset::reset(&app).await.map(drop) });
    // The reset removes the principal first, if it does not wait.
    for _ in 0..20_000 {
        if principals(&emulator) < 3 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let meanwhile = principals(&emulator);
    intents.stop().release();
    let revoked = revoking.await.unwrap();
    let reset = resetting.await.unwrap();
    let methods = emulator.app().revocations.methods_of("local");
    let state = state(&emulator, "local").await;
    drop(intents);
    emulator.shutdown().await;

    assert_eq!(meanwhile, 3);
    assert!(revoked.is_ok() && reset.is_ok(), "{revoked:?} {reset:?}");
    assert!(methods.is_empty(), "{methods:?}");
    assert_eq!(state, State::Active);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_a_reset_no_other_operation_continues_or_begins_in_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let intents = emulator.app().registries.intents().clone();

    let reset = intents.begin(Kind::Reset, &()).await.unwrap();
    let kinds = Kind::ALL.into_iter();
    for kind in kinds.filter(|kind| ![Kind::Reset, Kind::DeleteGroup, Kind::Deploy].contains(kind))
    {
        drop(intents.begin(kind, &json!("unreadable")).await.unwrap());
    }
    intents.end_backoff();
    let taken = intents.take_due(|_, _| true).map(|intent| intent.kind());
    let mut refused = Vec::new();
    for kind in [Kind::DeleteGroup, Kind::Deploy] {
        refused.push(intents.begin(kind, &json!({})).await.map(drop));
    }
    reset.end().await.unwrap();
    let begun = intents.begin(Kind::DeleteGroup, &json!({})).await.unwrap();
    let is_tried = async {
        while intents.unfinished().iter().all(|one| one.error.is_none()) {
            tokio::task::yield_now().await;
        }
    };
    let is_tried = tokio::time::timeout(LIMIT, is_tried).await;
    begun.end().await.unwrap();
    drop(intents);
    emulator.shutdown().await;

    assert_eq!(taken, None);
    for refused in refused {
        assert!(matches!(refused, Err(Error::ResetUnfinished { .. })), "{refused:?}");
    }
    assert!(is_tried.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_ends_before_its_next_step_when_a_reset_has_replaced_it() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let intents = emulator.app().registries.intents().clone();
    let group = intents.begin(Kind::DeleteGroup, &json!({ "group": "team" })).await.unwrap();
    let deployment = intents.begin(Kind::Deploy, &json!({})).await.unwrap();
    let before = [group.passed().await.is_ok(), deployment.passed().await.is_ok()];

    let reset = intents.begin(Kind::Reset, &()).await.unwrap();
    let (replacing, own) = (intents.clone(), intents.clone());
    let replaced = tokio::spawn(async move {
        let done = replacing.replace_for_reset(&reset).await;
        (done, reset)
    });
    while !own.is_stopping(group.id()) || !own.is_stopping(deployment.id()) {
        tokio::task::yield_now().await;
    }
    let results = [group.passed().await, deployment.passed().await];
    let waits = !replaced.is_finished();
    drop((group, deployment));
    let (done, reset) = replaced.await.unwrap();
    done.unwrap();
    reset.end().await.unwrap();
    drop((intents, own));
    emulator.shutdown().await;

    assert_eq!(before, [true, true]);
    assert!(results.iter().all(|result| matches!(result, Err(Error::Replaced))), "{results:?}");
    assert!(waits, "a reset waits until no attempt runs");
}

/// The number of role assignments at the group or in it.
async fn roles(emulator: &Sealyard) -> usize {
    let path = "providers/Microsoft.Authorization/roleAssignments";
    let listed = arm(emulator, Method::GET, path, None).await;
    let scope = |one: &Value| one["properties"]["scope"].as_str().unwrap().to_owned();
    let all = listed["value"].as_array().unwrap().iter();
    all.filter(|one| scope(one).contains("/resourceGroups/team")).count()
}

async fn give_role(emulator: &Sealyard) {
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/team");
    let vault = emulator.vault().unwrap();
    vault.assign_role(&group, "Reader", MANAGED_IDENTITY_OBJECT_ID).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_and_a_role_that_are_created_during_a_reset_are_kept_with_their_group_until_the_next()
 {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let intents = emulator.app().registries.intents().clone();
    make_group(&emulator).await;

    // The reset was interrupted, and its next attempt has examined the vaults.
    intents.stop().one_after(Kind::Reset, 1);
    leave(&emulator, Kind::Reset, Value::Null).await;
    intents.end_backoff();
    intents.stop().reached().await;
    let is_made = make_vault(&emulator).await;
    give_role(&emulator).await;
    intents.stop().release();
    operations_end(&emulator).await;
    let groups = async || emulator.app().registries.groups().await.unwrap().len();
    let before = (groups().await, vaults(&emulator).await, roles(&emulator).await);
    emulator.reset().await.unwrap();
    let after = (groups().await, vaults(&emulator).await, roles(&emulator).await);
    drop(intents);
    emulator.shutdown().await;

    assert!(is_made);
    assert_eq!(before, (2, 2, 1));
    assert_eq!(after, (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_removes_a_vault_and_a_role_whose_group_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let owner = emulator.app().owner().unwrap().clone();
    let absent = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/team/providers/Microsoft.KeyVault/vaults/none"
    );
    let delete = async || {
        owner.resource(Method::DELETE, &absent, &[("api-version", "2022-12-01")], None).await
    };
    make_group(&emulator).await;
    assert!(make_vault(&emulator).await);
    give_role(&emulator).await;
    let registries = emulator.app().registries.clone();
    registries.delete_group(&"team".parse().unwrap(), End::Nothing).await.unwrap();

    let done = emulator.reset().await;
    let left = (vaults(&emulator).await, roles(&emulator).await);
    let refused = delete().await;
    drop((registries, owner));
    emulator.shutdown().await;

    done.unwrap();
    assert_eq!(left, (1, 0));
    // An empty group is like a group that never existed.
    assert_eq!(refused.unwrap_err().code(), "ResourceGroupNotFound");
}
