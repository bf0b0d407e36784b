//! Changing a registry that is there: its tags, identities, policies, and by hand the key that it uses.
//!
//! What can be changed follows the rules of creation: a key is never turned on or off, and its registry stays Premium.
//! A new profile is durable before it is in force. Taking the identity away that asks for the key darkens the registry,
//! as in Azure, and giving it back brings it back; meanwhile its key cannot be rotated.

use super::blocking::blocking;
use super::identity::AssignedIdentity;
use super::manage_error::{ManageError, Warning};
use super::names::RegistryName;
use super::profile::Profile;
use super::registries::{Registries, to_the_end};
use super::resource::{IdentityRef, IdentityResource, Sku, Tags};
use super::{Error, Registry};
use crate::keys::{IdentityId, KeyId, Rotation, RotationTarget};

/// What is to be changed of a registry. What is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The price class.
    pub sku: Option<Sku>,
    /// All tags anew.
    pub tags: Option<Tags>,
    /// User-assigned identities that it is to have as well.
    pub assign: Vec<IdentityResource>,
    /// User-assigned identities that it is to have no more.
    pub remove: Vec<IdentityRef>,
    /// Whether it has an identity by itself.
    pub system_identity: Option<bool>,
    /// Whether it has a customer-managed key: only what is so already is not refused.
    pub encryption: Option<bool>,
    /// Whether content trust is on.
    pub content_trust: Option<bool>,
    /// Whether anybody may use its content.
    pub anonymous: Option<bool>,
    /// Whether it lacks what a real one lacks.
    pub strict: Option<bool>,
    /// Whether the admin user may log in.
    pub admin_enabled: Option<bool>,
    /// Whether anybody may pull.
    pub anonymous_pull: Option<bool>,
    /// The port that it had last.
    pub port: Option<Option<u16>>,
}

/// What a registry's key is rotated to by hand. What is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyChange {
    /// The key. Without a version it is followed from then on, with one it is not.
    pub key: Option<KeyId>,
    /// Who asks for it from then on.
    pub identity: Option<IdentityRef>,
}

impl Change {
    /// The rules that need nobody's answer.
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
            return Ok(());
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
    /// Changes a registry. When this returns, the registry has seen it. It goes on if the caller is dropped.
    pub async fn change(
        &self,
        name: &RegistryName,
        change: Change,
    ) -> Result<Registry, ManageError> {
        let (this, name) = (self.clone(), name.clone());
        to_the_end(async move {
            let _alone = this.lock().await;
            this.change_now(&name, change).await
        })
        .await
    }

    /// Rotates the key of a registry by hand: to its newest version, or to what is named.
    ///
    /// The old key has to be usable still, and the new one is tried before anything is changed.
    pub async fn rotate_key(
        &self,
        name: &RegistryName,
        to: KeyChange,
    ) -> Result<(Registry, Rotation, Vec<Warning>), ManageError> {
        let (this, name) = (self.clone(), name.clone());
        to_the_end(async move { this.rotate_now(&name, to).await }).await
    }

    pub(super) async fn change_now(
        &self,
        name: &RegistryName,
        change: Change,
    ) -> Result<Registry, ManageError> {
        let registry = self.open_one(name)?;
        let old = registry.profile();
        change.check(name, &old)?;
        let mut new = Profile::clone(&old);
        for resource in &change.assign {
            let identity: AssignedIdentity = self.identity(resource).await?.into();
            // One that was made anew under its old name is another one.
            new.identities.retain(|own| own.resource != identity.resource);
            new.identities.push(identity);
        }
        for named in &change.remove {
            let found = new.user_assigned(named).map(|own| own.resource.clone());
            let found = found.ok_or_else(|| ManageError::not_assigned(name, &new, named))?;
            new.identities.retain(|own| own.resource != found);
        }
        if change.system_identity == Some(false) {
            new.system_identity = None;
        }
        let makes_system = change.system_identity == Some(true) && old.system_identity.is_none();
        if makes_system {
            new.system_identity = Some(self.make_system_identity(&old.group, name).await?);
        }
        new.sku = change.sku.unwrap_or(new.sku);
        new.tags = change.tags.unwrap_or(new.tags);
        new.content_trust = change.content_trust.unwrap_or(new.content_trust);
        new.anonymous = change.anonymous.unwrap_or(new.anonymous);
        new.strict = change.strict.unwrap_or(new.strict);
        new.port = change.port.unwrap_or(new.port);
        if new == *old {
            registry.set_access(change.admin_enabled, change.anonymous_pull).await?;
            return Ok(registry);
        }
        let kept = self.keep(name, &new).await;
        let dropped = match &kept {
            Ok(()) => old.system_identity.as_ref().filter(|_| new.system_identity.is_none()),
            Err(_) => new.system_identity.as_ref().filter(|_| makes_system),
        };
        self.remove_system_identity(name, dropped).await;
        kept?;
        let has_other_identities =
            new.identities != old.identities || new.system_identity != old.system_identity;
        registry.set_profile(new);
        registry.set_access(change.admin_enabled, change.anonymous_pull).await?;
        self.tell();
        if has_other_identities {
            registry.key_ring().check().await;
        }
        Ok(registry)
    }

    pub(super) async fn rotate_now(
        &self,
        name: &RegistryName,
        to: KeyChange,
    ) -> Result<(Registry, Rotation, Vec<Warning>), ManageError> {
        let registry = self.open_one(name)?;
        let profile = registry.profile();
        if !profile.is_cmk() {
            return Err(ManageError::NothingToRotate(name.clone()));
        }
        let identity = match &to.identity {
            None => None,
            Some(named) => {
                let known = profile.identity_id(named);
                Some(known.ok_or_else(|| ManageError::not_assigned(name, &profile, named))?)
            }
        };
        let configured = registry.key_ring().describe();
        let asker = identity.as_ref().or(configured.identity.as_ref());
        let asker = asker.map_or_else(
            || self.platform().start_identity().principal.client_id.clone(),
            IdentityId::to_string,
        );
        let warnings = match to.key.as_ref().or(configured.configured.as_ref()) {
            Some(key) => self.check_vault(key.vault(), registry.is_strict()).await?,
            None => Vec::new(),
        };
        let target = RotationTarget { key: to.key, identity };
        let rotation = registry
            .key_ring()
            .rotate(target)
            .await
            .map_err(|error| self.why_not(Error::Ring(error), name, &asker))?;
        self.tell();
        Ok((registry, rotation, warnings))
    }

    pub(super) async fn keep(
        &self,
        name: &RegistryName,
        profile: &Profile,
    ) -> Result<(), ManageError> {
        let (store, record) = (self.common().store.clone(), profile.record(name));
        if blocking(move || store.replace_registry(&record)).await? {
            Ok(())
        } else {
            Err(ManageError::NoRegistry(name.clone()))
        }
    }
}
