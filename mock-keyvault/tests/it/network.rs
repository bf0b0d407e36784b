//! Network rules: which clients reach a vault, and that a closed vault can be opened again.

use mock_keyvault::NetworkRules;
use mock_keyvault::VaultChanges;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::World;

fn firewall(world: &World, client: &str) -> (u16, String, String) {
    let (owner, tenant) = (world.vault.owner(), world.vault.tenant());
    let (app, object) = (owner.client_id, owner.object_id);
    (
        403,
        "Forbidden/ForbiddenByFirewall".to_owned(),
        format!(
            "Client address is not authorized and caller is not a trusted service.\r\nClient address: {client}\r\nCaller: appid={app};oid={object};iss=https://sts.windows.net/{tenant}/\r\nVault: local;location=eastus"
        ),
    )
}

fn denying(addresses: &[&str], bypass_for_services: bool) -> NetworkRules {
    NetworkRules {
        deny_by_default: true,
        bypass_for_services,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        ..NetworkRules::default()
    }
}

#[tokio::test]
async fn closed_rules_refuse_every_client_and_the_vault_can_be_opened_over_http() {
    let world = World::with_key().await;
    let get = || world.owner(Method::GET, "/keys/k", None);

    world.vault.set_network_rules("local", NetworkRules::closed()).await.unwrap();
    let closed = get().await;
    let identity = world.identity(Method::GET, "/keys/k", None).await;
    let id = world.vault.vault_id("local").unwrap();
    let open = json!({"properties": {"networkAcls": {"defaultAction": "Allow"}}});
    let opened = world.arm(Method::PATCH, &id, Some(open)).await;

    assert_eq!(closed.refusal(), firewall(&world, "127.0.0.1"));
    assert_eq!(identity.refusal().1, "Forbidden/ForbiddenByFirewall");
    assert_eq!(opened.status, StatusCode::OK, "{}", opened.text);
    assert_eq!(get().await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_address_rule_only_admits_its_addresses() {
    let world = World::with_key().await;
    let get = || world.owner(Method::GET, "/keys/k", None);

    world.vault.set_network_rules("local", denying(&["127.0.0.0/8"], false)).await.unwrap();
    let allowed = get().await;
    world.vault.set_network_rules("local", denying(&["127.0.0.2"], false)).await.unwrap();
    let refused = get().await;

    assert_eq!(allowed.status, StatusCode::OK);
    assert_eq!(refused.refusal(), firewall(&world, "127.0.0.1"));
}

#[tokio::test]
async fn the_bypass_only_admits_managed_identities() {
    let world = World::with_key().await;

    world.vault.set_network_rules("local", denying(&[], true)).await.unwrap();
    let identity = world.identity(Method::GET, "/keys/k", None).await;
    let owner = world.owner(Method::GET, "/keys/k", None).await;

    assert_eq!(identity.status, StatusCode::OK, "{}", identity.text);
    assert_eq!(owner.refusal().1, "Forbidden/ForbiddenByFirewall");
}

#[tokio::test]
async fn without_public_access_only_the_bypass_admits_clients() {
    let world = World::with_key().await;
    let get = || world.owner(Method::GET, "/keys/k", None);
    let disabled = VaultChanges { public_network_access: Some(false), ..VaultChanges::default() };

    world.vault.change_vault("local", disabled).await.unwrap();
    let with_bypass = get().await;
    let identity = world.identity(Method::GET, "/keys/k", None).await;
    world.vault.set_network_rules("local", denying(&["127.0.0.1"], false)).await.unwrap();
    let without = get().await;

    assert_eq!(with_bypass.refusal().1, "Forbidden/ForbiddenByConnection");
    assert!(with_bypass.refusal().2.starts_with("Public network access is disabled"));
    assert_eq!(identity.status, StatusCode::OK);
    assert_eq!(without.refusal().1, "Forbidden/ForbiddenByConnection");
    assert!(without.refusal().2.ends_with("is set to 'Disabled'.\r\nVault: local;location=eastus"));
}

#[tokio::test]
async fn rules_are_checked_after_the_token_and_before_the_permission() {
    let world = World::with_key().await;
    world.vault.set_network_rules("local", NetworkRules::closed()).await.unwrap();
    let owner = world.vault.owner();
    world.vault.remove_access_policy("local", owner.object_id).await.unwrap();

    let no_token = crate::support::send(world.http.get(world.url("/keys/k"))).await;
    let no_policy = world.owner(Method::GET, "/keys/k", None).await;

    assert_eq!(no_token.status, StatusCode::UNAUTHORIZED);
    assert_eq!(no_policy.refusal().1, "Forbidden/ForbiddenByFirewall");
}
