//! The names of vaults, keys and versions, parsed once at the border.
//!
//! Called by the routes and by the fixture. No name holds a host or a port; a `kid` is rendered from the address that the client
//! used.

use std::fmt;
use std::str::FromStr;

/// A name that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not 1 to 127 letters, digits and hyphens.
    #[error("'{0}' is not a key name: 1 to 127 letters, digits and hyphens")]
    Key(String),
    /// Not 32 hexadecimal digits.
    #[error("'{0}' is not a key version: 32 hexadecimal digits")]
    Version(String),
    /// Not 3 to 24 letters, digits and hyphens that begin with a letter.
    #[error("'{0}' is not a vault name: 3 to 24 letters, digits and hyphens, a letter first")]
    Vault(String),
}

/// The name of a vault, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VaultName(String);

/// The name of a key as it was created; names that differ only in case are equal.
#[derive(Clone, Debug)]
pub struct KeyName {
    given: String,
    upper: String,
}

/// The version of a key: 32 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyVersion(String);

impl VaultName {
    /// The vault that answers for every host that does not name a vault.
    pub const LOCAL: &str = "local";

    /// The vault called `local`.
    pub fn local() -> Self {
        Self(Self::LOCAL.to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VaultName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let fits = (3..=24).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && !name.ends_with('-')
            && !name.contains("--")
            && name.bytes().all(is_name_byte);
        if !fits {
            return Err(NameError::Vault(name.to_owned()));
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for VaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyName {
    /// The name as it was created.
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// The name in upper case, by which keys are found and listed.
    pub fn folded(&self) -> &str {
        &self.upper
    }
}

impl FromStr for KeyName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if !(1..=127).contains(&name.len()) || !name.bytes().all(is_name_byte) {
            return Err(NameError::Key(name.to_owned()));
        }
        Ok(Self { given: name.to_owned(), upper: name.to_ascii_uppercase() })
    }
}

impl PartialEq for KeyName {
    fn eq(&self, other: &Self) -> bool {
        self.upper == other.upper
    }
}

impl Eq for KeyName {}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

impl KeyVersion {
    /// The version with these 128 bits.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(hex::encode(bytes))
    }

    /// The version.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyVersion {
    type Err = NameError;

    fn from_str(version: &str) -> Result<Self, NameError> {
        if version.len() != 32 || !version.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NameError::Version(version.to_owned()));
        }
        Ok(Self(version.to_ascii_lowercase()))
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_outside_the_rules_are_refused() {
        for name in ["", "a b", "a/b", "a_b", "ä", "a.b", &"x".repeat(128)] {
            assert!(name.parse::<KeyName>().is_err(), "{name}");
        }
        for name in ["", "ab", "1ab", "ab-", "a--b", "a.b", &"x".repeat(25)] {
            assert!(name.parse::<VaultName>().is_err(), "{name}");
        }
        for version in ["", "0", &"g".repeat(32), &"0".repeat(33)] {
            assert!(version.parse::<KeyVersion>().is_err(), "{version}");
        }
    }

    #[test]
    fn key_names_that_differ_only_in_case_are_equal() {
        let (one, other): (KeyName, KeyName) = ("Key-A".parse().unwrap(), "key-a".parse().unwrap());

        assert_eq!(one, other);
        assert_eq!(one.to_string(), "Key-A");
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_keeps_the_accepted_text(text in ".*") {
            if let Ok(name) = text.parse::<KeyName>() {
                prop_assert_eq!(name.as_str(), text.as_str());
            }
            let _ = text.parse::<VaultName>();
            let _ = text.parse::<KeyVersion>();
        }
    }
}
