//! The bodies of requests of the keys API, and their conversion to domain types. `values.rs` parses the single properties.
//!
//! This module does not check whether a key may be used for the operation.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::values::{
    Family, Kty, SecretText, algorithm, bad, curve, date, decoded, operations, rsa_size, tags,
};
use crate::model::algorithm::{EncryptionAlgorithm, SignatureAlgorithm};
use crate::model::error::VaultError;
use crate::model::material::KeyShape;
use crate::model::rsa::EXPONENT;
use crate::vault::{KeyChanges, NewKey, NewVersion};

/// `KeyCreateParameters`.
#[derive(Debug, Deserialize)]
pub(super) struct KeyCreateParameters {
    kty: Option<String>,
    crv: Option<String>,
    key_size: Option<u32>,
    public_exponent: Option<u64>,
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributesIn>,
    tags: Option<BTreeMap<String, Option<String>>>,
    release_policy: Option<IgnoredAny>,
}

/// `KeyUpdateParameters`.
#[derive(Debug, Deserialize)]
pub(super) struct KeyUpdateParameters {
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributesIn>,
    tags: Option<BTreeMap<String, Option<String>>>,
    release_policy: Option<IgnoredAny>,
}

/// `KeyOperationsParameters` and `KeySignParameters`, without the fields for symmetric keys (`iv`, `aad`, `tag`).
#[derive(Deserialize)]
pub(super) struct KeyOperationsParameters {
    alg: Option<String>,
    value: Option<SecretText>,
}

/// `KeyVerifyParameters`.
#[derive(Debug, Deserialize)]
pub(super) struct KeyVerifyParameters {
    alg: Option<String>,
    digest: Option<SecretText>,
    value: Option<SecretText>,
}

/// `KeyRestoreParameters`.
#[derive(Debug, Deserialize)]
pub(super) struct KeyRestoreParameters {
    value: Option<SecretText>,
}

/// The attributes that a client may set.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AttributesIn {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
    exportable: Option<bool>,
}

impl KeyCreateParameters {
    pub(super) fn into_new_key(self) -> Result<NewKey, VaultError> {
        let kty = Kty::parse(self.kty.as_deref())?;
        let shape = match kty.family {
            Family::Rsa => KeyShape::Rsa(rsa_size(self.key_size.unwrap_or(2048))?),
            // Azure ignores the size here: cosign requests an EC key with `key_size` 2048.
            Family::Ec => KeyShape::Ec(curve(self.crv.as_deref())?),
        };
        // Azure ignores this too: a recorded request for 3 got a key with 65537.
        if let Some(requested) = self.public_exponent.filter(|exponent| *exponent != EXPONENT) {
            tracing::debug!(requested, "the key is created with the public exponent {EXPONENT}");
        }
        let attributes = self.attributes.unwrap_or_default();
        attributes.refuse_release(self.release_policy)?;
        let version = attributes.into_new_version(kty.in_hsm, self.key_ops, self.tags)?;
        Ok(NewKey { shape, version })
    }
}

impl KeyUpdateParameters {
    pub(super) fn into_changes(self) -> Result<KeyChanges, VaultError> {
        let attributes = self.attributes.unwrap_or_default();
        if attributes.exportable == Some(true) {
            // The code is Azure's; the text of its message is not known.
            return Err(bad(
                "AKV.SKR.1003: The exportable attribute of an existing key cannot be changed.",
            ));
        }
        attributes.refuse_release(self.release_policy)?;
        Ok(KeyChanges {
            operations: self.key_ops.map(operations).transpose()?,
            enabled: attributes.enabled,
            not_before: date("nbf", attributes.nbf)?,
            expires: date("exp", attributes.exp)?,
            tags: self.tags.map(tags).transpose()?,
        })
    }
}

impl KeyOperationsParameters {
    /// The algorithm and the value of encrypt, decrypt, wrapKey and unwrapKey.
    pub(super) fn for_encryption(
        &self,
    ) -> Result<(EncryptionAlgorithm, Zeroizing<Vec<u8>>), VaultError> {
        let algorithm = algorithm(self.alg.as_deref(), EncryptionAlgorithm::ALL)?;
        Ok((algorithm, decoded("value", self.value.as_ref())?))
    }

    /// The algorithm and the digest of sign.
    pub(super) fn for_signature(
        &self,
    ) -> Result<(SignatureAlgorithm, Zeroizing<Vec<u8>>), VaultError> {
        let algorithm = algorithm(self.alg.as_deref(), SignatureAlgorithm::ALL)?;
        Ok((algorithm, decoded("value", self.value.as_ref())?))
    }
}

