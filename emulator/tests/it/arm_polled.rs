//! The control plane with `--arm-operations polled`: clients poll the operations that they poll in Azure. And the locations
//! of resources, with strict parity and without it.

use azure_emulator_core::identity::{SUBSCRIPTION, TENANT};
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use sealyard::{ArmOperations, Config};
use serde_json::{Value, json};

use crate::support::arm::{ask, code, make_group, owner_token, send};
use crate::support::registries::{basic, path};
use crate::support::{Answer, Client};

const GROUP: &str = "resourceGroups/team";

async fn polled() -> Sealyard {
    let config = Config { arm_operations: ArmOperations::Polled, ..Config::default() };
    let emulator = Sealyard::builder().config(config).ephemeral().start().await.unwrap();
    make_group(&emulator, "team").await;
    emulator
}

/// Requests the URL in this header of an answer.
async fn follow(emulator: &Sealyard, answer: &Answer, header: &str) -> Answer {
    let url = answer.headers[header].to_str().unwrap().to_owned();
    ask(emulator, &url, Some(&owner_token(emulator))).await
}

/// The states that an operation reports until its end.
async fn states(emulator: &Sealyard, begun: &Answer) -> Vec<String> {
    let mut states = Vec::new();
    while states.last().is_none_or(|state| state == "InProgress") {
        let answer = follow(emulator, begun, "azure-asyncoperation").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let body = answer.json();
        let state = body["status"].as_str().unwrap();
        assert_eq!(answer.headers.contains_key("retry-after"), state == "InProgress");
        states.push(state.to_owned());
    }
    states
}

async fn get(emulator: &Sealyard, path: &str) -> Answer {
    send(emulator, Method::GET, path, &Value::Null).await
}

fn state(answer: &Answer) -> String {
    answer.json()["properties"]["provisioningState"].as_str().unwrap().to_owned()
}

fn vault() -> Value {
    let sku = json!({"name": "standard", "family": "A"});
    json!({"location": "eastus", "properties": {"tenantId": TENANT, "sku": sku, "accessPolicies": []}})
}

#[tokio::test]
async fn a_registry_is_created_changed_and_deleted_in_operations_that_are_polled_to_their_end() {
    let emulator = polled().await;
    let at = path("team1");
    let until_the_end = ["InProgress", "InProgress", "Succeeded"];

    let made = send(&emulator, Method::PUT, &at, &basic()).await;
    let early = get(&emulator, &at).await;
    assert_eq!((made.status, state(&made).as_str()), (StatusCode::CREATED, "Creating"));
    assert_eq!(made.headers["retry-after"], "1");
    assert_eq!(state(&early), "Creating");
    assert_eq!(states(&emulator, &made).await, until_the_end);
    assert_eq!(state(&get(&emulator, &at).await), "Succeeded");
    let located = follow(&emulator, &made, "location").await;
    assert_eq!(
        (located.status, located.json()),
        (StatusCode::OK, get(&emulator, &at).await.json())
    );

    let change = json!({"tags": {"a": "b"}});
    let changed = send(&emulator, Method::PATCH, &at, &change).await;
    assert_eq!((changed.status, state(&changed).as_str()), (StatusCode::CREATED, "Updating"));
    assert_eq!(states(&emulator, &changed).await, until_the_end);

    let deleted = send(&emulator, Method::DELETE, &at, &Value::Null).await;
    assert_eq!((deleted.status, deleted.body.len()), (StatusCode::ACCEPTED, 0));
    let mut ends = Vec::new();
    while ends.last().is_none_or(|end| *end == StatusCode::ACCEPTED) {
        ends.push(follow(&emulator, &deleted, "location").await.status);
    }
    assert_eq!(ends, [StatusCode::ACCEPTED, StatusCode::ACCEPTED, StatusCode::OK]);
    assert_eq!(states(&emulator, &deleted).await, ["Succeeded"]);
    assert_eq!(get(&emulator, &at).await.status, StatusCode::NOT_FOUND);
    let again = send(&emulator, Method::DELETE, &at, &Value::Null).await;
    assert_eq!(again.status, StatusCode::NO_CONTENT, "a second deletion starts no operation");
}

#[tokio::test]
async fn an_operation_that_no_client_polls_ends_by_the_clock() {
    let emulator = polled().await;
    let client = Client::of(&emulator);

    let made = send(&emulator, Method::PUT, &path("team1"), &basic()).await;
    client.send_json("/_sealyard/clock", &json!({ "advance": "PT30S" })).await;

    assert_eq!(state(&get(&emulator, &path("team1")).await), "Succeeded");
    assert_eq!(states(&emulator, &made).await, ["Succeeded"]);
}

#[tokio::test]
async fn a_refusal_comes_at_once_and_starts_no_operation() {
    let emulator = polled().await;
    let mut wrong = basic();
    wrong["sku"]["name"] = "Gold".into();

    let refused = send(&emulator, Method::PUT, &path("team1"), &wrong).await;

    assert_eq!((refused.status, code(&refused).as_str()), (StatusCode::BAD_REQUEST, "InvalidSku"));
    assert!(!refused.headers.contains_key("azure-asyncoperation"));
}

