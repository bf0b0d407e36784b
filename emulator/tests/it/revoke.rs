//! `revoke` and `restore` over the admin API: each way, over a restart, one upon the other, with a vault elsewhere.

use mock_keyvault::{KeyPermission, MockKeyVault, NetworkRules, VaultChanges};
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use sealyard::config::ExternalVault;
use sealyard::revocation::{Hand, RevocationError, Way};
use serde_json::{Value, json};

use crate::support::{Answer, Client, content, external, start, start_beside};

const VAULT: &str = "local";
const ROLE: &str = "Key Vault Crypto Service Encryption User";
const READER: &str = "Key Vault Reader";

fn cause(way: Way) -> &'static str {
    match way {
        Way::Policy => "policyRemoved",
        Way::Role => "roleRemoved",
        Way::Disable => "keyDisabled",
        Way::Delete => "keyDeleted",
        Way::Firewall => "vaultFirewall",
        Way::Vault => "vaultDeleted",
        Way::Identity => "identityRemoved",
    }
}

async fn revoke(client: &Client, way: Way) -> Answer {
    client.send_json("/_sealyard/registries/local/revoke", &json!({ "by": way })).await
}

async fn restore(client: &Client, by: Option<Way>) -> Answer {
    let body = by.map_or_else(|| json!({}), |way| json!({ "by": way }));
    client.send_json("/_sealyard/registries/local/restore", &body).await
}

/// Has the vault go by roles, with one that lets the registry use its key and one that does not.
async fn go_by_roles(vault: &MockKeyVault) {
    let scope = vault.vault_id(VAULT).unwrap();
    let identity = vault.managed_identity().object_id;
    vault.assign_role(&scope, ROLE, identity).await.unwrap();
    vault.assign_role(&scope, READER, identity).await.unwrap();
    let roles = VaultChanges { rbac: Some(true), ..VaultChanges::default() };
    vault.change_vault(VAULT, roles).await.unwrap();
}

/// The vault as those who manage it see it, with its role assignments; without times.
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
    // What was never set is what it is by default.
    if found["properties"]["networkAcls"].is_null() {
        found["properties"]["networkAcls"] = json!({
            "bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": [],
        });
    }
    found["systemData"] = Value::Null;
    // The port is another one after a restart.
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

/// An emulator of a folder.
async fn open(folder: &std::path::Path) -> Sealyard {
    Sealyard::builder().ephemeral().data_dir(folder.join("d")).start().await.unwrap()
}

#[tokio::test]
async fn what_was_revoked_is_given_back_exactly_as_it_was_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut emulator = open(folder.path()).await;
    // Not what a fresh vault has, so that defaults would be seen.
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

    // Roles at the end: the vault goes by them from then on.
    let ways = [
        Way::Policy,
        Way::Disable,
        Way::Delete,
        Way::Firewall,
        Way::Vault,
        Way::Identity,
        Way::Role,
    ];
    for way in ways {
        if way == Way::Role {
            go_by_roles(emulator.vault().unwrap()).await;
        }
        let before = seen(emulator.vault().unwrap()).await;

        let revoked = revoke(&Client::of(&emulator), way).await;
        let refused = Client::of(&emulator).pull_blob("app", &layer).await;
        emulator.shutdown().await;
        emulator = open(folder.path()).await;
        let client = Client::of(&emulator);
        let still = client.pull_blob("app", &layer).await;
        let listed = client.get("/_sealyard/registries/local/revoke").await.json();
        let restored = restore(&client, None).await;

        assert_eq!(revoked.status, StatusCode::OK, "{way}: {revoked:?}");
        assert_eq!(revoked.json()["state"], "unavailable", "{way}");
        assert_eq!(revoked.json()["cause"], cause(way), "{way}");
        for refused in [refused, still] {
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{way}");
            assert_eq!(refused.json()["errors"][0]["detail"]["cause"], cause(way), "{way}");
        }
        assert_eq!(listed["revoked"], json!([way]), "{way}");
        assert_eq!(restored.status, StatusCode::OK, "{way}: {restored:?}");
        assert_eq!(restored.json()["restored"], json!([way]), "{way}");
        assert_eq!(restored.json()["state"], "active", "{way}");
        assert!(client.pull_blob("app", &layer).await.body == layer, "{way}");
        assert_eq!(seen(emulator.vault().unwrap()).await, before, "{way}");
    }
}

#[tokio::test]
async fn revoking_and_restoring_twice_is_harmless() {
    let (emulator, client) = start().await;

    let never = restore(&client, None).await.json();
    let first = revoke(&client, Way::Policy).await.json();
    let second = revoke(&client, Way::Policy).await.json();
    let restored = restore(&client, Some(Way::Policy)).await.json();
    let again = restore(&client, Some(Way::Policy)).await.json();

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
    assert_eq!(restored["revoked"], json!(["policy"]), "and what is still taken is told");
    assert_eq!(rest["state"], "active");
    drop(emulator);
}

