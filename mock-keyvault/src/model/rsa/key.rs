//! RSA keys: generation, encryption and signatures.

use rand::rngs::SysRng;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, Oaep, Pkcs1v15Encrypt, Pkcs1v15Sign, PrivateKey, Pss, PublicKey};
use sha1::Sha1;
use sha2::digest::const_oid::AssociatedOid;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::super::algorithm::{EncryptionAlgorithm, Hash, SignatureAlgorithm};

/// The public exponent of every generated key.
pub(crate) const EXPONENT: u64 = 65_537;

/// The sizes of RSA keys in Azure.
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

/// Why a key cannot be generated, read, imported or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RsaError {
    /// The value is too long to be encrypted.
    #[error("the value is too long: the maximum is {max} bytes")]
    TooLong {
        /// The maximum length in bytes.
        max: usize,
    },
    /// The algorithm is for another type of key.
    #[error("not an algorithm of RSA")]
    Algorithm,
    /// The key is damaged, or the generator of random bytes failed.
    #[error("the key cannot be used")]
    Failed,
}

/// The only error of a decryption, whatever its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decryption error")]
pub struct DecryptionFailed;

/// A private key. The crate wipes its numbers when it is dropped.
pub(crate) struct RsaKey(pub(super) PrivateKey);

/// The public half, which responses carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RsaPublic {
    /// The modulus, big-endian, no leading zeros.
    pub(crate) modulus: Vec<u8>,
    /// The exponent, big-endian, no leading zeros.
    pub(crate) exponent: Vec<u8>,
}

impl RsaKey {
    /// Generates a new key. Blocks for a good part of a second.
    pub(crate) fn generate(size: KeySize) -> Result<Self, RsaError> {
        PrivateKey::new(&mut SysRng, usize::from(size.bits()))
            .map(Self)
            .map_err(|_| RsaError::Failed)
    }

    /// Reads a key from PKCS #8.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, RsaError> {
        PrivateKey::from_pkcs8_der(der).map(Self).map_err(|_| RsaError::Failed)
    }

    /// Encodes the key as PKCS #8, which the caller seals.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, RsaError> {
        self.0.to_pkcs8_der().map(|der| der.to_bytes()).map_err(|_| RsaError::Failed)
    }

    /// The public half.
    pub(crate) fn public(&self) -> RsaPublic {
        RsaPublic { modulus: self.0.n_bytes().into(), exponent: self.0.e_bytes().into() }
    }

    /// Decrypts. Blocks for some milliseconds.
    pub(crate) fn decrypt(
        &self,
        algorithm: EncryptionAlgorithm,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DecryptionFailed> {
        let modulus = self.0.n_bytes();
        // Both numbers are public, so the comparison may leak its timing. Big-endian numbers of one length compare bytewise.
        let fits = ciphertext.len() == modulus.len() && ciphertext < &*modulus;
        let stand_in = one(modulus.len());
        let ciphertext = if fits { ciphertext } else { &stand_in };
        let rng = &mut SysRng;
        let decrypted = match algorithm {
            EncryptionAlgorithm::RsaOaep => {
                self.0.decrypt_blinded(rng, Oaep::<Sha1>::new(), ciphertext)
            }
            EncryptionAlgorithm::RsaOaep256 => {
                self.0.decrypt_blinded(rng, Oaep::<Sha256>::new(), ciphertext)
            }
            EncryptionAlgorithm::Rsa15 => self.0.decrypt_blinded(rng, Pkcs1v15Encrypt, ciphertext),
        };
        match decrypted.map(Zeroizing::new) {
            Ok(value) if fits => Ok(value),
            _ => Err(DecryptionFailed),
        }
    }

    /// Signs a digest, whose length the caller has checked. Blocks for some milliseconds.
    pub(crate) fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        digest: &[u8],
    ) -> Result<Vec<u8>, RsaError> {
        let (key, rng) = (&self.0, &mut SysRng);
        match (Padding::for_algorithm(algorithm)?, algorithm.hash()) {
            (Padding::Pkcs1, Hash::Sha256) => key.sign_with_rng(rng, pkcs1::<Sha256>(), digest),
            (Padding::Pkcs1, Hash::Sha384) => key.sign_with_rng(rng, pkcs1::<Sha384>(), digest),
            (Padding::Pkcs1, Hash::Sha512) => key.sign_with_rng(rng, pkcs1::<Sha512>(), digest),
            (Padding::Pss, Hash::Sha256) => key.sign_with_rng(rng, Pss::<Sha256>::new(), digest),
            (Padding::Pss, Hash::Sha384) => key.sign_with_rng(rng, Pss::<Sha384>::new(), digest),
            (Padding::Pss, Hash::Sha512) => key.sign_with_rng(rng, Pss::<Sha512>::new(), digest),
        }
        .map_err(|_| RsaError::Failed)
    }
}

impl RsaPublic {
    /// Encrypts. Blocks briefly.
    pub(crate) fn encrypt(
        &self,
        algorithm: EncryptionAlgorithm,
        value: &[u8],
    ) -> Result<Vec<u8>, RsaError> {
        let max = self.modulus.len().saturating_sub(overhead(algorithm));
        if value.len() > max {
            return Err(RsaError::TooLong { max });
        }
        let (key, rng) = (self.key()?, &mut SysRng);
        match algorithm {
            EncryptionAlgorithm::RsaOaep => key.encrypt(rng, Oaep::<Sha1>::new(), value),
            EncryptionAlgorithm::RsaOaep256 => key.encrypt(rng, Oaep::<Sha256>::new(), value),
            EncryptionAlgorithm::Rsa15 => key.encrypt(rng, Pkcs1v15Encrypt, value),
        }
        .map_err(|_| RsaError::Failed)
    }