#[tokio::test]
async fn a_new_vault_reports_its_provisioning_state_and_a_purge_is_an_operation() {
    let emulator = polled().await;
    let at = format!("{GROUP}/providers/Microsoft.KeyVault/vaults/polled1");
    let purge =
        "providers/Microsoft.KeyVault/locations/eastus/deletedVaults/polled1/purge".to_owned();

    let made = send(&emulator, Method::PUT, &at, &vault()).await;
    let mut seen = vec![state(&made)];
    while seen.last().is_some_and(|state| state != "Succeeded") {
        let answer = get(&emulator, &at).await;
        assert_eq!(answer.headers.contains_key("retry-after"), state(&answer) != "Succeeded");
        seen.push(state(&answer));
    }
    let again = send(&emulator, Method::PUT, &at, &vault()).await;
    let deleted = send(&emulator, Method::DELETE, &at, &Value::Null).await;
    let purged = send(&emulator, Method::POST, &purge, &Value::Null).await;

    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert!(!made.headers.contains_key("azure-asyncoperation"));
    assert_eq!(seen, ["RegisteringDns", "RegisteringDns", "RegisteringDns", "Succeeded"]);
    assert_eq!(state(&again), "Succeeded", "only a new vault has to register its name");
    assert_eq!(deleted.status, StatusCode::OK, "{deleted:?}");
    assert_eq!(purged.status, StatusCode::ACCEPTED, "{purged:?}");
    assert_eq!(states(&emulator, &purged).await.last().unwrap(), "Succeeded");
    let unknown = purge.replace("polled1", "polled2");
    let unknown = send(&emulator, Method::POST, &unknown, &Value::Null).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{unknown:?}");
}

#[tokio::test]
async fn identities_and_groups_are_created_at_once_and_deployments_are_deleted_in_an_operation() {
    let emulator = polled().await;
    let identity =
        format!("{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/own1");
    let deployment = format!("{GROUP}/providers/Microsoft.Resources/deployments/first");
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [],
    });
    let body = json!({"properties": {"mode": "Incremental", "template": template}});

    let somewhere = json!({"location": "eastus"});
    let group = send(&emulator, Method::PUT, "resourceGroups/other", &somewhere).await;
    let made = send(&emulator, Method::PUT, &identity, &somewhere).await;
    let gone = send(&emulator, Method::DELETE, &identity, &Value::Null).await;
    let deployed = send(&emulator, Method::PUT, &deployment, &body).await;
    states(&emulator, &deployed).await;
    let deleted = send(&emulator, Method::DELETE, &deployment, &Value::Null).await;

    for answer in [&group, &made] {
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert!(!answer.headers.contains_key("azure-asyncoperation"), "{answer:?}");
    }
    assert_eq!(gone.status, StatusCode::OK, "{gone:?}");
    assert_eq!(deleted.status, StatusCode::ACCEPTED, "{deleted:?}");
    assert_eq!(states(&emulator, &deleted).await.last().unwrap(), "Succeeded");
    assert_eq!(get(&emulator, &deployment).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_operation_has_succeeded_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let config = Config { arm_operations: ArmOperations::Polled, ..Config::default() };
        let builder = Sealyard::builder().config(config).ephemeral();
        builder.data_dir(folder.path().join("d")).start()
    };
    let emulator = start().await.unwrap();
    make_group(&emulator, "team").await;
    let made = send(&emulator, Method::PUT, &path("team1"), &basic()).await;
    emulator.shutdown().await;

    let emulator = start().await.unwrap();

    assert_eq!(states(&emulator, &made).await, ["Succeeded"]);
    let located = follow(&emulator, &made, "location").await;
    assert_eq!((located.status, state(&located).as_str()), (StatusCode::OK, "Succeeded"));
}

#[tokio::test]
async fn an_operation_is_not_shown_without_a_token() {
    let emulator = polled().await;
    let made = send(&emulator, Method::PUT, &path("team1"), &basic()).await;

    for header in ["azure-asyncoperation", "location"] {
        let url = made.headers[header].to_str().unwrap();
        assert!(url.contains(SUBSCRIPTION), "{url}");
        assert_eq!(ask(&emulator, url, None).await.status, StatusCode::UNAUTHORIZED, "{header}");
    }
}

/// The path and body of a resource of each type at this location.
fn placed(location: &str) -> [(String, Value); 4] {
    let at = |mut body: Value| {
        body["location"] = location.into();
        body
    };
    let provider = |rest: &str| format!("{GROUP}/providers/{rest}");
    [
        ("resourceGroups/placed".to_owned(), at(json!({}))),
        (provider("Microsoft.ManagedIdentity/userAssignedIdentities/placed"), at(json!({}))),
        (provider("Microsoft.KeyVault/vaults/placed1"), at(vault())),
        (provider("Microsoft.ContainerRegistry/registries/placed1"), at(basic())),
    ]
}

#[tokio::test]
async fn a_location_is_stored_by_name_and_strict_parity_refuses_unknown_locations() {
    for strict in [false, true] {
        let config = Config { strict_parity: strict, ..Config::default() };
        let emulator = Sealyard::builder().config(config).ephemeral().start().await.unwrap();
        make_group(&emulator, "team").await;

        if strict {
            for (path, body) in placed("Atlantis") {
                let refused = send(&emulator, Method::PUT, &path, &body).await;
                let message = refused.json()["error"]["message"].to_string();
                assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}: {refused:?}");
                assert!(code(&refused).starts_with("LocationNotAvailableForResource"), "{path}");
                assert!(message.contains("'atlantis'") && message.contains("eastus"), "{message}");
                assert_eq!(get(&emulator, &path).await.status, StatusCode::NOT_FOUND, "{path}");
            }
        }
        let location = if strict { "East US" } else { "At Lantis" };
        for (path, body) in placed(location) {
            let made = send(&emulator, Method::PUT, &path, &body).await;
            assert!(made.status.is_success(), "{path}: {made:?}");
            let kept = get(&emulator, &path).await.json();
            assert_eq!(kept["location"], location.replace(' ', "").to_lowercase(), "{path}");
        }
    }
}
