//! Types of Azure Resource Manager: groups, locations, SKUs, and tags.
//!
//! Values of these types are well formed. Groups whose names differ only in letter case are equal; they are shown as
//! written.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use azure_emulator_core::identity::SUBSCRIPTION;
use thiserror::Error;

use crate::names::RegistryName;

/// The default group.
const DEFAULT_GROUP: &str = "sealyard";
const DEFAULT_LOCATION: &str = "eastus";

/// Azure's limits for the tags of a resource.
const MAX_TAGS: usize = 50;
const MAX_TAG_NAME: usize = 512;
const MAX_TAG_VALUE: usize = 256;

/// A resource group.
#[derive(Clone, Debug)]
pub struct ResourceGroup(String);

/// A location, in lower case and without blanks: `East US` is `eastus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location(String);

/// The SKU of a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sku {
    /// The cheapest.
    Basic,
    /// The middle one.
    Standard,
    /// The only SKU with customer-managed keys.
    #[default]
    Premium,
}

/// Names and values that people give a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(BTreeMap<String, String>);

/// A text that is not valid for its type.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourceError {
    /// Not a resource group.
    #[error(
        "the resource group {0:?} is not valid: 1 to 90 letters, digits and any of `_-.()`, with no dot at the end"
    )]
    Group(String),
    /// Not a location.
    #[error("the location {0:?} is not valid: letters and digits, such as eastus")]
    Location(String),
    /// Not a SKU.
    #[error("the SKU {0:?} is not one of Basic, Standard, Premium")]
    Sku(String),
    /// Not tags.
    #[error(
        "tags are not valid: at most {MAX_TAGS}, names of 1 to {MAX_TAG_NAME} characters without any of `<>%&\\?/`, values of at most {MAX_TAG_VALUE}"
    )]
    Tags,
    /// Not the name of an identity.
    #[error(
        "the identity name {0:?} is not valid: 3 to 128 letters, digits, `-` and `_`, and the first is a letter or a digit"
    )]
    IdentityName(String),
    /// Not the name of a deployment.
    #[error("the deployment name {0:?} is not valid: 1 to 64 letters, digits and any of `_-.()`")]
    Deployment(String),
    /// Not the id of an identity.
    #[error(
        "{0:?} is not an identity: expected its name, its client id, [system], or /subscriptions/{SUBSCRIPTION}/resourceGroups/GROUP/providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME"
    )]
    Identity(String),
}

impl ResourceGroup {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The resource id of the group.
    pub fn id(&self) -> String {
        format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{self}")
    }

    /// The resource id of a registry in this group.
    pub fn registry_id(&self, name: &RegistryName) -> String {
        format!("{}/providers/Microsoft.ContainerRegistry/registries/{name}", self.id())
    }
}

impl Default for ResourceGroup {
    fn default() -> Self {
        Self(DEFAULT_GROUP.to_owned())
    }
}

impl FromStr for ResourceGroup {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, ResourceError> {
        let fits = (1..=90).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.()".contains(&byte))
            && !text.ends_with('.');
        if fits { Ok(Self(text.to_owned())) } else { Err(ResourceError::Group(shorten(text))) }
    }
}

impl fmt::Display for ResourceGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for ResourceGroup {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ResourceGroup {}

impl Location {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Location {
    fn default() -> Self {
        Self(DEFAULT_LOCATION.to_owned())
    }
}

impl FromStr for Location {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, ResourceError> {
        let name: String = text.chars().filter(|c| *c != ' ').collect::<String>().to_lowercase();
        let fits =
            (1..=50).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits { Ok(Self(name)) } else { Err(ResourceError::Location(shorten(text))) }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Sku {
    /// The name, as Azure spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Standard => "Standard",
            Self::Premium => "Premium",
        }
    }
}

impl FromStr for Sku {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, ResourceError> {
        [Self::Basic, Self::Standard, Self::Premium]
            .into_iter()
            .find(|sku| sku.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| ResourceError::Sku(shorten(text)))
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Tags {
    /// The names and their values.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl TryFrom<BTreeMap<String, String>> for Tags {
    type Error = ResourceError;

    fn try_from(tags: BTreeMap<String, String>) -> Result<Self, ResourceError> {
        let is_name = |name: &str| {
            (1..=MAX_TAG_NAME).contains(&name.chars().count())
                && !name.contains(|c: char| c.is_control() || "<>%&\\?/".contains(c))
        };
        let fits = tags.len() <= MAX_TAGS
            && tags
                .iter()
                .all(|(name, value)| is_name(name) && value.chars().count() <= MAX_TAG_VALUE);
        if fits { Ok(Self(tags)) } else { Err(ResourceError::Tags) }
    }
}

/// Errors quote the client's text, but only up to a limit.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn invalid_properties_are_refused() {
        for bad in ["", "a.", "a b", "a/b"] {
            assert!(bad.parse::<ResourceGroup>().is_err(), "{bad:?}");
        }
        assert_eq!("East US".parse::<Location>().unwrap().as_str(), "eastus");
        assert!("east-us".parse::<Location>().is_err());
        assert_eq!("premium".parse(), Ok(Sku::Premium));
        let many = (0..51).map(|i| (i.to_string(), String::new())).collect::<BTreeMap<_, _>>();
        assert_eq!(Tags::try_from(many), Err(ResourceError::Tags));
        assert_eq!(
            Tags::try_from(BTreeMap::from([("a/b".to_owned(), String::new())])),
            Err(ResourceError::Tags)
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in r"\PC{0,120}") {
            let _ = text.parse::<ResourceGroup>();
            let _ = text.parse::<Location>();
        }
    }
}
