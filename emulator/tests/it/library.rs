//! Changes through the library: the next request sees the new state.

use azure_emulator_core::faults::{FaultKind, FaultRule};
use http::StatusCode;
use sealyard::KeyOperation;
use sealyard::RevocationMethod;
use sealyard::{Cause, State};

use crate::support::start;

#[tokio::test]
async fn the_first_request_after_a_change_of_the_key_sees_the_new_state() {
    let (emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;

    for (dark, light) in [
        (KeyOperation::Disable, KeyOperation::Enable),
        (KeyOperation::Delete, KeyOperation::Recover),
    ] {
        let changed = emulator.change_key("local", dark).await.unwrap();
        let refused = client.pull_blob("app", b"layer").await;
        let back = emulator.change_key("local", light).await.unwrap();
        let served = client.pull_blob("app", b"layer").await;

        assert_eq!((changed.state, refused.status), (State::Unavailable, StatusCode::FORBIDDEN));
        assert_eq!((back.state, &served.body[..]), (State::Active, &b"layer"[..]), "{light:?}");
    }
    let disabled = emulator.set_key_enabled("local", false).await.unwrap();
    assert_eq!(disabled.cause, Some(Cause::KeyDisabled));
    emulator.set_key_enabled("local", true).await.unwrap();
    let rotated = emulator.change_key("local", KeyOperation::Rotate).await.unwrap();
    assert_eq!(rotated.rotation.unwrap().to, rotated.key_identifier);
}

#[tokio::test]
async fn a_revocation_and_a_restore_take_effect_at_once() {
    let (emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;

    for method in [
        RevocationMethod::Policy,
        RevocationMethod::Disable,
        RevocationMethod::Delete,
        RevocationMethod::Firewall,
        RevocationMethod::Vault,
        RevocationMethod::Identity,
    ] {
        let revoked = emulator.revoke("local", method).await.unwrap();
        let refused = client.pull_blob("app", b"layer").await;
        let restored = emulator.restore("local").await.unwrap();
        let served = client.pull_blob("app", b"layer").await;

        assert_eq!((revoked.by, refused.status), (method, StatusCode::FORBIDDEN));
        assert_eq!((restored.restored, served.status), (vec![method], StatusCode::OK));
    }
}

#[tokio::test]
async fn faults_of_the_registry_and_the_vault_are_added_listed_and_removed() {
    let (emulator, client) = start().await;
    let busy = FaultKind::Status { status: 503, retry_after: None };

    let blobs = emulator.add_fault(FaultRule::new("base", busy)).await.unwrap();
    emulator.add_fault(FaultRule::new("vault", FaultKind::Outage).named("gone")).await.unwrap();
    let list = emulator.faults().await.unwrap();
    let struck = client.get("/v2/").await;
    emulator.remove_fault(&blobs).await.unwrap();
    let spared = client.get("/v2/").await;
    emulator.clear_faults().await.unwrap();

    let on: Vec<&str> = list.faults.iter().filter_map(|rule| rule["on"].as_str()).collect();
    assert_eq!(on, ["base", "vault"]);
    assert_eq!((struck.status, spared.status), (StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK));
    assert!(emulator.faults().await.unwrap().faults.is_empty());
}

#[tokio::test]
async fn a_refused_change_gives_the_reason() {
    let (emulator, _client) = start().await;

    let unknown = emulator.set_key_enabled("nosuch1", false).await.unwrap_err();
    let superfluous = emulator.remove_fault("nothing").await.unwrap_err();

    assert_eq!(unknown.report().code, "RegistryNotFound");
    assert_eq!(superfluous.to_string(), "there is no fault rule \"nothing\"");
}