#[tokio::test]
async fn what_was_taken_last_is_given_back_first() {
    let (emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;
    for way in [Way::Policy, Way::Disable, Way::Firewall, Way::Vault] {
        let revoked = revoke(&client, way).await;
        assert_eq!(revoked.status, StatusCode::OK, "{way}: {revoked:?}");
    }

    let one = restore(&client, Some(Way::Vault)).await.json();
    let all = restore(&client, None).await.json();

    assert_eq!(one["revoked"], json!(["firewall", "disable", "policy"]));
    assert_eq!((&one["state"], &one["cause"]), (&json!("unavailable"), &json!("vaultFirewall")));
    assert_eq!(all["restored"], json!(["firewall", "disable", "policy"]));
    assert_eq!(all["state"], "active");
    assert_eq!(client.pull_blob("app", b"layer").await.body, b"layer");
    drop(emulator);
}

#[tokio::test]
async fn a_way_that_does_not_apply_is_refused_with_the_one_that_does() {
    let (emulator, client) = start().await;

    let role = revoke(&client, Way::Role).await;
    go_by_roles(emulator.vault().unwrap()).await;
    let policy = revoke(&client, Way::Policy).await;

    for (answer, instead) in [(role, "`--by policy`"), (policy, "`--by role`")] {
        assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
        assert_eq!(answer.json()["error"]["code"], "WayDoesNotApply");
        let words = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(words.ends_with(&format!("use {instead}")), "{words}");
    }
}

#[tokio::test]
async fn what_somebody_else_took_is_not_taken_for_ours() {
    let (emulator, client) = start().await;
    client.key("disable").await;

    let revoked = revoke(&client, Way::Disable).await;
    revoke(&client, Way::Policy).await;
    let restored = restore(&client, None).await;
    client.key("enable").await;

    assert_eq!(revoked.status, StatusCode::CONFLICT, "{revoked:?}");
    assert_eq!(restored.status, StatusCode::GATEWAY_TIMEOUT, "{restored:?}");
    assert_eq!(restored.json()["error"]["code"], "NotSeen");
    let words = restored.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(words.contains("unavailable (keyDisabled)"), "{words}");
    assert_eq!(emulator.registry().key_ring().check().await.cause, None);
}

#[tokio::test]
async fn what_was_undone_by_hand_is_no_error_to_restore() {
    let (emulator, client) = start().await;
    let vault = emulator.vault().unwrap();
    for way in [Way::Delete, Way::Disable] {
        revoke(&client, way).await;
        client.key(if way == Way::Delete { "recover" } else { "enable" }).await;

        let restored = restore(&client, None).await.json();

        assert_eq!((&restored["restored"], &restored["state"]), (&json!([way]), &json!("active")));
    }
    revoke(&client, Way::Vault).await;
    vault.recover_vault(VAULT).await.unwrap();
    assert_eq!(restore(&client, None).await.json()["state"], "active");
}

#[tokio::test]
async fn a_vault_that_is_not_ours_is_refused_with_the_command_that_does_it_there() {
    let (emulator, _client) = start().await;
    let app = emulator.app();
    let hand = Hand { owner: None, ..app.hand() };

    // The identity is taken from the registry itself, whoever the vault belongs to.
    for way in Way::ALL.into_iter().filter(|way| *way != Way::Identity) {
        let refused = app.revocations.revoke(emulator.registry(), hand, way, true).await;

        let Err(error @ RevocationError::NotOurs { .. }) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains("`az "), "{error}");
    }
}

#[tokio::test]
async fn a_vault_in_another_process_is_revoked_and_restored_in_the_same_way() {
    let vault = MockKeyVault::builder().ephemeral().start().await.unwrap();
    // By a name of its own, and at an address that is the issuer's and the providers' too, as a container's is.
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

        for way in [Way::Policy, Way::Disable, Way::Delete, Way::Firewall, Way::Vault] {
            let revoked = revoke(&client, way).await.json();
            let refused = client.pull_blob("app", b"layer").await;
            let restored = restore(&client, None).await.json();

            assert_eq!(revoked["cause"], cause(way), "{url}: {revoked}");
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{url}: {way}");
            assert_eq!(restored["state"], "active", "{url}: {restored}");
            assert_eq!(client.pull_blob("app", b"layer").await.body, b"layer", "{url}: {way}");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_none_is_refused_in_json() {
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
async fn a_registry_that_is_made_anew_under_an_old_name_has_nothing_to_restore() {
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
async fn what_was_revoked_is_forgotten_with_a_registry_whoever_deletes_it() {
    let (emulator, client) = start().await;
    let team = emulator.create_registry("team1").await.unwrap();
    let revoke = "/_sealyard/registries/team1/revoke";
    client.send_json(revoke, &json!({ "by": "identity" })).await;
    let app = emulator.app();
    assert_eq!(app.revocations.of("team1"), [Way::Identity]);

    app.registries.delete(team.registry_name()).await.unwrap();

    let forgotten = async {
        while !app.revocations.of("team1").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), forgotten).await.unwrap();
    emulator.shutdown().await;
}
