//! RSA: the only place that knows the `rsa` crate. Key generation, and wrapping under Azure's three algorithms.
//!
//! Called by the vault on blocking threads, never on async ones: one private operation takes milliseconds.
//! Private operations are blinded with the system's generator. Every failure to unwrap is the one error
//! [`UnwrapFailed`], whatever was wrong; under `RSA1_5` the crate rejects implicitly, so that there is no padding oracle.

use std::fmt;
use std::str::FromStr;

use rand::rngs::SysRng;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, Oaep, Pkcs1v15Encrypt, PrivateKey, PublicKey};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The public exponent of every key made here.
pub(crate) const EXPONENT: u64 = 65_537;

/// The sizes that Azure has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySize {
    /// 2048 bits, the default.
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits.
    Rsa4096,
}

impl KeySize {
    /// The size with this number of bits.
    pub fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            2048 => Some(Self::Rsa2048),
            3072 => Some(Self::Rsa3072),
            4096 => Some(Self::Rsa4096),
            _ => None,
        }
    }

    /// The number of bits of the modulus.
    pub fn bits(self) -> u16 {
        match self {
            Self::Rsa2048 => 2048,
            Self::Rsa3072 => 3072,
            Self::Rsa4096 => 4096,
        }
    }
}

/// An algorithm to wrap with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WrapAlgorithm {
    /// RSAES-OAEP with SHA-1 for both hashes (RFC 8017).
    RsaOaep,
    /// RSAES-OAEP with SHA-256 for both hashes.
    RsaOaep256,
    /// RSAES-PKCS1-v1_5.
    Rsa15,
}

impl WrapAlgorithm {
    /// Azure's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::Rsa15 => "RSA1_5",
        }
    }

    /// How many bytes of the modulus the padding takes (RFC 8017, sections 7.1.1 and 7.2.1).
    fn overhead(self) -> usize {
        match self {
            Self::RsaOaep => 2 * 20 + 2,
            Self::RsaOaep256 => 2 * 32 + 2,
            Self::Rsa15 => 11,
        }
    }
}

/// The name is of no algorithm that wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an algorithm to wrap with")]
pub struct UnknownAlgorithm;

impl FromStr for WrapAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        match name {
            "RSA-OAEP" => Ok(Self::RsaOaep),
            "RSA-OAEP-256" => Ok(Self::RsaOaep256),
            "RSA1_5" => Ok(Self::Rsa15),
            _ => Err(UnknownAlgorithm),
        }
    }
}

impl fmt::Display for WrapAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a key cannot be made, read or wrapped with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RsaError {
    /// What is to be wrapped does not fit.
    #[error("at most {max} bytes fit")]
    TooLong {
        /// How many bytes fit.
        max: usize,
    },
    /// The key is damaged, or the generator of random bytes failed.
    #[error("the key cannot be used")]
    Failed,
}

/// The one answer to everything that does not unwrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decryption error")]
pub struct UnwrapFailed;

/// A private key. The crate wipes its numbers when it is dropped.
pub(crate) struct RsaKey(PrivateKey);

/// The public half: what responses carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RsaPublic {
    /// The modulus, big-endian, no leading zeros.
    pub(crate) modulus: Vec<u8>,
    /// The exponent, big-endian, no leading zeros.
    pub(crate) exponent: Vec<u8>,
}

impl RsaKey {
    /// Makes a new key. Blocks for a good part of a second.
    pub(crate) fn generate(size: KeySize) -> Result<Self, RsaError> {
        PrivateKey::new(&mut SysRng, usize::from(size.bits()))
            .map(Self)
            .map_err(|_| RsaError::Failed)
    }

