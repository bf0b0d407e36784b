//! Imports RSA keys: checks that the numbers of a JSON Web Key belong together.
//!
//! Called by the import of keys in [`crate::vault`]. No number is trusted: the work is bounded before anything is computed, absent numbers are
//! derived, given numbers must fit, and the key must decrypt its own encryption once. No input panics.

use rsa::traits::PrivateKeyParts;
use rsa::{BoxedUint, PrivateKey, PublicKey};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::super::algorithm::SignatureAlgorithm;
use super::key::{KeySize, RsaKey, RsaPublic};

/// Why numbers are not accepted as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAnRsaKey {
    /// The modulus does not have one of Azure's sizes.
    #[error("the modulus has {0} bits")]
    Size(u32),
    /// The public exponent is even, below 3, or above 2^33 - 1.
    #[error("the public exponent is out of range")]
    Exponent,
    /// There is no private number.
    #[error("there is no private number")]
    NoPrivate,
    /// The primes are missing, and cannot be derived from the given numbers.
    #[error("the primes are missing")]
    NoPrimes,
    /// The numbers do not belong to each other.
    #[error("the numbers do not belong to each other")]
    Inconsistent,
}

/// The numbers of an imported key, big-endian. Absent numbers are derived.
pub(crate) struct RsaParts {
    pub(crate) modulus: Vec<u8>,
    pub(crate) exponent: Vec<u8>,
    pub(crate) private_exponent: Option<Zeroizing<Vec<u8>>>,
    pub(crate) primes: Option<[Zeroizing<Vec<u8>>; 2]>,
    /// `d mod (p - 1)`, `d mod (q - 1)`, and `q` inverted modulo `p`.
    pub(crate) crt: [Option<Zeroizing<Vec<u8>>>; 3],
}

impl RsaKey {
    /// Imports a key if its numbers belong together. Blocks for some milliseconds.
    pub(crate) fn import(parts: &RsaParts) -> Result<Self, NotAnRsaKey> {
        let public = parts.public()?;
        let bound = public.modulus.len();
        let secrets = parts.private_exponent.iter();
        let mut secrets =
            secrets.chain(parts.primes.iter().flatten()).chain(parts.crt.iter().flatten());
        // No number may be longer than the modulus, so that the work is bounded, and no number may be zero.
        if secrets.any(|number| !(1..=bound).contains(&trimmed(number).len())) {
            return Err(NotAnRsaKey::Inconsistent);
        }
        let (modulus, exponent) = (number(&public.modulus), number(&public.exponent));
        let primes = |[one, other]: &[Zeroizing<Vec<u8>>; 2]| (number(one), number(other));
        let key = match (&parts.private_exponent, &parts.primes) {
            (None, None) => return Err(NotAnRsaKey::NoPrivate),
            (Some(_), None) if parts.crt.iter().any(Option::is_some) || !recoverable(&public) => {
                return Err(NotAnRsaKey::NoPrimes);
            }
            (Some(private), None) => {
                PrivateKey::from_components(modulus, exponent, number(private), Vec::new())
            }
            (Some(private), Some(given)) => {
                let (one, other) = primes(given);
                PrivateKey::from_components(modulus, exponent, number(private), vec![one, other])
            }
            (None, Some(given)) => {
                let (one, other) = primes(given);
                PrivateKey::from_p_q(one, other, exponent)
            }
        };
        let key = Self(key.map_err(|_| NotAnRsaKey::Inconsistent)?);
        if key.public() == public && key.has_crt(&parts.crt) && key.works() {
            Ok(key)
        } else {
            Err(NotAnRsaKey::Inconsistent)
        }
    }

    /// Whether the given ones of the three numbers are this key's.
    fn has_crt(&self, given: &[Option<Zeroizing<Vec<u8>>>; 3]) -> bool {
        let own = [self.0.dp().cloned(), self.0.dq().cloned(), self.0.crt_coefficient()];
        given.iter().zip(own).all(|(given, own)| match (given, own.map(Zeroizing::new)) {
            (None, _) => true,
            (Some(given), Some(own)) => {
                let own = Zeroizing::new(own.to_be_bytes());
                trimmed(given).ct_eq(trimmed(&own)).into()
            }
            (Some(_), None) => false,
        })
    }

    /// Whether the private operation reverses the public one: it does not if the factors are not primes.
    fn works(&self) -> bool {
        let (algorithm, digest) = (SignatureAlgorithm::Rs256, [0x5a; 32]);
        self.sign(algorithm, &digest)
            .is_ok_and(|signature| self.public().verify(algorithm, &digest, &signature) == Ok(true))
    }
}

