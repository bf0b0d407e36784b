//! Names of registries.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::error::{NameError, shorten};

/// A registry's name: 5 to 50 letters and digits, as in Azure, in lower case, because it is part of a host name.
///
/// A clone is cheap: it shares the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistryName(Arc<str>);

impl RegistryName {
    /// The name of the default registry, which always exists.
    pub const LOCAL: &str = "local";

    /// The registry that answers requests which name no other registry.
    pub fn local() -> Self {
        Self(Self::LOCAL.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the default registry.
    pub fn is_local(&self) -> bool {
        &*self.0 == Self::LOCAL
    }
}

impl FromStr for RegistryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if (5..=50).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        Err(NameError::Registry(shorten(text)))
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn registry_names_follow_azures_rules_in_lower_case() {
        assert_eq!("Team1".parse::<RegistryName>().unwrap().as_str(), "team1");
        assert!("local".parse::<RegistryName>().unwrap().is_local());
        assert!("a".repeat(50).parse::<RegistryName>().is_ok());
        for bad in ["", "team", "team-1", "team.1", "tëam1", "team1/", &"a".repeat(51)] {
            assert!(bad.parse::<RegistryName>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in r"\PC{0,300}") {
            let _ = text.parse::<RegistryName>();
        }
    }
}
