//! Changes an existing registry: tags, identities, policies. `rotation.rs` rotates its key.
//!
//! Changes follow the rules of creation: a key is never turned on or off, and its registry stays Premium. A new profile
//! is durable before it takes effect. Removing the identity for the key makes the registry dark, as in Azure, and
//! assigning it again makes the registry readable; meanwhile its key cannot be rotated.

use azure_emulator_core::disk_space::Purpose;

use super::error::ManageError;
use super::registries::{Registries, run_to_completion};
use crate::keys::{Cause, RotationTarget};
use crate::names::RegistryName;
use crate::registry::blocking::blocking;
use crate::registry::intents::Intent;
use crate::registry::parts::Registry;
use crate::registry::resources::{
    AssignedIdentity, FormerIdentity, IdentityRef, IdentityResource, Profile, Sku, Tags,
};
use crate::store::End;

/// The changes to a registry. Omitted properties stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The SKU.
    pub sku: Option<Sku>,
    /// All tags; they replace the old ones.
    pub tags: Option<Tags>,
    /// User-assigned identities to add.
    pub assign: Vec<IdentityResource>,
    /// User-assigned identities to remove.
    pub remove: Vec<IdentityRef>,
    /// Whether it has a system-assigned identity.
    pub system_identity: Option<bool>,
    /// Whether it has a customer-managed key: only the current value is accepted.
    pub encryption: Option<bool>,
    /// Whether content trust is requested. It is refused.
    pub content_trust: Option<bool>,
    /// Whether its content needs no login.
    pub anonymous: Option<bool>,
    /// Whether it lacks the features that a real one lacks.
    pub strict: Option<bool>,
    /// Whether trusted Azure services could not bypass network rules. There are no rules, so it is only stored and
    /// reported.
    pub no_bypass: Option<bool>,
    /// Whether the admin user may log in.
    pub admin_enabled: Option<bool>,
    /// Whether pulling needs no login.
    pub anonymous_pull: Option<bool>,
    /// The port that it last had.
    pub port: Option<u16>,
}

impl Change {
    /// Whether it only records a port: the emulator does so on its own.
    fn only_sets_port(&self) -> bool {
        *self == Self { port: self.port, ..Self::default() }
    }

    /// Checks the rules that need no lookup.
    pub(super) fn check(&self, name: &RegistryName, profile: &Profile) -> Result<(), ManageError> {
        match (self.encryption, profile.is_cmk()) {
            (Some(true), false) => return Err(ManageError::EnabledLater(name.clone())),
            (Some(false), true) => return Err(ManageError::CannotBeDisabled(name.clone())),
            _ => (),
        }
        let sku = self.sku.unwrap_or(profile.sku);
        if self.anonymous_pull == Some(true) && sku == Sku::Basic {
            return Err(ManageError::NoAnonymousPull(sku));
        }
        if !profile.is_cmk() {
            let trusts = self.content_trust == Some(true);
            return if trusts { Err(ManageError::NoContentTrust) } else { Ok(()) };
        }
        match self.sku {
            Some(sku) if sku != Sku::Premium => return Err(ManageError::PremiumOnly(sku)),
            _ => (),
        }
        if self.content_trust == Some(true) {
            return Err(ManageError::ContentTrust(profile.group.registry_id(name)));
        }
        Ok(())
    }
}

impl Registries {
    /// Changes a registry. On return, the registry uses the change. Continues if the caller is dropped.
    pub async fn change(
        &self,
        name: &RegistryName,
        change: Change,
    ) -> Result<Registry, ManageError> {
        let (this, name) = (self.clone(), name.clone());
        run_to_completion(async move {
            let _lock = this.lock().await;
            if !change.only_sets_port() {
                this.end_waiting_update(&name).await?;
            }
            this.change_now(&name, change, Purpose::Rows).await
        })
        .await
    }

    /// Changes a registry to the state that a reset wants; allowed even if the disk is full.
    pub(super) async fn change_for_reset(
        &self,
        name: &RegistryName,
        change: Change,
    ) -> Result<(), ManageError> {
        let (this, name) = (self.clone(), name.clone());
        run_to_completion(async move {
            let _lock = this.lock().await;
            this.change_now(&name, change, Purpose::Removal).await.map(drop)
        })
        .await
    }

