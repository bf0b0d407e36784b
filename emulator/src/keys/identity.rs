//! The identities of a registry, and the access to the vault that each of them has.
//!
//! A stored ring names the identity that its data keys are unwrapped through, so that key and identity change in one
//! commit. [`VaultAccess`] turns the name into a vault. It is asked for every request, so that the next request fails
//! after an identity was removed from the registry. The implementation knows the identities of the registry; this area does not.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::KeyId;
use super::vault::{KeyVault, VaultError};

/// Azure's name for the identity that a registry has by itself.
const SYSTEM: &str = "system";

/// An identity of a registry: the client id of a user-assigned one, or `system`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IdentityId(Arc<str>);

/// A text that names no identity.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an identity must be a client id, such as {}, or [system]", Uuid::nil())]
pub struct InvalidIdentityId;

/// The access to the vaults, one for each identity of a registry.
pub trait VaultAccess: Send + Sync + 'static {
    /// The vaults, as an identity reaches them; `None` for the identity that the program was started with.
    ///
    /// An identity that is not, or no longer, the registry's is an error of
    /// [`Cause::IdentityRemoved`](super::Cause::IdentityRemoved).
    fn vault(&self, identity: Option<&IdentityId>) -> Result<Arc<dyn KeyVault>, VaultError>;

    /// Whether the key may be rotated to another identity, or to another version with this one. By default, if the identity
    /// reaches the vault.
    ///
    /// # Errors
    /// [`Cause::IdentityRemoved`](super::Cause::IdentityRemoved) if the identity still unwraps the data keys, but is no longer
    /// the registry's.
    fn may_rotate(&self, _identity: Option<&IdentityId>) -> Result<(), VaultError> {
        Ok(())
    }

    /// The identifier of a key at the address of its vault, for any identity.
    fn identifier(&self, key: &KeyId) -> String;
}

impl IdentityId {
    /// The system-assigned identity.
    pub fn system() -> Self {
        Self(SYSTEM.into())
    }

    /// Whether it is the system-assigned identity.
    pub fn is_system(&self) -> bool {
        &*self.0 == SYSTEM
    }

    /// Whether a text names that identity: `system`, or `[system]` as Azure's command line spells it.
    pub fn is_name_of_system(text: &str) -> bool {
        [SYSTEM, "[system]"].iter().any(|system| text.eq_ignore_ascii_case(system))
    }

    /// The text: a client id in lower case, or `system`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a client id, `system`, or `[system]` as Azure's command line spells it.
impl FromStr for IdentityId {
    type Err = InvalidIdentityId;

    fn from_str(text: &str) -> Result<Self, InvalidIdentityId> {
        if Self::is_name_of_system(text) {
            return Ok(Self::system());
        }
        let id = Uuid::try_parse(text).map_err(|_| InvalidIdentityId)?;
        // Other notations of the same number are not client ids.
        let text = text.to_ascii_lowercase();
        if id.hyphenated().to_string() == text {
            Ok(Self(text.into()))
        } else {
            Err(InvalidIdentityId)
        }
    }
}

impl Serialize for IdentityId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for IdentityId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn client_ids_and_the_system_identity_have_azures_names() {
        let client = "00000000-0000-4000-8000-00000000A004".parse::<IdentityId>().unwrap();
        assert_eq!(client.as_str(), "00000000-0000-4000-8000-00000000a004");
        assert!(!client.is_system());
        for text in ["system", "[system]", "[System]"] {
            assert_eq!(text.parse(), Ok(IdentityId::system()), "{text}");
        }
    }

    #[test]
    fn other_texts_name_no_identity() {
        for text in [
            "",
            "[]",
            "[system",
            "a004",
            "{00000000-0000-4000-8000-00000000a004}",
            "0000000000004000800000000000a004",
            "/subscriptions/s/resourceGroups/g",
        ] {
            assert_eq!(text.parse::<IdentityId>(), Err(InvalidIdentityId), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_identity_survives_its_text_and_its_stored_form(number: u128) {
            let id: IdentityId = Uuid::from_u128(number).to_string().parse().unwrap();
            prop_assert_eq!(id.to_string().parse::<IdentityId>(), Ok(id.clone()));
            let stored = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<IdentityId>(&stored).unwrap(), id);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}") {
            let _ = text.parse::<IdentityId>();
        }
    }
}
