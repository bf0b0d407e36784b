//! The properties of a new registry, and the rules for them that need no vault.

use super::error::ManageError;
use crate::keys::{InvalidKeyId, KeyId, VaultName};
use crate::names::RegistryName;
use crate::registry::access::AccessSettings;
use crate::registry::resources::{
    AssignedIdentity, Author, IdentityRef, IdentityResource, Location, Profile, ResourceGroup, Sku,
    Tags,
};

/// The properties of a registry to create.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of a registry")]
pub struct NewRegistry {
    /// Its name.
    pub name: RegistryName,
    /// The SKU.
    pub sku: Sku,
    /// The location.
    pub location: Location,
    /// The resource group.
    pub group: ResourceGroup,
    /// The tags that the user gives it.
    pub tags: Tags,
    /// The user-assigned identities that it has.
    pub identities: Vec<IdentityResource>,
    /// Whether it has a system-assigned identity.
    pub system_identity: bool,
    /// The customer-managed key. `None`: it has only the service-managed key.
    pub encryption: Option<Encryption>,
    /// Whether content trust is requested. It is refused.
    pub content_trust: bool,
    /// Whether its content needs no login.
    pub anonymous: bool,
    /// How clients log in to it, if they need a login.
    pub access: AccessSettings,
    /// Whether it lacks the features that a real one lacks.
    pub strict: bool,
    /// Whether trusted Azure services could not bypass network rules. There are no rules, so it is only stored and reported.
    pub no_bypass: bool,
    /// Its author. `None`: the local owner.
    pub author: Option<Author>,
}

/// The customer-managed key of a new registry, and the identity that uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// The key. Without a version, the registry follows the newest one.
    pub key: KeyId,
    /// The identity that uses the key. `None`: the registry's only user-assigned identity.
    pub identity: Option<IdentityRef>,
}

impl NewRegistry {
    /// A Premium registry of this name, without a key yet, with default properties.
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

    /// Checks the rules that need no vault.
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

    /// The identity of the new registry that uses the key.
    pub(super) fn key_identity<'a>(
        &self,
        profile: &'a Profile,
    ) -> Result<Option<&'a AssignedIdentity>, ManageError> {
        let Some(encryption) = &self.encryption else { return Ok(None) };
        let Some(named) = &encryption.identity else {
            return match &profile.identities[..] {
                [only] => Ok(Some(only)),
                // With several identities, the request must name one.
                _ => Err(ManageError::NoUserAssignedIdentity),
            };
        };
        let found = profile.user_assigned(named);
        found.map(Some).ok_or_else(|| ManageError::not_assigned(&self.name, profile, named))
    }
}

/// The key with the registry's name.
pub(super) fn own_key(name: &RegistryName) -> Result<KeyId, InvalidKeyId> {
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
