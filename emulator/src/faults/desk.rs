//! The desk where rules are added, listed and removed, those of the registry and those of the vault.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use azure_emulator_core::clock::Clock;
use azure_emulator_core::faults::{FaultReport, FaultRule, Faults};
use serde_json::Value;

use super::error::FaultDeskError;
use super::vault::VaultRules;
use super::{registry, vault};
use crate::vault::OwnerVault;

/// The rules of the registry, and the access to those of the vault.
#[derive(Debug)]
pub struct FaultDesk {
    registry: Arc<Faults>,
    named: AtomicU64,
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

impl FaultDesk {
    /// Creates a desk without rules.
    pub fn new(clock: Clock) -> Self {
        let registry = Arc::new(Faults::new(clock, registry::classes()));
        Self { registry, named: AtomicU64::new(0) }
    }

    /// The rules that [`strike`](super::strike) applies.
    pub fn of_registry(&self) -> &Arc<Faults> {
        &self.registry
    }

    /// Adds a rule, or replaces the rule of the same name. Returns the name that removes it.
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
        // Names of the vault's rules have another prefix.
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

    /// Removes a rule of the registry or of the vault.
    pub async fn remove(&self, id: &str, owner: Option<&OwnerVault>) -> Result<(), FaultDeskError> {
        let here = self.registry.remove(id);
        let there = match owner {
            Some(owner) if !here => vault::remove(owner, id).await?,
            _ => false,
        };
        if here || there { Ok(()) } else { Err(FaultDeskError::Unknown(id.to_owned())) }
    }

    /// Removes all rules and the throttling.
    pub async fn clear(&self, owner: Option<&OwnerVault>) -> Result<(), FaultDeskError> {
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
    ) -> Result<(), FaultDeskError> {
        let owner = owner.ok_or_else(|| self.not_ours("throttling"))?;
        vault::throttle(owner, limits).await
    }

    /// The rules that are still active.
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