    /// Reads a key from PKCS #8.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, RsaError> {
        PrivateKey::from_pkcs8_der(der).map(Self).map_err(|_| RsaError::Failed)
    }

    /// The key as PKCS #8, to be sealed.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, RsaError> {
        self.0.to_pkcs8_der().map(|der| der.to_bytes()).map_err(|_| RsaError::Failed)
    }

    /// The public half.
    pub(crate) fn public(&self) -> RsaPublic {
        RsaPublic { modulus: self.0.n_bytes().into(), exponent: self.0.e_bytes().into() }
    }

    /// Unwraps. Blocks for some milliseconds.
    pub(crate) fn unwrap(
        &self,
        algorithm: WrapAlgorithm,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, UnwrapFailed> {
        let rng = &mut SysRng;
        match algorithm {
            WrapAlgorithm::RsaOaep => self.0.decrypt_blinded(rng, Oaep::<Sha1>::new(), wrapped),
            WrapAlgorithm::RsaOaep256 => {
                self.0.decrypt_blinded(rng, Oaep::<Sha256>::new(), wrapped)
            }
            WrapAlgorithm::Rsa15 => self.0.decrypt_blinded(rng, Pkcs1v15Encrypt, wrapped),
        }
        .map(Zeroizing::new)
        .map_err(|_| UnwrapFailed)
    }
}

impl RsaPublic {
    /// Wraps. Blocks for a moment.
    pub(crate) fn wrap(&self, algorithm: WrapAlgorithm, value: &[u8]) -> Result<Vec<u8>, RsaError> {
        let max = self.modulus.len().saturating_sub(algorithm.overhead());
        if value.len() > max {
            return Err(RsaError::TooLong { max });
        }
        let modulus = BoxedUint::from_be_slice_vartime(&self.modulus);
        let exponent = BoxedUint::from_be_slice_vartime(&self.exponent);
        let key = PublicKey::new(modulus, exponent).map_err(|_| RsaError::Failed)?;
        let rng = &mut SysRng;
        match algorithm {
            WrapAlgorithm::RsaOaep => key.encrypt(rng, Oaep::<Sha1>::new(), value),
            WrapAlgorithm::RsaOaep256 => key.encrypt(rng, Oaep::<Sha256>::new(), value),
            WrapAlgorithm::Rsa15 => key.encrypt(rng, Pkcs1v15Encrypt, value),
        }
        .map_err(|_| RsaError::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALGORITHMS: [WrapAlgorithm; 3] =
        [WrapAlgorithm::RsaOaep, WrapAlgorithm::RsaOaep256, WrapAlgorithm::Rsa15];

    #[test]
    fn every_length_that_fits_comes_back_and_one_more_byte_is_refused() {
        let key = RsaKey::generate(KeySize::Rsa2048).unwrap();
        let public = key.public();

        for algorithm in ALGORITHMS {
            let max = 256 - algorithm.overhead();
            for len in [0, 1, 32, max] {
                let value = vec![0x5a; len];
                let wrapped = public.wrap(algorithm, &value).unwrap();
                assert_eq!(wrapped.len(), 256);
                assert_eq!(*key.unwrap(algorithm, &wrapped).unwrap(), value, "{algorithm} {len}");
            }
            let refused = public.wrap(algorithm, &vec![0; max + 1]);
            assert_eq!(refused.unwrap_err(), RsaError::TooLong { max });
        }
    }

    #[test]
    fn a_key_survives_its_encoding() {
        let key = RsaKey::generate(KeySize::Rsa2048).unwrap();
        let again = RsaKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();

        let wrapped = key.public().wrap(WrapAlgorithm::RsaOaep256, b"value").unwrap();

        assert_eq!(key.public(), again.public());
        assert_eq!(&*again.unwrap(WrapAlgorithm::RsaOaep256, &wrapped).unwrap(), b"value");
        assert_eq!(key.public().exponent, [1, 0, 1]);
    }

    #[test]
    fn whatever_does_not_unwrap_is_the_one_error() {
        let key = RsaKey::generate(KeySize::Rsa2048).unwrap();
        let wrapped = key.public().wrap(WrapAlgorithm::RsaOaep256, b"value").unwrap();
        let mut changed = wrapped.clone();
        changed[200] ^= 1;
        let too_big = vec![0xff; 256];

        for bad in [&changed[..], &wrapped[1..], &[], &too_big] {
            assert_eq!(key.unwrap(WrapAlgorithm::RsaOaep256, bad).unwrap_err(), UnwrapFailed);
        }
        assert_eq!(key.unwrap(WrapAlgorithm::RsaOaep, &wrapped).unwrap_err(), UnwrapFailed);
    }
}
