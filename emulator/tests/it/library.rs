//! Changes through the library, of which the next request sees the new state, and what the library reads.

use azure_emulator_core::faults::{FaultKind, FaultRule};
use http::{Method, StatusCode};
use mock_keyvault::{KeyPermission, KeySize};
use sealyard::{
    Cause, CollectRequest, CreateRegistry, FeatureStatus, KeyOperation, RevocationMethod, State,
    VerifyRequest,
};

use crate::support::{Client, start};

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

#[tokio::test]
async fn the_state_of_a_registry_is_read_without_a_change() {
    let (emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;
    let before = emulator.status("local").await.unwrap();
    let calls = emulator.vault().unwrap().calls().len();

    let again = emulator.status("local").await.unwrap();
    let more_calls = emulator.vault().unwrap().calls().len() - calls;
    emulator.set_key_enabled("local", false).await.unwrap();
    let dark = emulator.status("LOCAL").await.unwrap();
    let events = emulator.events("local").await.unwrap();
    let unknown = emulator.status("nosuch1").await.unwrap_err();

    assert_eq!((before.state, before.cause), (State::Active, None));
    assert!(before.blobs > 0 && before.key.is_some(), "{before:?}");
    assert_eq!(again, before);
    assert_eq!(more_calls, 0);
    assert_eq!((dark.state, dark.cause), (State::Unavailable, Some(Cause::KeyDisabled)));
    assert!(dark.since >= before.since);
    let last = events.last().unwrap();
    assert_eq!((last.event.as_str(), last.to.as_deref()), ("stateChanged", Some("unavailable")));
    assert_eq!(unknown.report().code, "RegistryNotFound");
}

#[tokio::test]
async fn a_registry_is_created_with_the_key_and_the_identity_of_the_caller() {
    let (emulator, _client) = start().await;
    let identity = emulator.create_identity("reader").await.unwrap();
    let vault = emulator.vault().unwrap();
    vault.create_key("local", "chosen", KeySize::Rsa2048).await.unwrap();
    let principal = &identity.principal.principal_id;
    vault.set_access_policy("local", principal, KeyPermission::FOR_ENCRYPTION).await.unwrap();

    let keyless = CreateRegistry {
        name: "plain1".to_owned(),
        sku: Some("Basic".to_owned()),
        encryption: Some(FeatureStatus::Disabled),
        ..CreateRegistry::default()
    };
    let plain = emulator.create_registry_as(keyless.clone()).await.unwrap().registry;
    let new = CreateRegistry {
        name: "team1".to_owned(),
        key_identifier: Some("chosen".to_owned()),
        identity: Some("reader".to_owned()),
        user_assigned_identities: vec!["reader".to_owned()],
        ..CreateRegistry::default()
    };
    let team = emulator.create_registry_as(new).await.unwrap().registry;
    let taken = emulator.create_registry_as(keyless).await.unwrap_err();

    assert_eq!((plain.sku.as_str(), plain.encryption), ("Basic", FeatureStatus::Disabled));
    assert_eq!(plain.report.key, None);
    assert!(team.report.key.unwrap().key_identifier.ends_with("/keys/chosen"));
    assert_eq!(team.key_identity, Some(identity.principal.client_id));
    assert_eq!(taken.report().code, "AlreadyExists");
    emulator.delete_registry("plain1").await.unwrap();
    assert_eq!(emulator.registry_address_of("plain1").await, None);
}

#[tokio::test]
async fn a_registry_with_logins_and_anonymous_pull_is_created_in_one_step() {
    let (emulator, _client) = start().await;
    let new = CreateRegistry {
        name: "team1".to_owned(),
        open: Some(false),
        anonymous_pull_enabled: true,
        ..CreateRegistry::default()
    };
    let basic = CreateRegistry {
        name: "team2".to_owned(),
        sku: Some("Basic".to_owned()),
        encryption: Some(FeatureStatus::Disabled),
        ..new.clone()
    };

    emulator.create_registry_as(new).await.unwrap();
    emulator.create_registry("team3").await.unwrap();
    let refused = emulator.create_registry_as(basic).await.unwrap_err();
    let client_of = async |name: &str| {
        let address = emulator.registry_address_of(name).await.unwrap();
        Client::at(&format!("http://{address}"))
    };
    let team = client_of("team1").await;
    let anonymous =
        |scope: &str| format!("/oauth2/token?service=team1&scope=repository:app:{scope}");
    let pull = team.get(&anonymous("pull")).await;
    let push = team.get(&anonymous("push")).await;
    let token = pull.json()["access_token"].as_str().unwrap().to_owned();
    let request = team.request(Method::GET, "/v2/app/manifests/v1").bearer_auth(&token);
    let missing = request.send().await.unwrap().status();
    let open = client_of("team3").await.push_blob("app", b"layer").await;

    assert_eq!(team.get("/v2/").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(missing, StatusCode::NOT_FOUND);
    assert_eq!(push.status, StatusCode::UNAUTHORIZED, "{push:?}");
    assert!(refused.report().message.contains("anonymous pull"), "{refused}");
    assert_eq!(open.status, StatusCode::CREATED, "a registry is open by default");
}

#[tokio::test]
async fn a_deleted_registry_leaves_its_identity_and_its_key() {
    let (emulator, _client) = start().await;
    emulator.create_registry("team1").await.unwrap();

    emulator.delete_registry("team1").await.unwrap();
    let identity = emulator.create_identity("team1").await.unwrap_err();
    let key = emulator.vault().unwrap().latest_version("local", "team1").await.unwrap();
    let unknown = emulator.delete_registry("team1").await.unwrap_err();

    assert_eq!(identity.report().code, "AlreadyExists");
    assert!(key.is_some());
    assert_eq!(unknown.report().code, "RegistryNotFound");
}

#[tokio::test]
async fn stored_content_is_verified_and_garbage_is_collected() {
    let (emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;
    client.push_blob("app", b"no manifest names this").await;

    let verified = emulator.verify("local", VerifyRequest::default()).await.unwrap();
    let request = CollectRequest { now: true, ..CollectRequest::default() };
    let collected = emulator.collect("local", request).await.unwrap();
    let kept = emulator.verify("local", VerifyRequest::default()).await.unwrap();

    assert_eq!((verified.findings.len(), verified.manifests), (0, 1), "{verified:?}");
    assert_eq!(collected.blobs, 1);
    assert_eq!(kept.blobs + 1, verified.blobs);
}