    /// Whether the key made this signature of the digest. Bytes that cannot be a signature do not verify.
    pub(crate) fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<bool, RsaError> {
        let key = self.key()?;
        let verified = match (Padding::for_algorithm(algorithm)?, algorithm.hash()) {
            (Padding::Pkcs1, Hash::Sha256) => key.verify(pkcs1::<Sha256>(), digest, signature),
            (Padding::Pkcs1, Hash::Sha384) => key.verify(pkcs1::<Sha384>(), digest, signature),
            (Padding::Pkcs1, Hash::Sha512) => key.verify(pkcs1::<Sha512>(), digest, signature),
            (Padding::Pss, Hash::Sha256) => key.verify(Pss::<Sha256>::new(), digest, signature),
            (Padding::Pss, Hash::Sha384) => key.verify(Pss::<Sha384>::new(), digest, signature),
            (Padding::Pss, Hash::Sha512) => key.verify(Pss::<Sha512>::new(), digest, signature),
        };
        Ok(verified.is_ok())
    }

    /// The size, rounded to one of Azure's sizes: every accepted key has one of them.
    pub(crate) fn size(&self) -> KeySize {
        match self.modulus.len() {
            0..=256 => KeySize::Rsa2048,
            257..=384 => KeySize::Rsa3072,
            _ => KeySize::Rsa4096,
        }
    }

    fn key(&self) -> Result<PublicKey, RsaError> {
        let modulus = BoxedUint::from_be_slice_vartime(&self.modulus);
        let exponent = BoxedUint::from_be_slice_vartime(&self.exponent);
        PublicKey::new(modulus, exponent).map_err(|_| RsaError::Failed)
    }
}

/// How a digest is padded before it is signed.
#[derive(Clone, Copy)]
enum Padding {
    Pkcs1,
    Pss,
}

impl Padding {
    fn for_algorithm(algorithm: SignatureAlgorithm) -> Result<Self, RsaError> {
        use SignatureAlgorithm as Algorithm;

        match algorithm {
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => Ok(Self::Pkcs1),
            Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => Ok(Self::Pss),
            Algorithm::Es256 | Algorithm::Es256k | Algorithm::Es384 | Algorithm::Es512 => {
                Err(RsaError::Algorithm)
            }
        }
    }
}

fn pkcs1<D: Digest + AssociatedOid>() -> Pkcs1v15Sign {
    Pkcs1v15Sign::new::<D>()
}

/// How many bytes of the modulus the padding needs (RFC 8017, sections 7.1.1 and 7.2.1).
fn overhead(algorithm: EncryptionAlgorithm) -> usize {
    match algorithm {
        EncryptionAlgorithm::RsaOaep => 2 * 20 + 2,
        EncryptionAlgorithm::RsaOaep256 => 2 * 32 + 2,
        EncryptionAlgorithm::Rsa15 => 11,
    }
}

/// The number one, as wide as a modulus: a ciphertext in range that no encryption produces.
fn one(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    if let Some(last) = bytes.last_mut() {
        *last = 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_that_fits_is_decrypted_and_one_more_byte_is_refused() {
        let key = RsaKey::generate(KeySize::Rsa2048).unwrap();
        let public = key.public();

        for &algorithm in EncryptionAlgorithm::ALL {
            let max = 256 - overhead(algorithm);
            for len in [0, 1, 32, max] {
                let value = vec![0x5a; len];
                let wrapped = public.encrypt(algorithm, &value).unwrap();
                assert_eq!(wrapped.len(), 256);
                assert_eq!(*key.decrypt(algorithm, &wrapped).unwrap(), value, "{algorithm} {len}");
            }
            let refused = public.encrypt(algorithm, &vec![0; max + 1]);
            assert_eq!(refused.unwrap_err(), RsaError::TooLong { max });
        }
    }

    #[test]
    fn a_key_survives_its_encoding() {
        let key = RsaKey::generate(KeySize::Rsa2048).unwrap();
        let again = RsaKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();

        let wrapped = key.public().encrypt(EncryptionAlgorithm::RsaOaep256, b"value").unwrap();

        assert_eq!(key.public(), again.public());
        assert_eq!(&*again.decrypt(EncryptionAlgorithm::RsaOaep256, &wrapped).unwrap(), b"value");
        assert_eq!(key.public().exponent, [1, 0, 1]);
    }

    #[test]
    fn every_failed_decryption_is_the_same_error() {
        let key = RsaKey::generate(KeySize::Rsa2048).unwrap();
        let wrapped = key.public().encrypt(EncryptionAlgorithm::RsaOaep256, b"value").unwrap();
        let mut changed = wrapped.clone();
        changed[200] ^= 1;
        let too_big = vec![0xff; 256];

        for bad in [&changed[..], &wrapped[1..], &[], &too_big] {
            assert_eq!(
                key.decrypt(EncryptionAlgorithm::RsaOaep256, bad).unwrap_err(),
                DecryptionFailed
            );
        }
        assert_eq!(
            key.decrypt(EncryptionAlgorithm::RsaOaep, &wrapped).unwrap_err(),
            DecryptionFailed
        );
    }
}
