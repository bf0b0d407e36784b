//! `revoke` and `restore` over the admin API: each method, after a restart, in combination, and with an external vault.

use mock_keyvault::{KeyPermission, MockKeyVault, NetworkRules, VaultChanges};
use reqwest::{Method, StatusCode};
use sealyard::ExternalVault;
use sealyard::RevocationMethod;
use sealyard::Sealyard;
use sealyard::internals::revocation::{RevocationContext, RevocationError};
use serde_json::{Value, json};

use crate::support::{Answer, Client, content, external, start, start_beside};

const VAULT: &str = "local";
const ROLE: &str = "Key Vault Crypto Service Encryption User";
const READER: &str = "Key Vault Reader";

fn cause(method: RevocationMethod) -> &'static str {
    match method {
        RevocationMethod::Policy => "policyRemoved",
        RevocationMethod::Role => "roleRemoved",
        RevocationMethod::Disable => "keyDisabled",
        RevocationMethod::Delete => "keyDeleted",
        RevocationMethod::Firewall => "vaultFirewall",
        RevocationMethod::Vault => "vaultDeleted",
        RevocationMethod::Identity => "identityRemoved",
    }
}

async fn revoke(client: &Client, method: RevocationMethod) -> Answer {
    client.send_json("/_sealyard/registries/local/revoke", &json!({ "by": method })).await
}

async fn restore(client: &Client, by: Option<RevocationMethod>) -> Answer {
    let body = by.map_or_else(|| json!({}), |method| json!({ "by": method }));
    client.send_json("/_sealyard/registries/local/restore", &body).await
}

/// Switches the vault to roles and assigns two: one allows the registry to use its key, the other does not.
async fn switch_to_roles(vault: &MockKeyVault) {
    let scope = vault.vault_id(VAULT).unwrap();
    let identity = vault.managed_identity().object_id;
    vault.assign_role(&scope, ROLE, identity).await.unwrap();
    vault.assign_role(&scope, READER, identity).await.unwrap();
    let roles = VaultChanges { rbac: Some(true), ..VaultChanges::default() };
    vault.change_vault(VAULT, roles).await.unwrap();
}

/// The vault and its role assignments as its owner sees them, without times.
async fn seen(vault: &MockKeyVault) -> Value {
    let token = vault.token(vault.owner().client_id, "https://management.azure.com").unwrap();
    let base = format!("https://127.0.0.1:{}", vault.address().port());
    let id = vault.vault_id(VAULT).unwrap();
    let get = async |path: &str, version: &str| -> Value {
        let url = format!("{base}{path}?api-version={version}");
        let request = Client::trusting(vault).get(url).bearer_auth(token.expose());
        request.send().await.unwrap().json().await.unwrap()
    };
    let mut found = get(&id, "2023-07-01").await;
    // A field that was never set has its default.
    if found["properties"]["networkAcls"].is_null() {
        found["properties"]["networkAcls"] = json!({
            "bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": [],
        });
    }
    found["systemData"] = Value::Null;
    // The port differs after a restart.
    found["properties"]["vaultUri"] = Value::Null;
    let roles = format!("{id}/providers/Microsoft.Authorization/roleAssignments");
    let mut roles = get(&roles, "2022-04-01").await;
    for role in roles["value"].as_array_mut().unwrap() {
        for time in ["createdOn", "updatedOn", "createdBy", "updatedBy"] {
            role["properties"][time] = Value::Null;
        }
    }
    json!([found, roles])
}

/// An emulator with its data in this folder.
async fn open(folder: &std::path::Path) -> Sealyard {
    Sealyard::builder().ephemeral().data_dir(folder.join("d")).start().await.unwrap()
}

