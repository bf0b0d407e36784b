//! Adds, lists and removes rules, those of the registry and those of the vault.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use azure_emulator_core::clock::Clock;
use azure_emulator_core::faults::{FaultReport, FaultRule, Faults};
use serde_json::Value;

use super::error::FaultRulesError;
use super::vault::VaultRules;
use super::{registry, vault};
use crate::vault::OwnerVault;

/// The rules of the registry, and the access to those of the vault.
#[derive(Debug)]
pub struct FaultRules {
    registry: Arc<Faults>,
    generated_names: AtomicU64,
}

/// All rules.
#[derive(Debug)]
pub struct AllRules {
    /// The rules for the registry's routes.
    pub registry: Vec<FaultReport>,
    /// The rules for the vault, or `None` for an external vault.
    pub vault: Option<VaultRules>,
    /// The classes of the registry.
    pub classes: Vec<String>,
}

impl FaultRules {
    /// Creates an empty set of rules.
    pub fn new(clock: Clock) -> Self {
        let registry = Arc::new(Faults::new(clock, registry::classes()));
        Self { registry, generated_names: AtomicU64::new(0) }
    }

    /// The rules that [`inject`](super::inject) applies.
    pub fn registry_faults(&self) -> &Arc<Faults> {
        &self.registry
    }

    /// Adds a rule, or replaces the rule of the same name. Returns the name that removes it.
    pub async fn add(
        &self,
        rule: Value,
        owner: Option<&OwnerVault>,
    ) -> Result<String, FaultRulesError> {
        let on = rule["on"].as_str().unwrap_or_default().to_owned();
        if rule["on"].is_string() && !self.is_of_registry(&on) {
            let owner = owner.ok_or_else(|| self.external_vault(&on))?;
            let known = self.registry.classes().join(", ");
            let id = vault::add(owner, rule, &known).await?;
            self.registry.remove(&id);
            return Ok(id);
        }
        let mut rule = FaultRule::read(rule)?;
        // Names of the vault's rules have another prefix.
        let name = rule.name.clone().unwrap_or_else(|| {
            format!("registry-{}", self.generated_names.fetch_add(1, Ordering::Relaxed) + 1)
        });
        rule.name = Some(name.clone());
        let id = self.registry.add(rule)?;
        if let Some(owner) = owner {
            vault::remove(owner, &name).await?;
        }
        Ok(id)
    }

    /// Removes a rule of the registry or of the vault.
    pub async fn remove(
        &self,
        id: &str,
        owner: Option<&OwnerVault>,
    ) -> Result<(), FaultRulesError> {
        let here = self.registry.remove(id);
        let there = match owner {
            Some(owner) if !here => vault::remove(owner, id).await?,
            _ => false,
        };
        if here || there { Ok(()) } else { Err(FaultRulesError::Unknown(id.to_owned())) }
    }

    /// Removes all rules and the throttling.
    pub async fn clear(&self, owner: Option<&OwnerVault>) -> Result<(), FaultRulesError> {
        self.registry.clear();
        if let Some(owner) = owner {
            vault::clear(owner).await?;
        }
        Ok(())
    }

    /// Limits the calls to the vault, or removes the limits: `published`, `off`, or numbers.
    pub async fn throttle(
        &self,
        limits: Value,
        owner: Option<&OwnerVault>,
    ) -> Result<(), FaultRulesError> {
        let owner = owner.ok_or_else(|| self.external_vault("throttling"))?;
        vault::throttle(owner, limits).await
    }

    /// The rules that are still active.
    pub async fn rules(&self, owner: Option<&OwnerVault>) -> Result<AllRules, FaultRulesError> {
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

    fn external_vault(&self, on: &str) -> FaultRulesError {
        FaultRulesError::ExternalVault {
            on: on.to_owned(),
            known: self.registry.classes().join(", "),
        }
    }
}
