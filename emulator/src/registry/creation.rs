//! What a registry has to be when it is made, and the making of what it needs.
//!
//! The rules that need nobody's answer are one function, [`NewRegistry::check`]. What a vault has to say comes after them:
//! `registries.rs` asks it and stores the registry when it has said yes, ring and row in one transaction. So whatever
//! fails before leaves nothing of the registry behind.

use super::access::AccessSettings;
use super::identity::{AssignedIdentity, Identity, IdentityOf};
use super::manage_error::{ManageError, Warning};
use super::names::RegistryName;
use super::profile::Profile;
use super::registries::{Registries, to_the_end};
use super::resource::{IdentityRef, IdentityResource, Location, ResourceGroup, Sku, Tags};
use crate::keys::{InvalidKeyId, KeyId, VaultName};

/// A registry that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each says one thing of a registry")]
pub struct NewRegistry {
    /// Its name.
    pub name: RegistryName,
    /// The price class.
    pub sku: Sku,
    /// The place.
    pub location: Location,
    /// The resource group.
    pub group: ResourceGroup,
    /// What people call it.
    pub tags: Tags,
    /// The user-assigned identities that it has.
    pub identities: Vec<IdentityResource>,
    /// Whether it has an identity by itself.
    pub system_identity: bool,
    /// The customer-managed key. None: the service-managed key alone.
    pub encryption: Option<Encryption>,
    /// Whether content trust is on.
    pub content_trust: bool,
    /// Whether anybody may use its content.
    pub anonymous: bool,
    /// How it is logged in to, if not.
    pub access: AccessSettings,
    /// Whether it lacks what a real one lacks.
    pub strict: bool,
}

/// A customer-managed key that is to be used, and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// The key. Without a version the registry follows the newest.
    pub key: KeyId,
    /// Who asks the vault. None: the only one that the registry has.
    pub identity: Option<IdentityRef>,
}

impl NewRegistry {
    /// A Premium registry of this name, without a key yet, as a command would make one.
    pub fn named(name: RegistryName) -> Self {
        Self {
            name,
            sku: Sku::Premium,
            location: Location::default(),
            group: ResourceGroup::default(),
            tags: Tags::default(),
            identities: Vec::new(),
            system_identity: false,
            encryption: None,
            content_trust: false,
            anonymous: true,
            access: AccessSettings::default(),
            strict: false,
        }
    }

    /// The rules that need nobody's answer.
    pub(super) fn check(&self) -> Result<(), ManageError> {
        if self.access.anonymous_pull && self.sku == Sku::Basic {
            return Err(ManageError::NoAnonymousPull(self.sku));
        }
        let Some(encryption) = &self.encryption else { return Ok(()) };
        if self.sku != Sku::Premium {
            return Err(ManageError::PremiumOnly(self.sku));
        }
        if self.identities.is_empty() || encryption.identity == Some(IdentityRef::System) {
            return Err(ManageError::NoUserAssignedIdentity);
        }
        if self.content_trust {
            return Err(ManageError::ContentTrust(self.group.registry_id(&self.name)));
        }
        Ok(())
    }

    /// Who asks for the key, of those that the registry is to have.
    pub(super) fn asker<'a>(
        &self,
        profile: &'a Profile,
    ) -> Result<Option<&'a AssignedIdentity>, ManageError> {
        let Some(encryption) = &self.encryption else { return Ok(None) };
        let Some(named) = &encryption.identity else {
            return match &profile.identities[..] {
                [only] => Ok(Some(only)),
                // Which of several it is has to be said.
                _ => Err(ManageError::NoUserAssignedIdentity),
            };
        };
        let found = profile.user_assigned(named);
        found.map(Some).ok_or_else(|| ManageError::not_assigned(&self.name, profile, named))
    }
}

