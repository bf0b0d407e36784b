//! The algorithms of keys, under Azure's names (RFC 7518), which are parsed only at the border.
//!
//! Called by the routes, which parse, and by the modules that compute. This module defines the digest and the curve of each name.
//! `RSNULL`, which signs without a digest prefix, and the symmetric algorithms of managed HSM have no variant: they are refused
//! like unknown names.

use std::fmt;
use std::str::FromStr;

use super::ec::Curve;

/// `JsonWebKeyEncryptionAlgorithm`: the algorithms of encrypt, decrypt, wrapKey and unwrapKey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EncryptionAlgorithm {
    /// RSAES-PKCS1-v1_5.
    Rsa15,
    /// RSAES-OAEP with SHA-1 for both hashes (RFC 8017).
    RsaOaep,
    /// RSAES-OAEP with SHA-256 for both hashes.
    RsaOaep256,
}

/// `JsonWebKeySignatureAlgorithm`: the algorithms of sign and verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on secp256k1 with SHA-256.
    Es256k,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// RSASSA-PSS with SHA-256, and a salt as long as the digest.
    Ps256,
    /// RSASSA-PSS with SHA-384, and a salt as long as the digest.
    Ps384,
    /// RSASSA-PSS with SHA-512, and a salt as long as the digest.
    Ps512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
}

/// The hash whose digest is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// The name is not that of a supported algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a supported algorithm")]
pub struct UnknownAlgorithm;

impl EncryptionAlgorithm {
    /// All algorithms, in the order in which refusals list them.
    pub const ALL: &[Self] = &[Self::Rsa15, Self::RsaOaep, Self::RsaOaep256];

    /// Azure's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa15 => "RSA1_5",
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
        }
    }
}

impl SignatureAlgorithm {
    /// All algorithms, in the order in which refusals list them.
    pub const ALL: &[Self] = &[
        Self::Es256,
        Self::Es256k,
        Self::Es384,
        Self::Es512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// Azure's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es256k => "ES256K",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    /// The length of the digest in bytes.
    pub fn digest_len(self) -> usize {
        match self.hash() {
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }

    /// The curve that the key must have; `None` for the algorithms of RSA.
    pub fn curve(self) -> Option<Curve> {
        match self {
            Self::Es256 => Some(Curve::P256),
            Self::Es256k => Some(Curve::P256k),
            Self::Es384 => Some(Curve::P384),
            Self::Es512 => Some(Curve::P521),
            Self::Ps256 | Self::Ps384 | Self::Ps512 | Self::Rs256 | Self::Rs384 | Self::Rs512 => {
                None
            }
        }
    }

    pub(crate) fn hash(self) -> Hash {
        match self {
            Self::Es256 | Self::Es256k | Self::Ps256 | Self::Rs256 => Hash::Sha256,
            Self::Es384 | Self::Ps384 | Self::Rs384 => Hash::Sha384,
            Self::Es512 | Self::Ps512 | Self::Rs512 => Hash::Sha512,
        }
    }
}

impl FromStr for EncryptionAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.iter().find(|known| known.as_str() == name).copied().ok_or(UnknownAlgorithm)
    }
}

impl FromStr for SignatureAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.iter().find(|known| known.as_str() == name).copied().ok_or(UnknownAlgorithm)
    }
}

impl fmt::Display for EncryptionAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_exact_name_of_an_algorithm_is_parsed() {
        for algorithm in EncryptionAlgorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(*algorithm));
            assert!(algorithm.as_str().to_lowercase().parse::<EncryptionAlgorithm>().is_err());
        }
        for algorithm in SignatureAlgorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(*algorithm));
        }
        for name in ["RSNULL", "A256KW", "A256GCM", "RSA-OAEP-512", ""] {
            assert!(name.parse::<EncryptionAlgorithm>().is_err(), "{name}");
            assert!(name.parse::<SignatureAlgorithm>().is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_only_accepts_names(name in ".{0,12}") {
            if let Ok(algorithm) = name.parse::<SignatureAlgorithm>() {
                prop_assert_eq!(algorithm.as_str(), name.as_str());
            }
            if let Ok(algorithm) = name.parse::<EncryptionAlgorithm>() {
                prop_assert_eq!(algorithm.as_str(), name.as_str());
            }
        }
    }
}
