//! Faults on demand: what goes wrong because somebody asked for it, in the registry and in its vault.
//!
//! `admin/faults.rs` calls [`FaultDesk`]. A rule names a class of requests. Those of the registry's own routes are struck
//! here, by [`strike`], which `app.rs` puts before them; those of the vault, the issuer and the resource providers are
//! handed to the mock vault, which strikes them itself. A rule has the same shape on either side.
//!
//! Health and the admin APIs are never struck: whoever broke something can mend it.

mod registry;
mod vault;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use azure_emulator_core::clock::Clock;
use azure_emulator_core::faults::{FaultError, FaultReport, FaultRule, Faults};
use serde_json::Value;
use thiserror::Error;

pub use self::registry::strike;
pub use self::vault::VaultRules;
use crate::keys::VaultError;
use crate::vault_owner::OwnerVault;

/// The rules of the registry, and the way to those of the vault.
#[derive(Debug)]
pub struct FaultDesk {
    registry: Arc<Faults>,
    named: AtomicU64,
}

/// All rules there are.
#[derive(Debug)]
pub struct AllRules {
    /// Those of the registry's routes.
    pub registry: Vec<FaultReport>,
    /// Those of the vault; none with a vault that is not ours.
    pub vault: Option<VaultRules>,
    /// The classes of the registry.
    pub classes: Vec<String>,
}

/// Why a rule was not made or not taken away. Each is a sentence for people.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FaultDeskError {
    /// It is no rule.
    #[error("{0}")]
    Rule(#[from] FaultError),
    /// It is no rule, in the words of who reads it.
    #[error("{0}")]
    Malformed(String),
    /// The class is of the vault, which is not ours.
    #[error(
        "{on:?} is a class of the vault, and that is not ours to break: there is {known} of the registry"
    )]
    NotOurs {
        /// The class that was asked for.
        on: String,
        /// Those of the registry.
        known: String,
    },
    /// There is no rule of this name.
    #[error("there is no fault {0:?}")]
    Unknown(String),
    /// The mock vault did not take it.
    #[error("{0}")]
    Vault(#[from] VaultError),
}

impl FaultDesk {
    /// No faults yet.
    pub fn new(clock: Clock) -> Self {
        let registry = Arc::new(Faults::new(clock, registry::classes()));
        Self { registry, named: AtomicU64::new(0) }
    }

    /// What [`strike`] goes by.
    pub fn of_registry(&self) -> &Arc<Faults> {
        &self.registry
    }

    /// Adds a rule, or replaces the one of its name. Returns what it is removed by.
    pub async fn add(
        &self,
        rule: Value,
        owner: Option<&OwnerVault>,
    ) -> Result<String, FaultDeskError> {
        let on = rule["on"].as_str().unwrap_or_default().to_owned();
        if rule["on"].is_string() && !self.is_of_registry(&on) {
            let owner = owner.ok_or_else(|| self.not_ours(&on))?;
            let known = self.registry.classes().join(", ");
            let id = vault::add(owner, rule, &known).await?;
            self.registry.remove(&id);
            return Ok(id);
        }
        let mut rule = FaultRule::read(rule)?;
        // The vault has rules of its own, whose names begin otherwise.
        let name = rule.name.clone().unwrap_or_else(|| {
            format!("registry-{}", self.named.fetch_add(1, Ordering::Relaxed) + 1)
        });
        rule.name = Some(name.clone());
        let id = self.registry.add(rule)?;
        if let Some(owner) = owner {
            vault::remove(owner, &name).await?;
        }
        Ok(id)
    }

    /// Removes a rule, wherever it is.
    pub async fn remove(&self, id: &str, owner: Option<&OwnerVault>) -> Result<(), FaultDeskError> {
        let here = self.registry.remove(id);
        let there = match owner {
            Some(owner) if !here => vault::remove(owner, id).await?,
            _ => false,
        };
        if here || there { Ok(()) } else { Err(FaultDeskError::Unknown(id.to_owned())) }
    }

    /// Removes all rules, and throttling with them.
    pub async fn clear(&self, owner: Option<&OwnerVault>) -> Result<(), FaultDeskError> {
        self.registry.clear();
        if let Some(owner) = owner {
            vault::clear(owner).await?;
        }
        Ok(())
    }

    /// Holds the vault to its limits of calls, or lets it go: `published`, `off`, or numbers.
    pub async fn throttle(
        &self,
        limits: Value,
        owner: Option<&OwnerVault>,
    ) -> Result<(), FaultDeskError> {
        let owner = owner.ok_or_else(|| self.not_ours("throttling"))?;
        vault::throttle(owner, limits).await
    }

    /// The rules that have not ended.
    pub async fn rules(&self, owner: Option<&OwnerVault>) -> Result<AllRules, FaultDeskError> {
        let vault = match owner {
            Some(owner) => Some(vault::rules(owner).await?),
            None => None,
        };
        let classes = self.registry.classes().to_vec();
        Ok(AllRules { registry: self.registry.rules(), vault, classes })
    }

    fn is_of_registry(&self, on: &str) -> bool {
        let first = on.split('/').next().unwrap_or_default();
        let begins = |class: &String| {
            class.split('/').next().is_some_and(|noun| noun.eq_ignore_ascii_case(first))
        };
        on == "*" || self.registry.classes().iter().any(begins)
    }

    fn not_ours(&self, on: &str) -> FaultDeskError {
        FaultDeskError::NotOurs { on: on.to_owned(), known: self.registry.classes().join(", ") }
    }
}