impl RsaParts {
    /// The public half, if its size and exponent are accepted.
    fn public(&self) -> Result<RsaPublic, NotAnRsaKey> {
        let (modulus, exponent) = (trimmed(&self.modulus), trimmed(&self.exponent));
        let leading = modulus.first().map_or(0, |byte| byte.leading_zeros());
        let bits = u32::try_from(modulus.len()).unwrap_or(u32::MAX).saturating_mul(8) - leading;
        if KeySize::from_bits(bits).is_none() {
            return Err(NotAnRsaKey::Size(bits));
        }
        let value = exponent_value(exponent).ok_or(NotAnRsaKey::Exponent)?;
        if value % 2 == 0 || !(3..=PublicKey::MAX_PUB_EXPONENT).contains(&value) {
            return Err(NotAnRsaKey::Exponent);
        }
        Ok(RsaPublic { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }
}

/// Whether the primes can be derived from the exponents: the method requires a public exponent above 2^16.
fn recoverable(public: &RsaPublic) -> bool {
    exponent_value(&public.exponent).is_some_and(|exponent| exponent > 1 << 16)
}

fn exponent_value(bytes: &[u8]) -> Option<u64> {
    let mut value = [0; 8];
    value.get_mut(8_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(u64::from_be_bytes(value))
}

fn number(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice_vartime(trimmed(bytes))
}

/// A big-endian number without leading zeros.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use rand::rngs::SysRng;
    use rsa::traits::PublicKeyParts;

    use super::super::key::EXPONENT;
    use super::*;
    use crate::model::algorithm::EncryptionAlgorithm;

    static KEY: LazyLock<RsaKey> = LazyLock::new(|| RsaKey::generate(KeySize::Rsa2048).unwrap());

    /// All numbers of a key.
    fn parts(key: &RsaKey) -> RsaParts {
        let bytes = |number: &BoxedUint| Zeroizing::new(number.to_be_bytes().to_vec());
        let public = key.public();
        let [one, other] = [0, 1].map(|i| bytes(key.0.primes()[i].as_ref()));
        RsaParts {
            modulus: public.modulus,
            exponent: public.exponent,
            private_exponent: Some(bytes(key.0.d())),
            primes: Some([one, other]),
            crt: [key.0.dp().cloned(), key.0.dq().cloned(), key.0.crt_coefficient()]
                .map(|number| number.as_ref().map(bytes)),
        }
    }

    #[test]
    fn an_imported_key_is_the_same_from_all_its_numbers_or_the_fewest() {
        let (all, mut without_d, mut without_primes) = (parts(&KEY), parts(&KEY), parts(&KEY));
        without_d.private_exponent = None;
        without_primes.primes = None;
        without_primes.crt = [None, None, None];

        for parts in [all, without_d, without_primes] {
            let key = RsaKey::import(&parts).unwrap();
            let again = RsaKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();

            let wrapped = KEY.public().encrypt(EncryptionAlgorithm::RsaOaep, b"value").unwrap();
            for key in [key, again] {
                let value = key.decrypt(EncryptionAlgorithm::RsaOaep, &wrapped).unwrap();
                assert_eq!(&*value, b"value");
            }
        }
    }

    #[test]
    fn composite_factors_are_refused() {
        // A product of four primes, split in two: n = pq holds, and d is an inverse modulo (p - 1)(q - 1).
        let half = || number(&PrivateKey::new(&mut SysRng, 1024).unwrap().n_bytes());
        let refused = (0..4).map(|_| {
            let (one, other) = (half(), half());
            let factors =
                [&one, &other].map(|factor| Zeroizing::new(factor.to_be_bytes().to_vec()));
            // The crate accepts them.
            let key = PrivateKey::from_p_q(one, other, BoxedUint::from(EXPONENT)).unwrap();
            RsaKey::import(&RsaParts {
                modulus: key.n_bytes().into(),
                exponent: vec![1, 0, 1],
                private_exponent: None,
                primes: Some(factors),
                crt: [None, None, None],
            })
            .map(drop)
        });

        for refused in refused {
            assert!(
                matches!(refused, Err(NotAnRsaKey::Inconsistent | NotAnRsaKey::Size(2047))),
                "{refused:?}"
            );
        }
    }

    /// A number that is random, short, or close to a number of the key.
    fn near(number: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
        let len = number.len();
        prop_oneof![
            Just(number.clone()),
            (0..len, any::<u8>()).prop_map(move |(at, byte)| {
                let mut changed = number.clone();
                changed[at] ^= byte;
                changed
            }),
            proptest::collection::vec(any::<u8>(), 0..16),
            proptest::collection::vec(any::<u8>(), 250..260),
        ]
    }

    /// The modulus, both exponents, the primes, and the three numbers derived from them.
    type Numbers = (
        Vec<u8>,
        Vec<u8>,
        Option<Zeroizing<Vec<u8>>>,
        Option<[Zeroizing<Vec<u8>>; 2]>,
        [Option<Zeroizing<Vec<u8>>>; 3],
    );

    fn near_numbers() -> impl Strategy<Value = Numbers> {
        let key = parts(&KEY);
        let secret = |number: Option<&Zeroizing<Vec<u8>>>| {
            proptest::option::of(near(number.unwrap().to_vec()).prop_map(Zeroizing::new))
        };
        let primes = key.primes.as_ref().unwrap();
        let [one, other] = [0, 1].map(|i| near(primes[i].to_vec()).prop_map(Zeroizing::new));
        (
            near(key.modulus.clone()),
            prop_oneof![4 => Just(vec![1, 0, 1]), 1 => near(vec![1, 0, 1])],
            secret(key.private_exponent.as_ref()),
            proptest::option::of((one, other).prop_map(|(one, other)| [one, other])),
            [0, 1, 2].map(|i| secret(key.crt[i].as_ref())),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn no_numbers_panic_and_an_accepted_key_works(
            (modulus, exponent, private_exponent, primes, crt) in near_numbers(),
        ) {
            let parts = RsaParts { modulus, exponent, private_exponent, primes, crt };
            if let Ok(key) = RsaKey::import(&parts) {
                let wrapped = key.public().encrypt(EncryptionAlgorithm::RsaOaep, b"value").unwrap();
                let value = key.decrypt(EncryptionAlgorithm::RsaOaep, &wrapped).unwrap();
                prop_assert_eq!(&value[..], b"value");
            }
        }

        #[test]
        fn a_private_exponent_of_another_modulus_never_panics_the_search_for_primes(
            private in proptest::collection::vec(any::<u8>(), 1..257),
        ) {
            let mut parts = parts(&KEY);
            parts.private_exponent = Some(Zeroizing::new(private));
            parts.primes = None;
            parts.crt = [None, None, None];

            prop_assert!(RsaKey::import(&parts).is_err());
        }
    }
}
