//! Revokes access by closing the firewall of the vault to all callers, also to trusted services such as a registry.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::RevocationError;
use super::vault_lookup::{require_vault, resource_id};
use crate::keys::{VaultError, VaultName};
use crate::vault::{OwnerVault, VAULTS_API};

/// The network rules that a vault had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ClosedVault {
    vault: String,
    rules: Value,
}

impl ClosedVault {
    pub(super) async fn look_up(
        owner: &OwnerVault,
        name: &VaultName,
    ) -> Result<Option<Self>, RevocationError> {
        let found = require_vault(owner, name).await?;
        let rules = match &found["properties"]["networkAcls"] {
            // A vault without rules is open.
            Value::Null => open(),
            rules => rules.clone(),
        };
        let vault = resource_id(&found)?;
        Ok((!is_closed(&rules)).then_some(Self { vault, rules }))
    }

    pub(super) fn has_same_subject(&self, other: &Self) -> bool {
        self.vault.eq_ignore_ascii_case(&other.vault)
    }

    pub(super) async fn remove(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        self.set(owner, &closed()).await
    }

    pub(super) async fn restore(&self, owner: &OwnerVault) -> Result<(), VaultError> {
        self.set(owner, &self.rules).await
    }

    async fn set(&self, owner: &OwnerVault, rules: &Value) -> Result<(), VaultError> {
        let body = json!({ "properties": { "networkAcls": rules } });
        owner.resource(Method::PATCH, &self.vault, &[VAULTS_API], Some(&body)).await.map(drop)
    }
}

fn closed() -> Value {
    json!({ "bypass": "None", "defaultAction": "Deny", "ipRules": [], "virtualNetworkRules": [] })
}

fn open() -> Value {
    json!({
        "bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": [],
    })
}

fn is_closed(rules: &Value) -> bool {
    let is = |name: &str, word: &str| {
        rules[name].as_str().is_some_and(|own| own.eq_ignore_ascii_case(word))
    };
    let lets_some_in = rules["ipRules"].as_array().is_some_and(|rules| !rules.is_empty());
    is("defaultAction", "Deny") && is("bypass", "None") && !lets_some_in
}
