//! Bringing keys from elsewhere: a private key whose numbers are checked against each other becomes a new version.
//!
//! Called by the routes. What is taken works exactly as a key that was made here, and can no more be read back than one.

use zeroize::Zeroizing;

use super::Vaults;
use super::ec::{EcKey, EcPublic};
use super::error::VaultError;
use super::manage::{Making, NewVersion};
use super::material::PrivateKey;
use super::names::{KeyName, VaultName};
use super::rsa::{NotAnRsaKey, RsaKey, RsaParts};
use super::view::KeyView;

/// The numbers of a key from elsewhere.
pub(crate) enum KeyParts {
    /// RSA.
    Rsa(RsaParts),
    /// A point on a curve and the scalar that leads to it, as wide as the field.
    Ec { public: EcPublic, scalar: Zeroizing<Vec<u8>> },
}

impl Vaults {
    /// Keeps a key from elsewhere as a new version of a key, whose first it may be. Blocks for some milliseconds.
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
        let made = self.add_version(vault, name, private, new, &Making::default())?;
        made.ok_or_else(|| VaultError::Internal("an imported key was not kept".to_owned()))
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
