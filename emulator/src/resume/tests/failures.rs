//! Tests of operations that cannot continue: they are reported, tried again, and delay nothing else.

use std::sync::Arc;

use mock_keyvault::MockKeyVault;
use serde_json::json;

use super::*;
use crate::config::{Config, ExternalVault, VaultChoice};
use crate::registry::Kind;

fn external(vault: &MockKeyVault) -> ExternalVault {
    ExternalVault {
        url: vault.uri().parse().unwrap(),
        authority: Some(vault.authority_uri().parse().unwrap()),
        tenant: None,
        client_id: None,
        client_secret_file: None,
        ca: Some(vault.ca_path().to_owned()),
    }
}

async fn status(emulator: &Sealyard) -> Value {
    ask(emulator, Method::GET, "/_sealyard/status", None).await.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_without_its_vault_waits_and_refuses_pushes_meanwhile() {
    crate::install_crypto_provider();
    let folder = tempfile::tempdir().unwrap();
    let vault_at = |address| {
        let vault = MockKeyVault::builder().data_dir(folder.path().join("v")).listen(address);
        vault.durability(crate::store::Durability::Relaxed).start()
    };
    let vault = vault_at("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = vault.address();
    let config = Config {
        vault: VaultChoice::External(external(&vault)),
        data_dir: folder.path().join("d"),
        ..Config::default()
    };
    let start = || Sealyard::builder().config(config.clone()).free_ports().start();
    let emulator = start().await.unwrap();
    assert_eq!(push(&emulator, b"before").await, StatusCode::CREATED);
    // The state after a kill at the beginning.
    let intents = emulator.app().registries.intents().clone();
    intents.stop().after(0);
    let (app, stopped) = (emulator.app().clone(), intents.clone());
    let resetting = tokio::spawn(async move { crate::reset::reset(&app).await.map(drop) });
    stopped.stop().reached().await;
    vault.shutdown().await;
    // The rows show that the end of the task is not the end of the operation.
    let rows = Arc::clone(&intents.rows());
    drop((intents, stopped));
    resetting.abort();
    let _ = resetting.await;
    assert_eq!(rows.intents().unwrap().len(), 1);
    drop(rows);
    emulator.shutdown().await;

    let emulator = start().await.unwrap();
    let report = async {
        loop {
            let unfinished = status(&emulator).await["unfinished"][0].clone();
            if unfinished["error"].is_string() {
                return unfinished;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let report = tokio::time::timeout(LIMIT, report).await.unwrap();
    let refused = push(&emulator, b"meanwhile").await;
    let events = emulator.app().events.newest(usize::MAX);
    let is_reported = events.iter().any(|event| event.event.what.name() == "operationBlocked");
    let vault = vault_at(address).await.unwrap();
    operations_end(&emulator).await;

    assert_eq!(report["operation"], "reset");
    assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
    assert!(is_reported);
    assert_eq!(pull(&emulator, b"before").await, StatusCode::NOT_FOUND);
    assert_eq!(push(&emulator, b"after").await, StatusCode::CREATED);
    assert_eq!(status(&emulator).await["unfinished"], Value::Null);
    emulator.shutdown().await;
    vault.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_cannot_continue_delays_neither_the_start_nor_another_operation() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let rows = emulator.app().registries.intents().rows();
    let intents = emulator.app().registries.intents().clone();
    // Parameters that cannot be read, and parameters of a future version.
    drop(intents.begin(Kind::UpdateRegistry, &json!({ "registry": "local" })).await.unwrap());
    let row = crate::store::IntentRow {
        id: uuid::Uuid::new_v4(),
        operation: "levitate".to_owned(),
        step: String::new(),
        begun: 0,
        parameters: vec![1; 9000],
        damage: None,
    };
    rows.begin_intent(&row, azure_emulator_core::disk_space::Purpose::Rows).unwrap();
    drop((rows, intents));
    emulator.shutdown().await;

    let emulator = start(folder.path()).await;
    emulator.create_registry("team1").await.unwrap();
    emulator.app().registries.delete(&"team1".parse().unwrap()).await.unwrap();
    let unfinished = emulator.app().registries.intents().unfinished();

    assert_eq!(push(&emulator, b"layer").await, StatusCode::CREATED);
    let mut names: Vec<&str> = unfinished.iter().map(|one| one.operation.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["levitate", "updateRegistry"]);
    assert!(unfinished.iter().all(|one| one.error.is_some()), "{unfinished:?}");
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_attempt_reports_its_reason_and_delays_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = start(folder.path()).await;
    let intents = emulator.app().registries.intents().clone();
    // A reset has no parameters, so there is nothing that cannot be read.
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Reset).collect();
    for kind in &kinds {
        drop(intents.begin(*kind, &json!("unreadable")).await.unwrap());
    }
    let is_due_at_once = intents.take_due(|_, _| true).is_some();
    drop(intents);
    emulator.shutdown().await;

    let emulator = start(folder.path()).await;
    let intents = emulator.app().registries.intents().clone();
    let all_reported = async {
        while intents.unfinished().iter().any(|one| one.error.is_none()) {
            tokio::task::yield_now().await;
        }
    };
    let reported = tokio::time::timeout(LIMIT, all_reported).await;
    let unfinished = intents.unfinished();
    drop(intents);
    emulator.shutdown().await;

    assert!(!is_due_at_once);
    assert!(reported.is_ok(), "{unfinished:?}");
    assert_eq!(unfinished.len(), kinds.len());
    assert!(unfinished.iter().all(|one| (1..10).contains(&one.attempts)), "{unfinished:?}");
}
