//! References to identities: the resource id, the client id, the name.
//!
//! Values of these types are well formed. Identities whose names differ only in letter case are equal; they are shown as
//! written.

use std::fmt;
use std::str::FromStr;

use azure_emulator_core::identity::SUBSCRIPTION;
use uuid::Uuid;

use super::properties::{ResourceError, ResourceGroup, shorten};
use crate::keys::IdentityId;

/// A user-assigned identity, as a resource.
#[derive(Clone, Debug)]
pub struct IdentityResource {
    group: ResourceGroup,
    name: String,
}

/// A reference to an identity of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityRef {
    /// The registry's own, system-assigned identity.
    System,
    /// By its client id, in lower case.
    ClientId(String),
    /// By its resource id.
    Resource(IdentityResource),
    /// Only by its name.
    Name(String),
}

impl IdentityResource {
    /// The identity of this name in a group.
    pub fn new(group: ResourceGroup, name: &str) -> Result<Self, ResourceError> {
        let fits = (3..=128).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && name.starts_with(|first: char| first.is_ascii_alphanumeric());
        if fits {
            Ok(Self { group, name: name.to_owned() })
        } else {
            Err(ResourceError::IdentityName(shorten(name)))
        }
    }

    /// The resource group.
    pub fn group(&self) -> &ResourceGroup {
        &self.group
    }

    /// The name within the group.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for IdentityResource {
    type Err = ResourceError;

    /// Parses a resource id. Its keywords are compared without regard to letter case, as in Azure.
    fn from_str(text: &str) -> Result<Self, ResourceError> {
        let wrong = || ResourceError::Identity(shorten(text));
        let parts: Vec<&str> = text.split('/').collect();
        let ["", subscriptions, subscription, groups, group, providers, provider, kind, name] =
            parts[..]
        else {
            return Err(wrong());
        };
        let segments = [
            (subscriptions, "subscriptions"),
            (subscription, SUBSCRIPTION),
            (groups, "resourceGroups"),
            (providers, "providers"),
            (provider, "Microsoft.ManagedIdentity"),
            (kind, "userAssignedIdentities"),
        ];
        if segments.iter().any(|(segment, expected)| !segment.eq_ignore_ascii_case(expected)) {
            return Err(wrong());
        }
        Self::new(group.parse()?, name)
    }
}

/// The resource id.
impl fmt::Display for IdentityResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Recorded registries show `resourcegroups` here.
        write!(
            f,
            "/subscriptions/{SUBSCRIPTION}/resourcegroups/{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{}",
            self.group, self.name
        )
    }
}

impl PartialEq for IdentityResource {
    fn eq(&self, other: &Self) -> bool {
        self.group == other.group && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl Eq for IdentityResource {}

impl FromStr for IdentityRef {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, ResourceError> {
        if IdentityId::is_name_of_system(text) {
            return Ok(Self::System);
        }
        if text.starts_with('/') {
            return text.parse().map(Self::Resource);
        }
        if Uuid::try_parse(text).is_ok() {
            return Ok(Self::ClientId(text.to_ascii_lowercase()));
        }
        let named = IdentityResource::new(ResourceGroup::default(), text)
            .map_err(|_| ResourceError::Identity(shorten(text)))?;
        Ok(Self::Name(named.name))
    }
}

impl fmt::Display for IdentityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::ClientId(text) | Self::Name(text) => f.write_str(text),
            Self::Resource(resource) => resource.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_identity_reference_has_four_forms() {
        let id = format!(
            "/SUBSCRIPTIONS/{SUBSCRIPTION}/resourcegroups/Group/providers/microsoft.managedidentity/userAssignedIdentities/Puller"
        );
        let resource = IdentityResource::new("group".parse().unwrap(), "puller").unwrap();

        assert_eq!("[System]".parse(), Ok(IdentityRef::System));
        assert_eq!("puller".parse(), Ok(IdentityRef::Name("puller".to_owned())));
        assert_eq!(id.parse(), Ok(IdentityRef::Resource(resource)));
        let client = "00000000-0000-4000-8000-00000000A004";
        assert_eq!(client.parse(), Ok(IdentityRef::ClientId(client.to_ascii_lowercase())));
    }

    #[test]
    fn invalid_identity_references_are_refused() {
        let elsewhere = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller";
        for bad in ["", "a/b", "/", "/subscriptions/x", "-x-", elsewhere] {
            assert!(bad.parse::<IdentityRef>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn an_identity_resource_survives_its_text(group in "[a-z0-9_()-]{1,20}", name in "[a-zA-Z0-9][a-zA-Z0-9_-]{2,20}") {
            let resource = IdentityResource::new(group.parse().unwrap(), &name).unwrap();

            prop_assert_eq!(resource.to_string().parse(), Ok(resource));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in r"\PC{0,120}") {
            let _ = text.parse::<IdentityRef>();
        }
    }
}
