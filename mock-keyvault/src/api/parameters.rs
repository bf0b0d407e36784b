//! The JSON that clients of the keys API send, and its conversion to domain types, which happens only here.
//!
//! Every refusal names the property that is wrong, with Azure's text where it is known. Values and private numbers are
//! wiped when they are dropped. This module does not check whether a key may be used for the operation.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::model::algorithm::{EncryptionAlgorithm, SignatureAlgorithm};
use crate::model::ec::Curve;
use crate::model::error::VaultError;
use crate::model::key::KeyOperation;
use crate::model::material::KeyShape;
use crate::model::rsa::{EXPONENT, KeySize};
use crate::vault::{KeyChanges, NewKey, NewVersion};

const MAX_TAGS: usize = 15;
const MAX_TAG_LEN: usize = 256;
/// The last second of the year 9999, the last date that can be written.
const MAX_DATE: i64 = 253_402_300_799;
/// The most characters of a value that a refusal repeats.
const MAX_SHOWN: usize = 32;

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

/// A text that is wiped when it is dropped.
pub(super) struct SecretText(Zeroizing<String>);

/// The key type that a `kty` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kty {
    pub(super) family: Family,
    pub(super) in_hsm: bool,
}

/// The two families of keys that are supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Ec,
    Rsa,
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

impl Kty {
    pub(super) fn parse(name: Option<&str>) -> Result<Self, VaultError> {
        let (family, in_hsm) = match name {
            None | Some("") => return Err(bad("Property 'kty' is required.\r\n")),
            Some("EC") => (Family::Ec, false),
            Some("EC-HSM") => (Family::Ec, true),
            Some("RSA") => (Family::Rsa, false),
            Some("RSA-HSM") => (Family::Rsa, true),
            Some(other) => return Err(VaultError::KeyTypeNotSupported(start(other))),
        };
        Ok(Self { family, in_hsm })
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl fmt::Debug for KeyOperationsParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyOperationsParameters").field("alg", &self.alg).finish_non_exhaustive()
    }
}

/// Decodes a required property. Padding is accepted although Azure writes none.
pub(super) fn decoded(
    property: &str,
    text: Option<&SecretText>,
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let Some(SecretText(text)) = text else {
        return Err(bad(format!("Property '{property}' is required.\r\n")));
    };
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map(Zeroizing::new).map_err(|_| {
        bad(format!(
            "Content of '{property}' is not base64url.\r\nProperty '{property}' is required.\r\n"
        ))
    })
}

/// The curve with this name, or Azure's default.
pub(super) fn curve(name: Option<&str>) -> Result<Curve, VaultError> {
    match name {
        None | Some("") => Ok(Curve::P256),
        Some(name) => name.parse().map_err(|_| unknown("crv", name, Curve::ALL)),
    }
}

/// The size of an RSA key.
fn rsa_size(bits: u32) -> Result<KeySize, VaultError> {
    KeySize::from_bits(bits).ok_or(VaultError::UnsupportedKeySize(bits))
}

pub(super) fn bad(message: impl Into<String>) -> VaultError {
    VaultError::BadParameter(message.into())
}

fn algorithm<T>(name: Option<&str>, all: &[T]) -> Result<T, VaultError>
where
    T: std::str::FromStr + fmt::Display,
{
    match name {
        None | Some("") => Err(bad("Property 'alg' is required.\r\n")),
        Some(name) => name.parse().map_err(|_| unknown("alg", name, all)),
    }
}

/// Refuses an unknown name and lists the known names. The start of the message is Azure's; the rest is not known.
fn unknown(property: &str, name: &str, all: &[impl fmt::Display]) -> VaultError {
    let all: Vec<String> = all.iter().map(|known| format!("\"{known}\"")).collect();
    bad(format!(
        "Property '{property}' has invalid value '{}'. Supported values are {}.",
        start(name),
        all.join(", ")
    ))
}

fn start(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

fn date(property: &str, seconds: Option<i64>) -> Result<Option<i64>, VaultError> {
    match seconds {
        Some(seconds) if !(0..=MAX_DATE).contains(&seconds) => {
            Err(bad(format!("Property '{property}' has invalid value\r\n")))
        }
        seconds => Ok(seconds),
    }
}

/// Parses the names of operations. Whether the key supports them depends on its type, which is checked later.
fn operations(names: Vec<String>) -> Result<Vec<KeyOperation>, VaultError> {
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    for name in names {
        match serde_json::from_value(serde_json::Value::String(name.clone())) {
            Ok(operation) if found.contains(&operation) => (),
            Ok(operation) => found.push(operation),
            Err(_) => unknown.push(start(&name)),
        }
    }
    if unknown.is_empty() {
        return Ok(found);
    }
    Err(VaultError::UnsupportedOperations { requested: unknown, supported: KeyOperation::OF_RSA })
}

fn tags(tags: BTreeMap<String, Option<String>>) -> Result<BTreeMap<String, String>, VaultError> {
    if tags.len() > MAX_TAGS {
        return Err(bad(format!("Too many tags: {}. At most 15 are allowed.", tags.len())));
    }
    let too_long = |text: &str| text.chars().count() > MAX_TAG_LEN;
    if let Some((name, _)) = tags.iter().find(|(name, value)| {
        name.is_empty() || too_long(name) || value.as_deref().is_some_and(too_long)
    }) {
        return Err(bad(format!(
            "The tag '{}' is not valid: its name has 1 to 256 characters, its value at most 256.",
            start(name)
        )));
    }
    Ok(tags.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn secret(text: &str) -> SecretText {
        SecretText(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn only_base64url_is_accepted_with_padding_or_without() {
        for (text, bytes) in [("", &b""[..]), ("_-8", &[0xff, 0xef]), ("_-8=", &[0xff, 0xef])] {
            assert_eq!(*decoded("value", Some(&secret(text))).unwrap(), bytes);
        }
        for text in ["+/8", "A", "AB C", "AB\n", "=AB", "AB=C", "AQ\u{0}", "AR"] {
            let refused = decoded("digest", Some(&secret(text))).unwrap_err().to_string();
            assert!(refused.starts_with("Content of 'digest' is not base64url."), "{text}");
        }
    }

    #[test]
    fn tags_are_accepted_up_to_their_limits() {
        let longest = "\u{1f511}".repeat(256);
        let fifteen: BTreeMap<String, Option<String>> =
            (0..15).map(|i| (format!("{i}"), Some(longest.clone()))).collect();
        let name = BTreeMap::from([(longest, None)]);

        assert_eq!(tags(fifteen).unwrap().len(), 15);
        assert_eq!(tags(name).unwrap().into_values().next().as_deref(), Some(""));
    }

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

        #[test]
        fn base64url_is_decoded_to_the_encoded_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = secret(&URL_SAFE_NO_PAD.encode(&bytes));

            prop_assert_eq!(&*decoded("value", Some(&text)).unwrap(), &bytes);
        }

        #[test]
        fn no_text_panics_the_decoder(text in ".{0,200}") {
            let _ = decoded("value", Some(&secret(&text)));
        }
    }
}
