//! Elliptic curves: key generation and import, and ECDSA over a digest. No other module uses the curve crates.
//!
//! Called through [`super::material`]. Signatures are `r ‖ s`, each as wide as the field (IEEE P1363, RFC 7518), and never DER.
//! The nonce is derived from the key, the digest and fresh randomness (RFC 6979, section 3.6), so that neither a weak generator nor
//! a fault in one computation reveals the key.
//! Verification accepts either half of `s`, on every curve: unlike Bitcoin, Key Vault does not require the lower half.
//! Private scalars are wiped when they are dropped.

use std::fmt;
use std::str::FromStr;

use ecdsa::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use ecdsa::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, Generate};
use ecdsa::signature::hazmat::{PrehashVerifier, RandomizedPrehashSigner};
use ecdsa::{DigestAlgorithm, EcdsaCurve, Signature, SigningKey, VerifyingKey};
use k256::Secp256k1;
use p256::NistP256;
use p384::NistP384;
use p521::NistP521;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The name of P-256K in the first version of the API. Clients still send it.
const FORMER_P256K: &str = "SECP256K1";
/// The first byte of an uncompressed point (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// The curves of Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Curve {
    /// NIST P-256, the default.
    #[serde(rename = "P-256")]
    P256,
    /// secp256k1.
    #[serde(rename = "P-256K")]
    P256k,
    /// NIST P-384.
    #[serde(rename = "P-384")]
    P384,
    /// NIST P-521.
    #[serde(rename = "P-521")]
    P521,
}

/// The name is not that of a supported curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a supported curve")]
pub struct UnknownCurve;

impl Curve {
    /// All curves, in the order in which refusals list them.
    pub const ALL: &[Self] = &[Self::P256, Self::P256k, Self::P384, Self::P521];