#[tokio::test]
async fn a_restore_brings_back_the_exact_state_from_before_the_revocation_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut emulator = open(folder.path()).await;
    // The settings differ from the defaults, so that the test sees a restore of defaults.
    let vault = emulator.vault().unwrap();
    let rules = NetworkRules {
        deny_by_default: true,
        addresses: vec!["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
        ..NetworkRules::default()
    };
    vault.set_network_rules(VAULT, rules).await.unwrap();
    let some =
        [KeyPermission::Get, KeyPermission::WrapKey, KeyPermission::UnwrapKey, KeyPermission::List];
    vault.set_access_policy(VAULT, vault.managed_identity().object_id, &some).await.unwrap();
    let layer = content::bytes(3, 100_000);
    Client::of(&emulator).push_image("app", "v1", &[&layer]).await;

    // The role is last, because the vault uses roles from then on.
    let methods = [
        RevocationMethod::Policy,
        RevocationMethod::Disable,
        RevocationMethod::Delete,
        RevocationMethod::Firewall,
        RevocationMethod::Vault,
        RevocationMethod::Identity,
        RevocationMethod::Role,
    ];
    for method in methods {
        if method == RevocationMethod::Role {
            switch_to_roles(emulator.vault().unwrap()).await;
        }
        let before = seen(emulator.vault().unwrap()).await;

        let revoked = revoke(&Client::of(&emulator), method).await;
        let refused = Client::of(&emulator).pull_blob("app", &layer).await;
        emulator.shutdown().await;
        emulator = open(folder.path()).await;
        let client = Client::of(&emulator);
        let still = client.pull_blob("app", &layer).await;
        let listed = client.get("/_sealyard/registries/local/revoke").await.json();
        let restored = restore(&client, None).await;

        assert_eq!(revoked.status, StatusCode::OK, "{method}: {revoked:?}");
        assert_eq!(revoked.json()["state"], "unavailable", "{method}");
        assert_eq!(revoked.json()["cause"], cause(method), "{method}");
        for refused in [refused, still] {
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{method}");
            assert_eq!(refused.json()["errors"][0]["detail"]["cause"], cause(method), "{method}");
        }
        assert_eq!(listed["revoked"], json!([method]), "{method}");
        assert_eq!(restored.status, StatusCode::OK, "{method}: {restored:?}");
        assert_eq!(restored.json()["restored"], json!([method]), "{method}");
        assert_eq!(restored.json()["state"], "active", "{method}");
        assert!(client.pull_blob("app", &layer).await.body == layer, "{method}");
        assert_eq!(seen(emulator.vault().unwrap()).await, before, "{method}");
    }
}

#[tokio::test]
async fn revoking_and_restoring_twice_is_harmless() {
    let (emulator, client) = start().await;

    let never = restore(&client, None).await.json();
    let first = revoke(&client, RevocationMethod::Policy).await.json();
    let second = revoke(&client, RevocationMethod::Policy).await.json();
    let restored = restore(&client, Some(RevocationMethod::Policy)).await.json();
    let again = restore(&client, Some(RevocationMethod::Policy)).await.json();

    assert_eq!((&never["restored"], &never["state"]), (&json!([]), &json!("active")));
    assert_eq!(first, second);
    assert_eq!((&restored["restored"], &restored["state"]), (&json!(["policy"]), &json!("active")));
    assert_eq!((&again["restored"], &again["state"]), (&json!([]), &json!("active")));
    drop(emulator);
}

#[tokio::test]
async fn a_registry_is_the_same_whatever_the_case_of_its_name() {
    let (emulator, client) = start().await;
    let by = |name: &str, what: &str| format!("/_sealyard/registries/{name}/{what}");

    let policy = json!({ "by": "policy" });
    let revoked = client.send_json(&by("LOCAL", "revoke"), &policy).await.json();
    let disable = json!({ "by": "disable" });
    client.send_json(&by("local", "revoke"), &disable).await;
    let listed = client.get(&by("Local", "revoke")).await.json();
    let restored = client.send_json(&by("LOCAL", "restore"), &disable).await.json();
    let rest = restore(&client, None).await.json();

    assert_eq!(revoked["registry"], "local");
    assert_eq!(listed, json!({ "registry": "local", "revoked": ["disable", "policy"] }));
    assert_eq!(restored["restored"], json!(["disable"]));
    assert_eq!(restored["revoked"], json!(["policy"]), "the remaining revocation is reported");
    assert_eq!(rest["state"], "active");
    drop(emulator);
}

