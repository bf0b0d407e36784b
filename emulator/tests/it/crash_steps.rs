//! `kill -9` of the program during operations of several steps: after the restart each is complete or was never started.
//!
//! Each test kills the program a few times, spread over the operation. `SEALYARD_TEST_KILLS` sets another number.

use std::collections::BTreeMap;
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::azure::Owner;
use crate::support::process::{Process, spawn};
use crate::support::{Answer, content};

const GROUP: &str = "resourceGroups/team";

fn kills() -> u32 {
    let kills = std::env::var("SEALYARD_TEST_KILLS").ok();
    kills.map_or(4, |kills| kills.parse().expect("SEALYARD_TEST_KILLS is a number"))
}

fn owner(process: &Process) -> Owner {
    let azure = process.endpoints["azure"].as_str().unwrap().trim_start_matches("https://");
    let ca = std::fs::read_to_string(process.endpoints["ca"].as_str().unwrap()).unwrap();
    Owner::at(azure, &ca)
}

/// Waits until the emulator has no unfinished operation.
async fn operations_end(process: &Process) -> Value {
    let ended = async {
        loop {
            let status = process.client.get("/_sealyard/status").await.json();
            if status["unfinished"].is_null() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), ended).await.expect("operations end")
}

async fn prepare_reset(process: &Process, layer: &[u8]) {
    let pushed = process.client.push_blob("app", layer).await;
    assert_eq!(pushed.status, StatusCode::CREATED, "{pushed:?}");
    process.client.key("rotate").await;
}

#[tokio::test]
async fn local_is_available_after_every_kill_during_a_reset_after_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let layer = content::bytes(1, 100_000);
    let mut process = spawn(folder.path(), &[]).await;
    prepare_reset(&process, &layer).await;
    let clock = Clock::system();
    let begun = clock.elapsed();
    process.client.send_json("/_sealyard/reset", &json!({})).await;
    let whole = clock.elapsed().saturating_sub(begun);
    let mut seen = BTreeMap::new();

    let kills = kills();
    for kill in 0..kills {
        prepare_reset(&process, &layer).await;
        let client = process.client.clone();
        let resetting = tokio::spawn(async move {
            client.request(Method::POST, "/_sealyard/reset").json(&json!({})).send().await
        });
        tokio::time::sleep(whole * kill / kills).await;
        process.child.kill().await.unwrap();
        let was_answered = resetting.await.unwrap().is_ok();
        process = spawn(folder.path(), &[]).await;

        let local = |status: &Value| {
            let local = &status["registries"][0];
            (local["state"].as_str().unwrap().to_owned(), local["cause"].clone())
        };
        // The status is right at once, before the first request for content.
        let (state, cause) = local(&process.client.get("/_sealyard/status").await.json());
        assert!(state != "unavailable" && cause.is_null(), "kill {kill}: {state} {cause}");
        let pulled = process.client.pull_blob("app", &layer).await;
        let is_reset = pulled.status == StatusCode::NOT_FOUND;
        assert!(is_reset || (!was_answered && pulled.body == layer), "kill {kill}: {pulled:?}");
        assert_eq!(process.client.push_blob("app", b"new").await.status, StatusCode::CREATED);
        *seen.entry(if is_reset { "reset" } else { "not begun" }).or_insert(0) += 1;
        let (state, cause) = local(&operations_end(&process).await);
        assert_eq!((state.as_str(), &cause), ("active", &Value::Null), "kill {kill}");
    }
    eprintln!("reset after a rotation: {kills} kills, 0 unavailable, {seen:?}");
}

/// Creates a group with two registries, each with an identity and content.
async fn prepare_group(process: &Process) {
    let owner = owner(process);
    let place = json!({ "location": "eastus" });
    assert!(owner.subscription(Method::PUT, GROUP, &place).await.status.is_success());
    for name in ["team1", "team2"] {
        let identity =
            format!("{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}");
        assert!(owner.subscription(Method::PUT, &identity, &place).await.status.is_success());
        let registry = format!("{GROUP}/providers/Microsoft.ContainerRegistry/registries/{name}");
        let body = json!({
            "location": "eastus", "sku": { "name": "Premium" }, "identity": { "type": "SystemAssigned" },
        });
        let made = owner.subscription(Method::PUT, &registry, &body).await;
        assert!(made.status.is_success(), "{made:?}");
    }
}

async fn principals(process: &Process) -> usize {
    let owner = owner(process);
    let listed = owner.admin("principals").await;
    listed["value"].as_array().unwrap().len()
}

#[tokio::test]
async fn an_accepted_deletion_of_a_group_is_completed_after_every_kill_and_its_operation_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = spawn(folder.path(), &[]).await;
    let before = principals(&process).await;
    let kills = kills();
    let (mut running, mut ended) = (0, 0);

    for kill in 0..kills {
        prepare_group(&process).await;
        let accepted = owner(&process).subscription(Method::DELETE, GROUP, &Value::Null).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
        let location = accepted.header("location").to_owned();
        tokio::time::sleep(Duration::from_millis(u64::from(kill) * 3)).await;
        process.child.kill().await.unwrap();
        process = spawn(folder.path(), &[]).await;

        let owner = owner(&process);
        let first = owner.url(Method::GET, &location).await;
        match first.status {
            StatusCode::ACCEPTED => running += 1,
            StatusCode::OK => ended += 1,
            other => panic!("kill {kill}: {other} {first:?}"),
        }
        let polled = poll(&owner, &location).await;
        assert_eq!(polled.status, StatusCode::OK, "kill {kill}: {polled:?}");
        let group = owner.subscription(Method::HEAD, GROUP, &Value::Null).await;
        assert_eq!(group.status, StatusCode::NOT_FOUND, "kill {kill}");
        assert_eq!(principals(&process).await, before, "kill {kill}");
        let registries = operations_end(&process).await["registries"].as_array().unwrap().len();
        assert_eq!(registries, 1, "kill {kill}");
    }
    eprintln!(
        "deletion of a group: {kills} kills after 202, {kills} resumed ({running} still running at the first poll, {ended} ended)"
    );
}

async fn poll(owner: &Owner, location: &str) -> Answer {
    let polled = async {
        loop {
            let answer = owner.url(Method::GET, location).await;
            if answer.status != StatusCode::ACCEPTED {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), polled).await.expect("the operation ends")
}
