//! Imports keys: checks that the numbers of a private key belong together, and adds the key as a new version.
//!
//! Called by the routes. An imported key works exactly like a generated one, and its private part cannot be read either.

use zeroize::Zeroizing;

use super::manage::{CreateConditions, NewVersion};
use super::vaults::Vaults;
use super::view::KeyView;
use crate::model::ec::{EcKey, EcPublic};
use crate::model::error::VaultError;
use crate::model::material::PrivateKey;
use crate::model::names::{KeyName, VaultName};
use crate::model::rsa::{NotAnRsaKey, RsaKey, RsaParts};

/// The numbers of an imported key.
pub(crate) enum KeyParts {
    /// RSA.
    Rsa(RsaParts),
    /// A point on a curve and its private scalar, as wide as the field.
    Ec { public: EcPublic, scalar: Zeroizing<Vec<u8>> },
}

impl Vaults {
    /// Adds an imported key as the first or a new version of a key. Blocks for some milliseconds.
    pub(crate) fn import(
        &self,
        vault: &VaultName,
        name: &KeyName,
        parts: &KeyParts,
        new: NewVersion,
    ) -> Result<KeyView, VaultError> {
        self.purge_due(vault)?;
        self.refuse_deleted(vault, name)?;
        let private = match parts {
            KeyParts::Rsa(parts) => PrivateKey::Rsa(RsaKey::import(parts)?),
            KeyParts::Ec { public, scalar } => PrivateKey::Ec(
                EcKey::import(public, scalar)
                    .map_err(|error| VaultError::NotAKey(error.to_string()))?,
            ),
        };
        let made = self.add_version(vault, name, private, new, &CreateConditions::default())?;
        made.ok_or_else(|| VaultError::Internal("an imported key was not stored".to_owned()))
    }
}

impl From<NotAnRsaKey> for VaultError {
    fn from(error: NotAnRsaKey) -> Self {
        match error {
            NotAnRsaKey::Size(bits) => Self::UnsupportedKeySize(bits),
            NotAnRsaKey::Exponent
            | NotAnRsaKey::NoPrivate
            | NotAnRsaKey::NoPrimes
            | NotAnRsaKey::Inconsistent => Self::NotAKey(error.to_string()),
        }
    }
}