impl Registries {
    /// Whether a registry can be made of this name.
    pub async fn is_free(&self, name: &RegistryName) -> Result<bool, ManageError> {
        match self.check_name(name).await {
            Ok(()) => Ok(true),
            Err(ManageError::NameTaken(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes what a new registry with a customer-managed key needs and nobody named, and then the registry: an identity
    /// and a key in the vault `local`, both of the registry's name, and the permission of the identity to use the key.
    ///
    /// If the registry is not made, an identity that was made for it goes again. A key stays: it is used the next time.
    /// It goes on if the caller is dropped.
    pub async fn create_with_what_it_needs(
        &self,
        new: NewRegistry,
        key: Option<KeyId>,
        identity: Option<IdentityRef>,
    ) -> Result<(super::Registry, Vec<Warning>), ManageError> {
        let this = self.clone();
        to_the_end(async move { this.create_with_needs_now(new, key, identity).await }).await
    }

    async fn create_with_needs_now(
        &self,
        mut new: NewRegistry,
        key: Option<KeyId>,
        identity: Option<IdentityRef>,
    ) -> Result<(super::Registry, Vec<Warning>), ManageError> {
        let key_is_given = key.is_some();
        let key = match key {
            Some(key) => key,
            None => own_key(&new.name).map_err(super::Error::internal)?,
        };
        let named = match &identity {
            None | Some(IdentityRef::System) => None,
            Some(IdentityRef::Resource(resource)) => Some(resource.clone()),
            Some(IdentityRef::ClientId(id)) => Some(self.identity_of_client(id).await?.resource),
            Some(IdentityRef::Name(name)) => {
                let listed =
                    new.identities.iter().find(|own| own.name().eq_ignore_ascii_case(name));
                match listed {
                    Some(_) => None,
                    None => Some(IdentityResource::new(new.group.clone(), name)?),
                }
            }
        };
        if let Some(named) = named.filter(|named| !new.identities.contains(named)) {
            new.identities.push(named);
        }
        let needs_identity =
            new.identities.is_empty() && !new.system_identity && identity.is_none();
        if needs_identity {
            let name = new.name.as_str();
            new.identities.push(IdentityResource::new(new.group.clone(), name)?);
        }
        new.encryption = Some(Encryption { key: key.clone(), identity });
        // What can be refused without making anything is refused first.
        new.check()?;
        self.check_name(&new.name).await?;
        if !key_is_given {
            self.platform().ensure_key(&key).await?;
        }
        if !needs_identity {
            // Identities that were named have the permissions that their owner gave them, but for a key just made.
            if !key_is_given {
                for resource in &new.identities {
                    let identity = self.identity(resource).await?;
                    self.platform().allow(key.vault(), &identity.principal).await?;
                }
            }
            return self.create(new).await;
        }
        let (identity, made) = self.own_identity(&new, key.vault()).await?;
        let created = self.create(new).await;
        if created.is_err() && made {
            self.undo_identity(&identity, key.vault()).await;
        }
        created
    }

    /// The identity of the registry's own name, and whether it was made now.
    async fn own_identity(
        &self,
        new: &NewRegistry,
        vault: &VaultName,
    ) -> Result<(Identity, bool), ManageError> {
        let resource = IdentityResource::new(new.group.clone(), new.name.as_str())?;
        let (identity, made) = match self
            .create_identity(resource.clone(), new.location.clone(), Tags::default())
            .await
        {
            Ok(identity) => (identity, true),
            Err(ManageError::IdentityTaken(_)) => (self.identity(&resource).await?, false),
            Err(error) => return Err(error),
        };
        if let Err(error) = self.platform().allow(vault, &identity.principal).await {
            if made {
                self.undo_identity(&identity, vault).await;
            }
            return Err(error.into());
        }
        Ok((identity, made))
    }

    /// Takes away what was made for a registry that was not.
    async fn undo_identity(&self, identity: &Identity, vault: &VaultName) {
        if let Err(error) = self.platform().disallow(vault, &identity.principal).await {
            tracing::warn!(identity = %identity.resource, %error, "a permission could not be taken back");
        }
        if let Err(error) = self.delete_identity(&identity.resource, true).await {
            tracing::warn!(identity = %identity.resource, %error, "an identity could not be taken back");
        }
    }

    /// The identity that a registry has by itself.
    pub(super) async fn make_system_identity(
        &self,
        group: &ResourceGroup,
        name: &RegistryName,
    ) -> Result<super::Principal, ManageError> {
        let of = IdentityOf::Registry(group.registry_id(name));
        Ok(self.platform().make_identity(of).await?)
    }

    /// Whether a vault is fit for a key that seals content: a warning, or a refusal where parity is strict.
    pub(super) async fn check_vault(
        &self,
        vault: &VaultName,
        strict: bool,
    ) -> Result<Vec<Warning>, ManageError> {
        // A vault that does not answer to its owner is met again with its key, in the words for that.
        let is_protected = self.platform().has_purge_protection(vault).await.ok().flatten();
        if is_protected != Some(false) {
            return Ok(Vec::new());
        }
        if strict {
            return Err(ManageError::NoPurgeProtection(vault.clone()));
        }
        let warning = Warning::NoPurgeProtection(vault.clone());
        tracing::warn!(vault = %vault, "{warning}");
        Ok(vec![warning])
    }
}

/// The key of a registry's own name.
fn own_key(name: &RegistryName) -> Result<KeyId, InvalidKeyId> {
    Ok(KeyId::new(VaultName::local(), name.as_str().parse()?, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str) -> NewRegistry {
        NewRegistry::named(name.parse().unwrap())
    }

    fn with_key(identities: &[&str], identity: Option<&str>) -> NewRegistry {
        let resource = |name: &&str| IdentityResource::new(ResourceGroup::default(), name).unwrap();
        NewRegistry {
            identities: identities.iter().map(resource).collect(),
            encryption: Some(Encryption {
                key: "https://local.vault.localhost/keys/k".parse().unwrap(),
                identity: identity.map(|text| text.parse().unwrap()),
            }),
            ..new("team1")
        }
    }

    #[test]
    fn the_rules_of_creation_hold_in_this_table() {
        let basic = NewRegistry { sku: Sku::Basic, ..with_key(&["one"], None) };
        let standard = NewRegistry { sku: Sku::Standard, ..with_key(&["one"], None) };
        let trusting = NewRegistry { content_trust: true, ..with_key(&["one"], None) };
        let system = NewRegistry { system_identity: true, ..with_key(&[], Some("[system]")) };
        let both = NewRegistry { system_identity: true, ..with_key(&["one"], None) };
        let pulled = NewRegistry {
            sku: Sku::Basic,
            access: AccessSettings { admin_enabled: true, anonymous_pull: true },
            ..new("team1")
        };
        let without = NewRegistry { sku: Sku::Basic, content_trust: true, ..new("team1") };

        for (new, refused) in [
            (with_key(&["one"], Some("one")), None),
            (with_key(&["one", "two"], Some("two")), None),
            (both, None),
            (without, None),
            (pulled, Some("anonymous pull")),
            (basic, Some("Premium")),
            (standard, Some("Premium")),
            (with_key(&[], None), Some("user-assigned")),
            (with_key(&["one"], Some("[system]")), Some("user-assigned")),
            (system, Some("user-assigned")),
            (trusting, Some("'ContenTrust'")),
        ] {
            let error = new.check().err().map(|error| error.to_string());
            assert_eq!(error.is_some(), refused.is_some(), "{new:?}: {error:?}");
            assert!(error.unwrap_or_default().contains(refused.unwrap_or_default()), "{new:?}");
        }
    }
}