    pub(super) async fn change_now(
        &self,
        name: &RegistryName,
        change: Change,
        purpose: Purpose,
    ) -> Result<Registry, ManageError> {
        let registry = self.open_one(name)?;
        let old = registry.profile();
        change.check(name, &old)?;
        let mut new = Profile::clone(&old);
        for resource in &change.assign {
            let identity: AssignedIdentity = self.identity(resource).await?.into();
            // An identity that was deleted and created again under its name is different.
            new.identities.retain(|own| own.resource != identity.resource);
            new.former_identity.take_if(|former| former.identity == identity);
            new.identities.push(identity);
        }
        for named in &change.remove {
            let found = new.user_assigned(named).cloned();
            let found = found.ok_or_else(|| ManageError::not_assigned(name, &new, named))?;
            new.identities.retain(|own| *own != found);
            let former = FormerIdentity { identity: found, removed: self.now() };
            // A deleted identity does not keep working, even in strict parity.
            if registry.is_strict()
                && registry.asks_as(&former)
                && !self.was_deleted(&former.identity).await?
            {
                new.former_identity = Some(former);
            }
        }
        if change.system_identity == Some(false) {
            new.system_identity = None;
        }
        let makes_system = change.system_identity == Some(true) && old.system_identity.is_none();
        let drops_system = new.system_identity.is_none() && old.system_identity.is_some();
        // If this is dropped without an end, the principal is removed unless the row names it.
        let intent = if makes_system || drops_system {
            Some(self.begin_system_identity(&old.group, name, drops_system).await?)
        } else {
            None
        };
        if makes_system {
            new.system_identity = Some(self.make_system_identity(&old.group, name).await?);
        }
        if let Some(intent) = &intent {
            intent.passed().await?;
        }
        new.sku = change.sku.unwrap_or(new.sku);
        new.tags = change.tags.unwrap_or(new.tags);
        new.anonymous = change.anonymous.unwrap_or(new.anonymous);
        new.strict = change.strict.unwrap_or(new.strict);
        new.no_bypass = change.no_bypass.unwrap_or(new.no_bypass);
        new.port = change.port.or(new.port);
        if new == *old {
            registry.set_access(change.admin_enabled, change.anonymous_pull).await?;
            return Ok(registry);
        }
        // The row is written last when an identity is added, and first when one is removed.
        let end = intent.as_ref().filter(|_| makes_system).map(Intent::end_with);
        let kept = self.store_profile(name, &new, end.unwrap_or_default(), purpose).await;
        match intent {
            Some(intent) if makes_system && kept.is_ok() => intent.ended().await,
            Some(intent) if intent.passed().await.is_ok() => {
                self.finish_system_identity(intent).await;
            }
            Some(_) | None => (),
        }
        kept?;
        let has_other_identities =
            new.identities != old.identities || new.system_identity != old.system_identity;
        let has_former_back = old.former_identity.is_some() && new.former_identity.is_none();
        let was_strict = registry.is_strict();
        registry.set_profile(new);
        registry.set_access(change.admin_enabled, change.anonymous_pull).await?;
        self.notify();
        // Only in strict parity does a removed identity keep working.
        if has_other_identities || was_strict != registry.is_strict() {
            let status = registry.key_ring().check().await;
            // Retries the automatic rotation that failed without the identity.
            if has_former_back && status.cause == Some(Cause::RotationBlocked) {
                let rotated = registry.key_ring().rotate(RotationTarget::default()).await;
                if let Err(error) = rotated {
                    tracing::warn!(registry.name = %name, %error, "cannot rotate the key");
                }
            }
        }
        Ok(registry)
    }

    pub(super) async fn store_profile(
        &self,
        name: &RegistryName,
        profile: &Profile,
        end: End,
        purpose: Purpose,
    ) -> Result<(), ManageError> {
        let (store, record) = (self.common().store.clone(), profile.record(name));
        if blocking(move || store.replace_registry(&record, &end, purpose)).await? {
            Ok(())
        } else {
            Err(ManageError::NoRegistry(name.clone()))
        }
    }
}