#[tokio::test]
async fn the_last_revocation_is_undone_first() {
    let (emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;
    for method in [
        RevocationMethod::Policy,
        RevocationMethod::Disable,
        RevocationMethod::Firewall,
        RevocationMethod::Vault,
    ] {
        let revoked = revoke(&client, method).await;
        assert_eq!(revoked.status, StatusCode::OK, "{method}: {revoked:?}");
    }

    let one = restore(&client, Some(RevocationMethod::Vault)).await.json();
    let all = restore(&client, None).await.json();

    assert_eq!(one["revoked"], json!(["firewall", "disable", "policy"]));
    assert_eq!((&one["state"], &one["cause"]), (&json!("unavailable"), &json!("vaultFirewall")));
    assert_eq!(all["restored"], json!(["firewall", "disable", "policy"]));
    assert_eq!(all["state"], "active");
    assert_eq!(client.pull_blob("app", b"layer").await.body, b"layer");
    drop(emulator);
}

#[tokio::test]
async fn a_method_that_does_not_apply_is_refused_and_the_error_names_the_one_to_use() {
    let (emulator, client) = start().await;

    let role = revoke(&client, RevocationMethod::Role).await;
    switch_to_roles(emulator.vault().unwrap()).await;
    let policy = revoke(&client, RevocationMethod::Policy).await;

    for (answer, instead) in [(role, "`--by policy`"), (policy, "`--by role`")] {
        assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
        assert_eq!(answer.json()["error"]["code"], "WayDoesNotApply");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.ends_with(&format!("use {instead}")), "{message}");
    }
}

#[tokio::test]
async fn a_change_by_another_client_is_not_recorded_as_a_revocation() {
    let (emulator, client) = start().await;
    client.key("disable").await;

    let revoked = revoke(&client, RevocationMethod::Disable).await;
    revoke(&client, RevocationMethod::Policy).await;
    let restored = restore(&client, None).await;
    client.key("enable").await;

    assert_eq!(revoked.status, StatusCode::CONFLICT, "{revoked:?}");
    assert_eq!(restored.status, StatusCode::GATEWAY_TIMEOUT, "{restored:?}");
    assert_eq!(restored.json()["error"]["code"], "NotSeen");
    let message = restored.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("unavailable (keyDisabled)"), "{message}");
    assert_eq!(emulator.registry().key_ring().check().await.cause, None);
}

#[tokio::test]
async fn a_restore_succeeds_when_the_change_was_already_undone() {
    let (emulator, client) = start().await;
    let vault = emulator.vault().unwrap();
    for method in [RevocationMethod::Delete, RevocationMethod::Disable] {
        revoke(&client, method).await;
        client.key(if method == RevocationMethod::Delete { "recover" } else { "enable" }).await;

        let restored = restore(&client, None).await.json();

        assert_eq!(
            (&restored["restored"], &restored["state"]),
            (&json!([method]), &json!("active"))
        );
    }
    revoke(&client, RevocationMethod::Vault).await;
    vault.recover_vault(VAULT).await.unwrap();
    assert_eq!(restore(&client, None).await.json()["state"], "active");
}

