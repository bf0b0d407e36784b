//! Creates a registry, or nothing.
//!
//! After the rules that need no vault ([`NewRegistry`] has them), the vault is asked. If it allows the key, the ring and
//! the row of the registry are stored in one transaction. So a creation that fails before leaves nothing behind.

use std::sync::Arc;

use uuid::Uuid;

use super::deletion::OF_REGISTRY;
use super::error::{ManageError, Warning};
use super::new_registry::NewRegistry;
use super::opening::Opening;
use super::registries::{Registries, run_to_completion};
use crate::keys::{IdentityId, VaultName};
use crate::names::RegistryName;
use crate::registry::blocking::blocking;
use crate::registry::intents::Intent;
use crate::registry::parts::Registry;
use crate::registry::resources::{AssignedIdentity, Profile};

impl Registries {
    /// Creates a registry, or nothing. Continues if the caller is dropped.
    pub async fn create(&self, new: NewRegistry) -> Result<(Registry, Vec<Warning>), ManageError> {
        self.intents().refuse_in_reset()?;
        let this = self.clone();
        run_to_completion(async move { this.create_now(new, None).await }).await
    }

    pub(super) async fn create_now(
        &self,
        new: NewRegistry,
        mut intent: Option<Intent>,
    ) -> Result<(Registry, Vec<Warning>), ManageError> {
        let _lock = self.lock().await;
        match self.make(new, &mut intent).await {
            Ok(made) => {
                if let Some(intent) = intent {
                    intent.ended().await;
                }
                Ok(made)
            }
            Err(error) => {
                if let Some(intent) = intent {
                    self.undo_creation(intent).await;
                }
                Err(error)
            }
        }
    }

    /// Creates a registry. `intent` ends with the transaction that stores it.
    async fn make(
        &self,
        new: NewRegistry,
        intent: &mut Option<Intent>,
    ) -> Result<(Registry, Vec<Warning>), ManageError> {
        new.check()?;
        self.check_name(&new.name).await?;
        let (store, name) = (Arc::clone(&self.common().store), new.name.clone());
        if !blocking(move || store.is_leaving(&name)).await? {
            // Waiting operations were for an earlier registry of this name.
            self.intents().replace(&OF_REGISTRY, new.name.as_str()).await?;
        }
        let mut profile = self.profile_of(&new).await?;
        let warnings = match &new.encryption {
            Some(encryption) => {
                let strict = new.strict || self.common().settings.strict_parity;
                self.check_vault(encryption.key.vault(), strict).await?
            }
            None => Vec::new(),
        };
        let (key_identity, identity) = self.key_identity_of(&new, &profile)?;
        if new.system_identity {
            if intent.is_none() {
                *intent = Some(self.begin_creation(&new).await?);
            }
            profile.system_identity = Some(self.make_system_identity(&new.group, &new.name).await?);
        }
        if let Some(intent) = intent {
            intent.passed().await?;
        }
        let vault_changes = self.vault_changes();
        let opening = Opening {
            key_identity,
            is_new: true,
            access: new.access,
            end: intent.as_ref().map(Intent::end_with).unwrap_or_default(),
            ..Opening::stored(self.common(), new.name.clone(), profile)
        };
        let opened = Registry::open(opening).await;
        let registry = opened.map_err(|error| self.opening_error(error, &new.name, &identity))?;
        self.insert(registry.clone());
        if self.vault_changes() != vault_changes {
            registry.key_ring().suspect();
        }
        self.notify();
        self.ensure_group(&new.group, &new.location).await?;
        tracing::info!(registry.name = %new.name, "made a registry");
        Ok((registry, warnings))
    }

    /// Whether a name is free.
    pub(super) async fn check_name(&self, name: &RegistryName) -> Result<(), ManageError> {
        let (store, row) = (Arc::clone(&self.common().store), name.clone());
        let is_taken = blocking(move || store.registry(&row)).await?.is_some();
        if is_taken { Err(ManageError::NameTaken(name.clone())) } else { Ok(()) }
    }

    /// The identity for the key of a new registry, as its ring names it and as people do.
    pub(super) fn key_identity_of(
        &self,
        new: &NewRegistry,
        profile: &Profile,
    ) -> Result<(Option<IdentityId>, String), ManageError> {
        let key_identity = new.key_identity(profile)?;
        let client_id = key_identity.map(|key_identity| key_identity.principal.client_id.clone());
        Ok((
            key_identity.and_then(|key_identity| self.identity_id(key_identity)),
            client_id.unwrap_or_default(),
        ))
    }

    /// The profile of a new registry. Its identities must exist.
    pub(super) async fn profile_of(&self, new: &NewRegistry) -> Result<Profile, ManageError> {
        let mut identities: Vec<AssignedIdentity> = Vec::with_capacity(new.identities.len());
        for resource in &new.identities {
            identities.push(self.identity(resource).await?.into());
        }
        Ok(Profile {
            id: Some(Uuid::new_v4().to_string()),
            created: self.now(),
            sku: new.sku,
            location: new.location.clone(),
            group: new.group.clone(),
            tags: new.tags.clone(),
            made_with: new.encryption.as_ref().map(|encryption| encryption.key.clone()),
            identities,
            system_identity: None,
            anonymous: new.anonymous,
            strict: new.strict,
            no_bypass: new.no_bypass,
            created_by: new.author.clone(),
            port: None,
            former_identity: None,
        })
    }

    /// Whether a registry of this name can be created.
    pub async fn is_free(&self, name: &RegistryName) -> Result<bool, ManageError> {
        match self.check_name(name).await {
            Ok(()) => Ok(true),
            Err(ManageError::NameTaken(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The warnings that apply to a registry. `local` has none in the vault `local`: the emulator chose that vault, not the user.
    pub async fn warnings(&self, registry: &Registry) -> Vec<Warning> {
        let Some(key) = registry.key_ring().describe().configured else { return Vec::new() };
        if registry.registry_name().is_local() && *key.vault() == VaultName::local() {
            return Vec::new();
        }
        self.purge_warning(key.vault()).await.into_iter().collect()
    }

    /// The warning about a vault without purge protection. There is none for a vault that does not answer its owner.
    async fn purge_warning(&self, vault: &VaultName) -> Option<Warning> {
        let is_protected = self.platform().has_purge_protection(vault).await.ok().flatten();
        (is_protected == Some(false)).then(|| Warning::NoPurgeProtection(vault.clone()))
    }

    /// Checks that a vault has purge protection, as a key that seals content needs. If not: a warning, or in strict parity
    /// an error.
    pub(super) async fn check_vault(
        &self,
        vault: &VaultName,
        strict: bool,
    ) -> Result<Vec<Warning>, ManageError> {
        let Some(warning) = self.purge_warning(vault).await else { return Ok(Vec::new()) };
        if strict {
            return Err(ManageError::NoPurgeProtection(vault.clone()));
        }
        tracing::warn!(vault = %vault, "{warning}");
        Ok(vec![warning])
    }
}
