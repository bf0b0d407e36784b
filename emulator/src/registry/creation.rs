//! What a registry has to be when it is made, and the making of what it needs.
//!
//! The rules that need nobody's answer are one function, [`NewRegistry::check`]. What a vault has to say comes after them:
//! `registries.rs` asks it and stores the registry when it has said yes, ring and row in one transaction. So whatever
//! fails before leaves nothing of the registry behind.

use serde::{Deserialize, Serialize};

use super::access::AccessSettings;
use super::identity::{AssignedIdentity, IdentityOf, Principal};
use super::intents::{Intent, Kind};
use super::manage_error::{ManageError, Warning};
use super::names::RegistryName;
use super::profile::{Author, Profile};
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
    /// Whether content trust is asked for. It is refused.
    pub content_trust: bool,
    /// Whether anybody may use its content.
    pub anonymous: bool,
    /// How it is logged in to, if not.
    pub access: AccessSettings,
    /// Whether it lacks what a real one lacks.
    pub strict: bool,
    /// Whether trusted services of Azure could not pass network rules. There are no rules, so it is only kept and reported.
    pub no_bypass: bool,
    /// Its author. None: the local owner.
    pub author: Option<Author>,
}

/// A customer-managed key that is to be used, and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// The key. Without a version the registry follows the newest.
    pub key: KeyId,
    /// Who asks the vault. None: the only one that the registry has.
    pub identity: Option<IdentityRef>,
}

/// What the creation of a registry needs to be undone.
#[derive(Clone, Serialize, Deserialize)]
struct Creation {
    registry: String,
    /// Its resource id.
    resource: String,
    has_system_identity: bool,
    /// The identity of its own name, if it needs that.
    identity: Option<OwnIdentity>,
}

/// The identity of a new registry's own name, and the vault whose keys it may use.
#[derive(Clone, Serialize, Deserialize)]
struct OwnIdentity {
    identity: String,
    vault: String,
    /// Which identity of this name the creation has made: no other one is its to delete. None: it has made none so far.
    #[serde(default)]
    client_id: Option<String>,
}