#[tokio::test]
async fn the_refusal_for_an_external_vault_prints_the_az_command_for_it() {
    let (emulator, _client) = start().await;
    let app = emulator.app();
    let context = RevocationContext { owner: None, ..app.revocation_context() };

    // The identity belongs to the registry, so the emulator can always remove it.
    for method in
        RevocationMethod::ALL.into_iter().filter(|method| *method != RevocationMethod::Identity)
    {
        let refused = app.revocations.revoke(emulator.registry(), context, method, true).await;

        let Err(error @ RevocationError::ExternalVault { .. }) = refused else {
            panic!("{refused:?}")
        };
        assert!(error.to_string().contains("`az "), "{error}");
    }
}

#[tokio::test]
async fn revoke_and_restore_work_with_a_mock_vault_in_another_process() {
    let vault = MockKeyVault::builder().ephemeral().start().await.unwrap();
    // The vault has its own host name, or one address for the vault, the issuer and the providers, as in a container.
    let address = format!("https://127.0.0.1:{}", vault.address().port());
    for (url, authority) in [(vault.uri(), Some(vault.authority_uri())), (address, None)] {
        let folder = tempfile::tempdir().unwrap();
        let external = ExternalVault {
            url: url.parse().unwrap(),
            authority: authority.map(|url| url.parse().unwrap()),
            ..external(&vault)
        };
        let (_emulator, client) = start_beside(external, folder.path()).await;
        client.push_image("app", "v1", &[b"layer"]).await;

        for method in [
            RevocationMethod::Policy,
            RevocationMethod::Disable,
            RevocationMethod::Delete,
            RevocationMethod::Firewall,
            RevocationMethod::Vault,
        ] {
            let revoked = revoke(&client, method).await.json();
            let refused = client.pull_blob("app", b"layer").await;
            let restored = restore(&client, None).await.json();

            assert_eq!(revoked["cause"], cause(method), "{url}: {revoked}");
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{url}: {method}");
            assert_eq!(restored["state"], "active", "{url}: {restored}");
            assert_eq!(client.pull_blob("app", b"layer").await.body, b"layer", "{url}: {method}");
        }
    }
}

#[tokio::test]
async fn an_invalid_request_is_refused_with_a_json_error() {
    let (_emulator, client) = start().await;

    for (path, body, status) in [
        ("/_sealyard/registries/local/revoke", json!({}), 422),
        ("/_sealyard/registries/local/revoke", json!({ "by": "magic" }), 422),
        ("/_sealyard/registries/local/revoke", json!({ "by": "policy", "more": 1 }), 422),
        ("/_sealyard/registries/other/revoke", json!({ "by": "policy" }), 404),
        ("/_sealyard/registries/other/restore", json!({}), 404),
    ] {
        let answer = client.send_json(path, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {body}: {answer:?}");
        assert!(answer.json()["error"]["message"].is_string());
    }
}

#[tokio::test]
async fn a_new_registry_with_the_name_of_a_deleted_one_has_nothing_to_restore() {
    let (emulator, client) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let revoke = "/_sealyard/registries/team1/revoke";
    let revoked = client.send_json(revoke, &json!({ "by": "identity" })).await;

    let deleted = client.send(Method::DELETE, "/_sealyard/registries/team1", "").await;
    let made = client.send_json("/_sealyard/registries", &json!({ "name": "team1" })).await;

    assert_eq!(revoked.status, StatusCode::OK, "{revoked:?}");
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(client.get(revoke).await.json()["revoked"], json!([]));
    emulator.shutdown().await;
}

#[tokio::test]
async fn the_revocations_of_a_registry_are_removed_when_any_interface_deletes_it() {
    let (emulator, client) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let team = emulator.registry_named("team1").unwrap();
    let revoke = "/_sealyard/registries/team1/revoke";
    client.send_json(revoke, &json!({ "by": "identity" })).await;
    let app = emulator.app();
    assert_eq!(app.revocations.methods_of("team1"), [RevocationMethod::Identity]);

    app.registries.delete(team.registry_name()).await.unwrap();

    let forgotten = async {
        while !app.revocations.methods_of("team1").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), forgotten).await.unwrap();
    emulator.shutdown().await;
}
