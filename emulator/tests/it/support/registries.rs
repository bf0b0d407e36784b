//! Registries through the control plane: a prepared emulator, and the bodies that `az` sends.

use mock_keyvault::KeySize;
use reqwest::Method;
use sealyard::Sealyard;
use serde_json::{Value, json};

use super::arm::{make_group, send};
use super::{Answer, start};

pub(crate) const REGISTRIES: &str = "providers/Microsoft.ContainerRegistry/registries";
pub(crate) const IDENTITIES: &str = "providers/Microsoft.ManagedIdentity/userAssignedIdentities";
/// The identifier of the prepared key.
pub(crate) const KEY: &str = "https://local.vault.azure.net/keys/own";

/// An emulator with the group `team`, the identities `puller` and `other`, of which only the first may use the keys of
/// the vault, and the RSA key `own` in the vault.
pub(crate) async fn prepared() -> (Sealyard, Value, Value) {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    let puller = identity(&emulator, "puller").await;
    let other = identity(&emulator, "other").await;
    let vault = emulator.vault().unwrap();
    allow(&emulator, &puller).await;
    vault.create_key("local", "own", KeySize::Rsa2048).await.unwrap();
    (emulator, puller, other)
}

pub(crate) async fn identity(emulator: &Sealyard, name: &str) -> Value {
    let path = format!("resourceGroups/team/{IDENTITIES}/{name}");
    send(emulator, Method::PUT, &path, &json!({"location": "eastus"})).await.json()
}

pub(crate) async fn allow(emulator: &Sealyard, identity: &Value) {
    let principal = identity["properties"]["principalId"].as_str().unwrap();
    emulator.vault().unwrap().manager().allow_encryption("local", principal).await.unwrap();
}

pub(crate) fn path(name: &str) -> String {
    format!("resourceGroups/team/{REGISTRIES}/{name}")
}

pub(crate) fn client_id(identity: &Value) -> &str {
    identity["properties"]["clientId"].as_str().unwrap()
}

/// The body of `az acr create --identity --key-encryption-key`.
pub(crate) fn with_key(identity: &Value) -> Value {
    json!({
        "location": "eastus",
        "sku": {"name": "Premium"},
        "identity": {
            "type": "UserAssigned",
            "userAssignedIdentities": {identity["id"].as_str().unwrap(): {}},
        },
        "properties": {
            "adminUserEnabled": false,
            "encryption": {
                "status": "enabled",
                "keyVaultProperties": {"keyIdentifier": KEY, "identity": client_id(identity)},
            },
        },
    })
}

pub(crate) fn basic() -> Value {
    json!({"location": "eastus", "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": false}})
}

pub(crate) async fn put(emulator: &Sealyard, name: &str, body: &Value) -> Answer {
    send(emulator, Method::PUT, &path(name), body).await
}

pub(crate) async fn patch(emulator: &Sealyard, name: &str, body: &Value) -> Answer {
    send(emulator, Method::PATCH, &path(name), body).await
}

pub(crate) async fn shown(emulator: &Sealyard, name: &str) -> Value {
    send(emulator, Method::GET, &path(name), &Value::Null).await.json()
}