    /// Azure's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P256k => "P-256K",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The length of a coordinate and of a private scalar in bytes.
    pub fn width(self) -> usize {
        match self {
            Self::P256 | Self::P256k => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl FromStr for Curve {
    type Err = UnknownCurve;

    fn from_str(name: &str) -> Result<Self, UnknownCurve> {
        if name == FORMER_P256K {
            return Ok(Self::P256k);
        }
        Self::ALL.iter().find(|known| known.as_str() == name).copied().ok_or(UnknownCurve)
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a key cannot be generated, imported or used to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EcError {
    /// The point is not on the curve.
    #[error("the point (x, y) is not on the curve")]
    NotOnCurve,
    /// The private scalar is zero or too large.
    #[error("the private scalar is out of range")]
    ScalarRange,
    /// The private scalar belongs to another point.
    #[error("the private scalar does not belong to the point (x, y)")]
    Mismatch,
    /// The generator of random bytes failed.
    #[error("the key cannot be used")]
    Failed,
}

/// A private key. The crates wipe its scalar when it is dropped.
pub(crate) enum EcKey {
    P256(SigningKey<NistP256>),
    P256k(SigningKey<Secp256k1>),
    P384(SigningKey<NistP384>),
    P521(SigningKey<NistP521>),
}

/// The public half, which responses carry. Coordinates are as wide as the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EcPublic {
    pub(crate) curve: Curve,
    pub(crate) x: Vec<u8>,
    pub(crate) y: Vec<u8>,
}

impl EcKey {
    /// Generates a new key.
    pub(crate) fn generate(curve: Curve) -> Result<Self, EcError> {
        Ok(match curve {
            Curve::P256 => Self::P256(generate()?),
            Curve::P256k => Self::P256k(generate()?),
            Curve::P384 => Self::P384(generate()?),
            Curve::P521 => Self::P521(generate()?),
        })
    }

    /// Reads a private scalar that is as wide as the field.
    pub(crate) fn from_scalar(curve: Curve, scalar: &[u8]) -> Result<Self, EcError> {
        if scalar.len() != curve.width() {
            return Err(EcError::ScalarRange);
        }
        Ok(match curve {
            Curve::P256 => Self::P256(from_scalar(scalar)?),
            Curve::P256k => Self::P256k(from_scalar(scalar)?),
            Curve::P384 => Self::P384(from_scalar(scalar)?),
            Curve::P521 => Self::P521(from_scalar(scalar)?),
        })
    }

    /// Imports a key if its numbers belong together.
    pub(crate) fn import(public: &EcPublic, scalar: &[u8]) -> Result<Self, EcError> {
        if !public.is_on_curve() {
            return Err(EcError::NotOnCurve);
        }
        let key = Self::from_scalar(public.curve, scalar)?;
        if key.public() == *public { Ok(key) } else { Err(EcError::Mismatch) }
    }

    /// The private scalar, which the caller seals.
    pub(crate) fn to_scalar(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::P256(key) => to_scalar(key),
            Self::P256k(key) => to_scalar(key),
            Self::P384(key) => to_scalar(key),
            Self::P521(key) => to_scalar(key),
        }
    }

    /// The public half.
    pub(crate) fn public(&self) -> EcPublic {
        match self {
            Self::P256(key) => public(Curve::P256, key),
            Self::P256k(key) => public(Curve::P256k, key),
            Self::P384(key) => public(Curve::P384, key),
            Self::P521(key) => public(Curve::P521, key),
        }
    }

    /// Signs a digest, whose length the caller has checked.
    pub(crate) fn sign(&self, digest: &[u8]) -> Result<Vec<u8>, EcError> {
        match self {
            Self::P256(key) => sign(key, digest),
            Self::P256k(key) => sign(key, digest),
            Self::P384(key) => sign(key, digest),
            Self::P521(key) => sign(key, digest),
        }
    }
}

impl EcPublic {
    /// Whether the key made this signature of the digest. Bytes that cannot be a signature do not verify.
    pub(crate) fn verify(&self, digest: &[u8], signature: &[u8]) -> bool {
        let point = self.sec1();
        match self.curve {
            Curve::P256 => verify::<NistP256>(&point, digest, signature),
            Curve::P256k => verify::<Secp256k1>(&point, digest, signature),
            Curve::P384 => verify::<NistP384>(&point, digest, signature),
            Curve::P521 => verify::<NistP521>(&point, digest, signature),
        }
    }

    fn is_on_curve(&self) -> bool {
        let point = self.sec1();
        match self.curve {
            Curve::P256 => VerifyingKey::<NistP256>::from_sec1_bytes(&point).is_ok(),
            Curve::P256k => VerifyingKey::<Secp256k1>::from_sec1_bytes(&point).is_ok(),
            Curve::P384 => VerifyingKey::<NistP384>::from_sec1_bytes(&point).is_ok(),
            Curve::P521 => VerifyingKey::<NistP521>::from_sec1_bytes(&point).is_ok(),
        }
    }

    fn sec1(&self) -> Vec<u8> {
        [&[UNCOMPRESSED], self.x.as_slice(), self.y.as_slice()].concat()
    }
}

fn generate<C: EcdsaCurve + CurveArithmetic>() -> Result<SigningKey<C>, EcError> {
    SigningKey::try_generate_from_rng(&mut SysRng).map_err(|_| EcError::Failed)
}

fn from_scalar<C: EcdsaCurve + CurveArithmetic>(scalar: &[u8]) -> Result<SigningKey<C>, EcError> {
    SigningKey::from_slice(scalar).map_err(|_| EcError::ScalarRange)
}

fn to_scalar<C: EcdsaCurve + CurveArithmetic>(key: &SigningKey<C>) -> Zeroizing<Vec<u8>> {
    let bytes = Zeroizing::new(key.to_bytes());
    Zeroizing::new(bytes.to_vec())
}

fn public<C>(curve: Curve, key: &SigningKey<C>) -> EcPublic
where
    C: EcdsaCurve + CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let point = key.verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(curve.width());
    EcPublic { curve, x: x.to_vec(), y: y.to_vec() }
}

fn sign<C>(key: &SigningKey<C>, digest: &[u8]) -> Result<Vec<u8>, EcError>
where
    C: EcdsaCurve + CurveArithmetic + DigestAlgorithm,
{
    let signature: Signature<C> =
        key.sign_prehash_with_rng(&mut SysRng, digest).map_err(|_| EcError::Failed)?;
    Ok(signature.to_bytes().to_vec())
}

fn verify<C>(point: &[u8], digest: &[u8], signature: &[u8]) -> bool
where
    C: EcdsaCurve + CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let Ok(key) = VerifyingKey::<C>::from_sec1_bytes(point) else { return false };
    let Ok(signature) = Signature::<C>::from_slice(signature) else { return false };
    // (r, s) verifies exactly if (r, n - s) does; the crate of secp256k1 only accepts the lower of the two.
    key.verify_prehash(digest, &signature.normalize_s()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(curve: Curve) -> Vec<u8> {
        vec![0x5a; if curve == Curve::P521 { 64 } else { curve.width() }]
    }

    #[test]
    fn each_curve_only_verifies_its_own_signatures() {
        for &curve in Curve::ALL {
            let (key, other) = (EcKey::generate(curve).unwrap(), EcKey::generate(curve).unwrap());
            let digest = digest_of(curve);

            let signature = key.sign(&digest).unwrap();

            assert_eq!(signature.len(), 2 * curve.width(), "{curve}");
            assert!(key.public().verify(&digest, &signature), "{curve}");
            assert!(!other.public().verify(&digest, &signature), "{curve}");
            assert!(!key.public().verify(&digest[1..], &signature), "{curve}");
            assert!(!key.public().verify(&digest, &signature[1..]), "{curve}");
            assert!(!key.public().verify(&digest, &vec![0; signature.len()]), "{curve}");
            assert!(!key.public().verify(&digest, &vec![0xff; signature.len()]), "{curve}");
        }
    }

    #[test]
    fn a_key_survives_its_encoding_and_coordinates_have_the_width_of_the_field() {
        for &curve in Curve::ALL {
            let key = EcKey::generate(curve).unwrap();

            let again = EcKey::from_scalar(curve, &key.to_scalar()).unwrap();

            let public = key.public();
            assert_eq!(public, again.public());
            assert_eq!((public.x.len(), public.y.len()), (curve.width(), curve.width()));
            assert_eq!(key.to_scalar().len(), curve.width());
        }
    }

    #[test]
    fn a_key_is_imported_only_if_its_numbers_belong_together() {
        for &curve in Curve::ALL {
            let (key, other) = (EcKey::generate(curve).unwrap(), EcKey::generate(curve).unwrap());
            let mut off = key.public();
            off.y[curve.width() - 1] ^= 1;

            let import = |public: &EcPublic, scalar: &[u8]| EcKey::import(public, scalar).map(drop);

            assert_eq!(import(&key.public(), &key.to_scalar()), Ok(()));
            assert_eq!(import(&off, &key.to_scalar()), Err(EcError::NotOnCurve));
            assert_eq!(import(&key.public(), &other.to_scalar()), Err(EcError::Mismatch));
            for bad in [vec![0; curve.width()], vec![0xff; curve.width()], vec![1], vec![]] {
                assert_eq!(import(&key.public(), &bad), Err(EcError::ScalarRange), "{curve}");
            }
        }
    }
}