impl KeyRestoreParameters {
    pub(super) fn blob(&self) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        decoded("value", self.value.as_ref())
    }
}

impl KeyVerifyParameters {
    pub(super) fn algorithm(&self) -> Result<SignatureAlgorithm, VaultError> {
        algorithm(self.alg.as_deref(), SignatureAlgorithm::ALL)
    }

    pub(super) fn digest(&self) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        decoded("digest", self.digest.as_ref())
    }

    pub(super) fn signature(&self) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        decoded("value", self.value.as_ref())
    }
}

impl AttributesIn {
    /// Refuses a release policy and an exportable key: there is no enclave that could receive a released key.
    pub(super) fn refuse_release(&self, policy: Option<IgnoredAny>) -> Result<(), VaultError> {
        match (self.exportable.unwrap_or(false), policy) {
            (false, None) => Ok(()),
            (true, None) => Err(bad("AKV.SKR.1004: Exportable keys must have release policy.")),
            (false, Some(_)) => {
                Err(bad("AKV.SKR.1005: Non-exportable keys must not have release policy."))
            }
            (true, Some(_)) => Err(bad(
                "AKV.SKR.1001: The exportable attribute is only supported with premium vaults and API version >= '7.3-preview'.",
            )),
        }
    }

    pub(super) fn into_new_version(
        self,
        in_hsm: bool,
        key_ops: Option<Vec<String>>,
        given_tags: Option<BTreeMap<String, Option<String>>>,
    ) -> Result<NewVersion, VaultError> {
        Ok(NewVersion {
            in_hsm,
            operations: key_ops.map(operations).transpose()?,
            enabled: self.enabled.unwrap_or(true),
            not_before: date("nbf", self.nbf)?,
            expires: date("exp", self.exp)?,
            tags: given_tags.map(tags).transpose()?.unwrap_or_default(),
        })
    }
}

impl fmt::Debug for KeyOperationsParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyOperationsParameters").field("alg", &self.alg).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// A body of any operation, with values that are close to valid values.
    fn body() -> impl Strategy<Value = Value> {
        let value = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop_oneof![
                "RSA", "EC", "EC-HSM", "P-256", "P-521", "RS256", "RSA-OAEP", "AQAB", ".{0,40}"
            ]
            .prop_map(Value::from),
            proptest::collection::vec(prop_oneof!["sign", "wrapKey", ".{0,9}"], 0..4)
                .prop_map(Value::from),
            proptest::collection::btree_map(".{0,5}", ".{0,9}", 0..18).prop_map(|map| json!(map)),
            (any::<Option<i64>>(), any::<Option<i64>>(), any::<Option<bool>>()).prop_map(
                |(nbf, exp, exportable)| json!({"nbf": nbf, "exp": exp, "exportable": exportable})
            ),
        ];
        let names = prop_oneof![
            "kty",
            "crv",
            "key_size",
            "public_exponent",
            "key_ops",
            "attributes",
            "tags",
            "release_policy",
            "alg",
            "value",
            "digest",
        ];
        proptest::collection::btree_map(names, value, 0..9).prop_map(|map| json!(map))
    }

    proptest! {
        #[test]
        fn no_body_panics_and_a_refusal_is_a_client_error(body in body()) {
            fn refused<P: for<'de> Deserialize<'de>, T>(
                body: &Value,
                parse: impl Fn(P) -> Result<T, VaultError>,
            ) -> Option<VaultError> {
                parse(serde_json::from_value(body.clone()).ok()?).err()
            }
            let refusals = [
                refused(&body, KeyCreateParameters::into_new_key),
                refused(&body, KeyUpdateParameters::into_changes),
                refused(&body, |p: KeyOperationsParameters| p.for_encryption()),
                refused(&body, |p: KeyOperationsParameters| p.for_signature()),
                refused(&body, |p: KeyVerifyParameters| p.algorithm()),
                refused(&body, |p: KeyVerifyParameters| p.digest()),
                refused(&body, |p: KeyVerifyParameters| p.signature()),
                refused(&body, |p: KeyRestoreParameters| p.blob()),
            ];

            for refusal in refusals.into_iter().flatten() {
                prop_assert!(!matches!(refusal, VaultError::Internal(_)), "{refusal}");
            }
        }
    }
}
