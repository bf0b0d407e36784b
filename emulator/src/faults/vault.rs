//! Manages the fault rules of the mock vault over its own admin API, whether it is embedded or in another process.

use http::Method;
use serde_json::{Value, json};

use super::error::FaultRulesError;
use crate::keys::VaultError;
use crate::vault::OwnerVault;

/// The path of the rules in the admin API of the vault.
const PATH: &str = "faults";

/// The rules of the vault, as it lists them.
#[derive(Clone, Debug)]
pub struct VaultRules {
    /// The rules, each with `id`, `hits` and `left`.
    pub rules: Vec<Value>,
    /// The limits of calls, if there are any.
    pub throttling: Value,
    /// The classes of the vault, the issuer and the resource providers.
    pub classes: Vec<String>,
}

/// Adds a rule. To the vault, its own name means all operations with keys.
pub(super) async fn add(
    owner: &OwnerVault,
    rule: Value,
    known: &str,
) -> Result<String, FaultRulesError> {
    match owner.admin(Method::POST, PATH, Some(&rule)).await {
        Ok(made) => Ok(made["id"].as_str().unwrap_or_default().to_owned()),
        Err(error) if error.status() == Some(400) => {
            let message = error.to_string();
            // The vault knows only its own classes.
            let more = if message.contains("no class of requests") {
                format!("; the classes of the registry are {known}")
            } else {
                String::new()
            };
            Err(FaultRulesError::Malformed(format!("{}{more}", without_status(&message))))
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes a rule. Returns whether there was one.
pub(super) async fn remove(owner: &OwnerVault, id: &str) -> Result<bool, VaultError> {
    // A name that no rule can have is not sent in a path.
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Ok(false);
    }
    match owner.admin(Method::DELETE, &format!("{PATH}/{id}"), None).await {
        Ok(_) => Ok(true),
        Err(error) if error.status() == Some(404) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) async fn clear(owner: &OwnerVault) -> Result<(), VaultError> {
    owner.admin(Method::DELETE, PATH, None).await.map(drop)
}

pub(super) async fn throttle(owner: &OwnerVault, limits: Value) -> Result<(), FaultRulesError> {
    match owner.admin(Method::POST, PATH, Some(&json!({ "throttling": limits }))).await {
        Ok(_) => Ok(()),
        Err(error) if error.status() == Some(400) => {
            Err(FaultRulesError::Malformed(without_status(&error.to_string()).to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn rules(owner: &OwnerVault) -> Result<VaultRules, VaultError> {
    let mut listed = owner.admin(Method::GET, PATH, None).await?;
    let classes = listed["classes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let classes = classes.map(str::to_owned).collect();
    let rules = match listed["faults"].take() {
        Value::Array(rules) => rules,
        _ => Vec::new(),
    };
    Ok(VaultRules { rules, throttling: listed["throttling"].take(), classes })
}

/// Removes the status from a message of the admin API, because it does not help the reader.
fn without_status(message: &str) -> &str {
    message.strip_suffix(" (400 error)").unwrap_or(message)
}
