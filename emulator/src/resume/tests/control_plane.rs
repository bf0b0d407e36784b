//! Tests of operations that the control plane accepts and performs later: deletions of groups and deployments.

use azure_emulator_core::identity::{OWNER_CLIENT_ID, OWNER_OBJECT_ID, SUBSCRIPTION};
use serde_json::json;

use super::*;
use crate::registry::{Deployment, DeploymentState, Kind};

/// Sends a request as the owner of the subscription.
pub(super) async fn arm(
    emulator: &Sealyard,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Value {
    let path = format!("/subscriptions/{SUBSCRIPTION}/{path}");
    let owner = emulator.app().owner().unwrap();
    owner.resource(method, &path, &[("api-version", "2022-12-01")], body).await.unwrap_or_default()
}

pub(super) async fn make_group(emulator: &Sealyard) {
    let place = json!({ "location": "eastus" });
    arm(emulator, Method::PUT, "resourceGroups/team", Some(&place)).await;
}

/// Waits for the operation of a kind. A test stops it in between.
async fn wait_for(emulator: &Sealyard, kind: Kind) {
    let intents = emulator.app().registries.intents();
    while intents.unfinished().iter().any(|one| one.operation == kind.name()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn an_accepted_deletion_of_a_group_deletes_all_its_resources() {
    let stops = Case {
        prepare: async |emulator: &Sealyard| {
            make_group(emulator).await;
            for name in ["team1", "team2"] {
                make_registry(emulator, name, "team").await;
            }
            assert_eq!(principals(emulator), 6);
        },
        operate: async |emulator: &Sealyard| {
            arm(emulator, Method::DELETE, "resourceGroups/team", None).await;
            wait_for(emulator, Kind::DeleteGroup).await;
        },
        check: async |emulator: &Sealyard, _: bool| {
            let registries = &emulator.app().registries;
            let groups = registries.groups().await.unwrap();
            assert_eq!(groups.len(), 1, "{groups:?}");
            assert_eq!((registries.all().len(), principals(emulator)), (1, 2));
            assert_eq!(registries.identities().await.unwrap().len(), 1);
            // Its name can be used again.
            make_group(emulator).await;
        },
    }
    .run();
    assert!(stops >= 8, "{stops}");
}

#[test]
fn an_accepted_deployment_is_performed_once() {
    let identity = |name: &str| {
        json!({
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
            "apiVersion": "2018-11-30",
            "name": name,
            "location": "[resourceGroup().location]",
        })
    };
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": { "name": { "type": "secureString" }, "other": { "type": "string", "defaultValue": "[concat('x', newGuid())]" } },
        "resources": [identity("[parameters('name')]"), identity("[parameters('other')]"), {
            "type": "Microsoft.ContainerRegistry/registries",
            "apiVersion": "2023-07-01",
            "name": "team1",
            "location": "[resourceGroup().location]",
            "sku": { "name": "Premium" },
        }],
    });
    let body = json!({ "properties": { "mode": "Incremental", "template": template, "parameters": { "name": { "value": "one" } } } });
    let path = "resourceGroups/team/providers/Microsoft.Resources/deployments/d";
    let stops = Case {
        prepare: async |emulator: &Sealyard| make_group(emulator).await,
        operate: async |emulator: &Sealyard| {
            arm(emulator, Method::PUT, path, Some(&body)).await;
            wait_for(emulator, Kind::Deploy).await;
        },
        check: async |emulator: &Sealyard, has_ended: bool| {
            let shown = arm(emulator, Method::GET, path, None).await;
            let identities = emulator.app().registries.identities().await.unwrap().len();
            if shown.is_null() && !has_ended {
                // The stop came before the answer.
                assert_eq!((identities, emulator.registry_named("team1").is_some()), (1, false));
                return;
            }
            assert_eq!(shown["properties"]["provisioningState"], "Succeeded", "{shown}");
            assert_eq!(identities, 3, "the names that newGuid() makes are the same again");
            assert!(emulator.registry_named("team1").is_some());
        },
    }
    .run();
    assert!(stops >= 5, "{stops}");
}

/// Leaves a deployment to resume, in the name of the owner.
async fn leave_deployment(emulator: &Sealyard) -> uuid::Uuid {
    let caller = json!({ "app_id": OWNER_CLIENT_ID, "object_id": OWNER_OBJECT_ID, "issuer": "i", "kind": "application" });
    let source = json!({ "text": "{}", "now": "2026-01-01T00:00:00Z", "seed": "s" });
    let steps = json!({ "group": "sealyard", "name": "d", "caller": caller, "host": "localhost", "source": source });
    let intents = emulator.app().registries.intents().clone();
    let intent = intents.begin(Kind::Deploy, &steps).await.unwrap();
    intent.id()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_cannot_continue_ends_as_failed() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let registries = emulator.app().registries.clone();
    let deployment = |name: &str, state| Deployment {
        group: ResourceGroup::default(),
        name: name.parse().unwrap(),
        state,
        begun: registries.moment(),
        ended: None,
        report: json!({ "properties": { "error": { "code": "Before" } } }),
    };

    let without_row = leave_deployment(&emulator).await;
    operations_end(&emulator).await;
    let failed = deployment("d", DeploymentState::Failed);
    registries.begin_deployment(&failed, "{}".to_owned()).await.unwrap();
    let ended_before = leave_deployment(&emulator).await;
    operations_end(&emulator).await;
    // Its template is refused.
    let running = deployment("d", DeploymentState::Running);
    registries.begin_deployment(&running, "{}".to_owned()).await.unwrap();
    let refused = leave_deployment(&emulator).await;
    operations_end(&emulator).await;
    let row = registries.deployment(&running.group, &running.name).await.unwrap();
    let outcome = async |id| registries.intents().outcome(id).await.unwrap().unwrap();
    let outcomes =
        [outcome(without_row).await, outcome(ended_before).await, outcome(refused).await];
    let again = arm(
        &emulator,
        Method::DELETE,
        "resourceGroups/sealyard/providers/Microsoft.Resources/deployments/d",
        None,
    )
    .await;
    drop(registries);
    emulator.shutdown().await;

    assert_eq!(outcomes[0].as_ref().unwrap_err()["code"], "DeploymentNotFound");
    assert_eq!(outcomes[1].as_ref().unwrap_err()["code"], "Before");
    assert_eq!(outcomes[2].as_ref().unwrap_err()["code"], "InvalidRequestContent");
    assert_eq!(row.state, DeploymentState::Failed);
    assert!(again.is_null(), "the name is free: {again}");
}

/// Waits for the operation of an id, without the delays between its attempts.
async fn ended(emulator: &Sealyard, id: uuid::Uuid) -> crate::registry::Outcome {
    let intents = emulator.app().registries.intents();
    let ended = async {
        while intents.is_unfinished(id) {
            intents.end_backoff();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, ended).await.expect("the operation does not end");
    intents.outcome(id).await.unwrap().unwrap()
}

pub(super) async fn make_vault(emulator: &Sealyard) -> bool {
    let vault = json!({ "location": "eastus", "properties": {
        "tenantId": azure_emulator_core::identity::TENANT,
        "sku": { "name": "standard", "family": "A" },
        "accessPolicies": [],
    }});
    let path = "resourceGroups/team/providers/Microsoft.KeyVault/vaults/team-vault";
    arm(emulator, Method::PUT, path, Some(&vault)).await["id"].is_string()
}

pub(super) async fn vaults(emulator: &Sealyard) -> usize {
    emulator.app().owner().unwrap().vaults().await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_of_a_group_that_a_resource_always_refuses_ends_and_names_the_resource() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let registries = emulator.app().registries.clone();
    make_group(&emulator).await;
    make_registry(&emulator, "team1", "team").await;
    assert!(make_vault(&emulator).await);
    // `local` cannot be deleted.
    emulator.registry().pretend_group("team".parse().unwrap());

    arm(&emulator, Method::DELETE, "resourceGroups/team", None).await;
    let id = registries.intents().unfinished().first().unwrap().id;
    let outcome = ended(&emulator, id).await;
    let is_there = emulator.registry_named("team1").is_some();
    let identities = registries.identities().await.unwrap().len();
    let group = registries.group(&"team".parse().unwrap()).await;
    let vaults = vaults(&emulator).await;
    drop(registries);
    emulator.shutdown().await;

    let error = outcome.unwrap_err();
    assert_eq!(error["code"], "ResourceGroupDeletionBlocked", "{error}");
    let detail = &error["details"][0];
    assert_eq!(detail["code"], "Conflict", "{error}");
    assert!(detail["target"].as_str().unwrap().ends_with("/registries/local"), "{error}");
    // The other registry is deleted. The resources that the remaining registry may use are kept, and so is the group.
    assert_eq!((is_there, identities, vaults), (false, 2, 2));
    group.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_the_caller_may_not_see_is_not_left_without_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let registries = emulator.app().registries.clone();
    make_group(&emulator).await;
    assert!(make_vault(&emulator).await);
    let place = json!({ "location": "eastus" });
    arm(&emulator, Method::PUT, "resourceGroups/other", Some(&place)).await;
    let someone = emulator.create_identity("one").await.unwrap().principal;
    let other = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/other");
    let vault = emulator.vault().unwrap();
    vault.assign_role(&other, "Reader", &someone.principal_id).await.unwrap();
    let caller = json!({
        "app_id": someone.client_id, "object_id": someone.principal_id, "issuer": "i", "kind": "application",
    });

    let steps = json!({ "group": "team", "caller": caller });
    let intent = registries.intents().begin(Kind::DeleteGroup, &steps).await.unwrap();
    let id = intent.id();
    drop(intent);
    let outcome = ended(&emulator, id).await;
    let group = registries.group(&"team".parse().unwrap()).await;
    let vaults = vaults(&emulator).await;
    drop(registries);
    emulator.shutdown().await;

    let error = outcome.unwrap_err();
    assert_eq!(error["details"][0]["code"], "AuthorizationFailed", "{error}");
    assert_eq!(vaults, 2);
    group.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_with_a_new_resource_keeps_its_roles() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let registries = emulator.app().registries.clone();
    make_group(&emulator).await;
    let someone = emulator.create_identity("one").await.unwrap().principal;
    let team = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/team");
    let vault = emulator.vault().unwrap();
    vault.assign_role(&team, "Reader", &someone.principal_id).await.unwrap();
    let owner = json!({
        "app_id": OWNER_CLIENT_ID, "object_id": OWNER_OBJECT_ID, "issuer": "i", "kind": "application",
    });

    let steps = json!({ "group": "team", "caller": owner });
    let mut intent = registries.intents().begin(Kind::DeleteGroup, &steps).await.unwrap();
    let id = intent.id();
    intent.reach("empty").await.unwrap();
    emulator.registry().pretend_group("team".parse().unwrap());
    drop(intent);
    let outcome = ended(&emulator, id).await;
    let roles = "resourceGroups/team/providers/Microsoft.Authorization/roleAssignments";
    let roles = arm(&emulator, Method::GET, roles, None).await.to_string();
    drop(registries);
    emulator.shutdown().await;

    outcome.unwrap_err();
    assert!(roles.contains(&someone.principal_id), "{roles}");
}
