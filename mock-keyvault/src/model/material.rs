//! Key material: private and public keys, with one type for both families.
//!
//! Called by the rest of the vault, which need not know RSA or curves. Private material has no `Debug` and no `Clone`, and is wiped
//! when it is dropped. Its sealed form is PKCS #8 for RSA and the bare scalar for a curve; the row of the version says which, and
//! opened material must match the public part in that row.

use zeroize::Zeroizing;

use super::ec::{Curve, EcError, EcKey, EcPublic};
use super::rsa::{KeySize, RsaError, RsaKey, RsaPublic};

/// The facts that are needed to create a key of the same type and strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyShape {
    /// RSA with a modulus of this size.
    Rsa(KeySize),
    /// A point on this curve.
    Ec(Curve),
}

/// A private key.
pub(crate) enum PrivateKey {
    /// RSA.
    Rsa(RsaKey),
    /// On a curve.
    Ec(EcKey),
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// RSA.
    Rsa(RsaPublic),
    /// On a curve.
    Ec(EcPublic),
}

/// Why key material cannot be generated or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MaterialError {
    /// The error of an RSA key.
    #[error(transparent)]
    Rsa(#[from] RsaError),
    /// The error of a key on a curve.
    #[error(transparent)]
    Ec(#[from] EcError),
    /// The opened private key belongs to another public key.
    #[error("the private key does not belong to the public one")]
    Mismatch,
}

impl PrivateKey {
    /// Generates a new key. RSA blocks for a good part of a second.
    pub(crate) fn generate(shape: KeyShape) -> Result<Self, MaterialError> {
        Ok(match shape {
            KeyShape::Rsa(size) => Self::Rsa(RsaKey::generate(size)?),
            KeyShape::Ec(curve) => Self::Ec(EcKey::generate(curve)?),
        })
    }

    /// Reads the sealed form, if it belongs to this public key.
    pub(crate) fn from_sealed_form(
        public: &PublicKey,
        bytes: &[u8],
    ) -> Result<Self, MaterialError> {
        let key = match public {
            PublicKey::Rsa(_) => Self::Rsa(RsaKey::from_pkcs8(bytes)?),
            PublicKey::Ec(public) => Self::Ec(EcKey::from_scalar(public.curve, bytes)?),
        };
        if key.public() == *public { Ok(key) } else { Err(MaterialError::Mismatch) }
    }

    /// The form in which the key is sealed.
    pub(crate) fn to_sealed_form(&self) -> Result<Zeroizing<Vec<u8>>, MaterialError> {
        match self {
            Self::Rsa(key) => Ok(key.to_pkcs8()?),
            Self::Ec(key) => Ok(key.to_scalar()),
        }
    }

    /// The public half.
    pub(crate) fn public(&self) -> PublicKey {
        match self {
            Self::Rsa(key) => PublicKey::Rsa(key.public()),
            Self::Ec(key) => PublicKey::Ec(key.public()),
        }
    }
}

impl PublicKey {
    /// The facts for a new version of the same key.
    pub(crate) fn shape(&self) -> KeyShape {
        match self {
            Self::Rsa(public) => KeyShape::Rsa(public.size()),
            Self::Ec(public) => KeyShape::Ec(public.curve),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_only_opens_for_its_own_public_key() {
        for shape in [KeyShape::Rsa(KeySize::Rsa2048), KeyShape::Ec(Curve::P384)] {
            let (key, other) =
                (PrivateKey::generate(shape).unwrap(), PrivateKey::generate(shape).unwrap());
            let form = key.to_sealed_form().unwrap();

            let again = PrivateKey::from_sealed_form(&key.public(), &form).unwrap();
            let swapped = PrivateKey::from_sealed_form(&other.public(), &form);

            assert_eq!(again.public(), key.public());
            assert_eq!(again.public().shape(), shape);
            assert_eq!(swapped.map(drop), Err(MaterialError::Mismatch));
            assert!(PrivateKey::from_sealed_form(&key.public(), &form[1..]).is_err());
        }
    }
}