impl Creation {
    /// Of a registry that needs no identity of its own name.
    fn of(new: &NewRegistry) -> Self {
        Self {
            registry: new.name.as_str().to_owned(),
            resource: new.group.registry_id(&new.name),
            has_system_identity: new.system_identity,
            identity: None,
        }
    }
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
            no_bypass: false,
            author: None,
        }
    }

    /// The rules that need nobody's answer.
    pub(super) fn check(&self) -> Result<(), ManageError> {
        if self.access.anonymous_pull && self.sku == Sku::Basic {
            return Err(ManageError::NoAnonymousPull(self.sku));
        }
        let Some(encryption) = &self.encryption else {
            return if self.content_trust { Err(ManageError::NoContentTrust) } else { Ok(()) };
        };
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
    /// If the registry is not made, an identity that was made for it is deleted again, also after a kill. A key stays: it is
    /// used the next time.
    /// It goes on if the caller is dropped.
    pub async fn create_with_what_it_needs(
        &self,
        new: NewRegistry,
        key: Option<KeyId>,
        identity: Option<IdentityRef>,
    ) -> Result<(super::Registry, Vec<Warning>), ManageError> {
        self.intents().refuse_in_reset()?;
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
        let own = IdentityResource::new(new.group.clone(), new.name.as_str())?;
        // Creations of the same name make their identity one after the other: each knows whether it was made before it.
        let alone = self.lock().await;
        let mut intent = self.begin_with_identity(&new, &own, key.vault()).await?;
        if let Err(error) = self.own_identity(&new, own, key.vault(), &mut intent).await {
            self.undo_creation(intent).await;
            return Err(error);
        }
        drop(alone);
        intent.passed().await?;
        self.create_now(new, Some(intent)).await
    }

    /// Notes that a registry is made with an identity of its own name. It takes over the identity that another creation has
    /// made and not used so far. One that is there otherwise stays, whatever becomes of the registry.
    async fn begin_with_identity(
        &self,
        new: &NewRegistry,
        own: &IdentityResource,
        vault: &VaultName,
    ) -> Result<Intent, ManageError> {
        let client_id = match self.identity(own).await {
            Ok(identity) => Some(identity.principal.client_id).filter(|id| self.has_made(id, None)),
            Err(ManageError::NoIdentity(_)) => None,
            Err(error) => return Err(error),
        };
        let identity =
            OwnIdentity { identity: own.to_string(), vault: vault.to_string(), client_id };
        let creation = Creation { identity: Some(identity), ..Creation::of(new) };
        let intent = self.intents().begin(Kind::CreateRegistry, &creation).await?;
        let is_replaced = |earlier: Creation| {
            earlier.registry.eq_ignore_ascii_case(new.name.as_str())
                // Otherwise nobody would remove the identity that the registry was to have by itself.
                && (new.system_identity || !earlier.has_system_identity)
        };
        let replaced = self.intents().replace_those(&[Kind::CreateRegistry], |parameters| {
            serde_json::from_value(parameters.clone()).is_ok_and(is_replaced)
        });
        replaced.await?;
        Ok(intent)
    }

    /// Makes the identity of the registry's own name, unless it is there, and lets it use the keys of the vault. To be called
    /// with the lock held.
    async fn own_identity(
        &self,
        new: &NewRegistry,
        resource: IdentityResource,
        vault: &VaultName,
        intent: &mut Intent,
    ) -> Result<(), ManageError> {
        let noted = |principal: &Principal| {
            let mut creation: Creation = intent.parameters()?;
            if let Some(own) = &mut creation.identity {
                own.client_id = Some(principal.client_id.clone());
            }
            intent.note(&creation).map(Some)
        };
        let (location, tags) = (new.location.clone(), Tags::default());
        let made = self.create_identity_for(resource.clone(), location, tags, noted).await;
        let identity = match made {
            Ok((identity, note)) => {
                if let Some(note) = note {
                    intent.noted(note);
                }
                identity
            }
            Err(ManageError::IdentityTaken(_)) => self.identity(&resource).await?,
            Err(error) => return Err(error),
        };
        Ok(self.platform().allow(vault, &identity.principal).await?)
    }

    /// Notes that a registry is made. It needs no identity of its own name.
    pub(super) async fn begin_creation(&self, new: &NewRegistry) -> Result<Intent, ManageError> {
        Ok(self.intents().begin(Kind::CreateRegistry, &Creation::of(new)).await?)
    }

    /// Removes what was made for a registry that is not stored. To be called with the lock held. What cannot be removed now
    /// is left to the runner.
    pub(super) async fn undo_creation(&self, intent: Intent) {
        let undone = self.undo_creation_alone(&intent).await;
        if let Err(error) = self.settle_by_hand(intent, undone).await {
            tracing::warn!(%error, "what was made for a registry could not be removed yet");
        }
    }

    /// Goes on with a creation that was cut short: undoes it, unless the registry is there.
    pub(super) async fn resume_creation(&self, intent: Intent) -> Result<(), ManageError> {
        let _alone = self.lock().await;
        if intent.is_replaced() {
            return Ok(());
        }
        let undone = self.undo_creation_alone(&intent).await;
        self.settle_by_hand(intent, undone).await
    }

    async fn undo_creation_alone(&self, intent: &Intent) -> Result<(), ManageError> {
        let creation: Creation = intent.parameters()?;
        let name: RegistryName = creation.registry.parse().map_err(super::Error::from)?;
        match self.check_name(&name).await {
            Ok(()) => (),
            // It is stored after all, or another one of its name is.
            Err(ManageError::NameTaken(_)) => {
                let registry = self.get(name.as_str());
                let has_it =
                    registry.is_none_or(|registry| registry.profile().system_identity.is_some());
                if creation.has_system_identity && !has_it {
                    self.drop_principal(IdentityOf::Registry(creation.resource)).await?;
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        if creation.has_system_identity {
            self.drop_principal(IdentityOf::Registry(creation.resource)).await?;
        }
        let Some(own) = creation.identity else { return Ok(()) };
        // It has made none, so one of the name is somebody else's.
        let Some(client_id) = own.client_id else { return Ok(()) };
        // The other creation keeps it or removes it.
        if self.has_made(&client_id, Some(intent)) {
            return Ok(());
        }
        let resource: IdentityResource = own.identity.parse()?;
        let identity = match self.identity(&resource).await {
            // Somebody has deleted it since, and made another one of its name.
            Ok(identity) if identity.principal.client_id != client_id => return Ok(()),
            Ok(identity) => identity,
            // Its own intent has its principal removed.
            Err(ManageError::NoIdentity(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        // Somebody uses it by now: it stays, with its permission.
        if !self.users_of(&resource).is_empty() {
            return Ok(());
        }
        let vault: VaultName = own.vault.parse().map_err(super::Error::internal)?;
        if let Err(error) = self.platform().disallow(&vault, &identity.principal).await {
            // It allows nobody anything once the principal is gone.
            tracing::warn!(identity = %resource, %error, "a permission could not be removed");
        }
        self.delete_identity_alone(&resource, false).await
    }

    /// Whether a creation of a registry that has not ended, other than `except`, has made the identity with this client id.
    fn has_made(&self, client_id: &str, except: Option<&Intent>) -> bool {
        let all = self.intents().parameters::<Creation>(Kind::CreateRegistry).into_iter();
        let others = all.filter(|(id, _)| except.is_none_or(|except| except.id() != *id));
        let mut made = others.filter_map(|(_, other)| other.identity?.client_id);
        made.any(|made| made == client_id)
    }

    /// What is still to be warned of about a registry. The emulator makes `local` itself, in its own vault: nobody chose that.
    pub async fn warnings(&self, registry: &super::Registry) -> Vec<Warning> {
        let Some(key) = registry.key_ring().describe().configured else { return Vec::new() };
        if registry.registry_name().is_local() && *key.vault() == VaultName::local() {
            return Vec::new();
        }
        self.purge_warning(key.vault()).await.into_iter().collect()
    }

    /// The warning about a vault without purge protection. A vault that does not answer its owner has none.
    async fn purge_warning(&self, vault: &VaultName) -> Option<Warning> {
        let is_protected = self.platform().has_purge_protection(vault).await.ok().flatten();
        (is_protected == Some(false)).then(|| Warning::NoPurgeProtection(vault.clone()))
    }

    /// Whether a vault is fit for a key that seals content: a warning, or a refusal where parity is strict.
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
        let without = NewRegistry { sku: Sku::Basic, ..new("team1") };
        let untrusted = NewRegistry { content_trust: true, ..new("team1") };

        for (new, refused) in [
            (with_key(&["one"], Some("one")), None),
            (with_key(&["one", "two"], Some("two")), None),
            (both, None),
            (without, None),
            (untrusted, Some("'properties.policies.trustPolicy.status'")),
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
