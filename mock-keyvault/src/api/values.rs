//! The properties of a request of the keys API, each parsed by one function.
//!
//! Every refusal names the property that is wrong, with Azure's text where it is known. Values and private numbers are
//! wiped when they are dropped.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::model::ec::Curve;
use crate::model::error::VaultError;
use crate::model::key::KeyOperation;
use crate::model::rsa::KeySize;

const MAX_TAGS: usize = 15;
const MAX_TAG_LEN: usize = 256;
/// The last second of the year 9999, the last date that can be written.
const MAX_DATE: i64 = 253_402_300_799;
/// The most characters of a value that a refusal repeats.
const MAX_SHOWN: usize = 32;

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
pub(super) fn rsa_size(bits: u32) -> Result<KeySize, VaultError> {
    KeySize::from_bits(bits).ok_or(VaultError::UnsupportedKeySize(bits))
}

pub(super) fn bad(message: impl Into<String>) -> VaultError {
    VaultError::BadParameter(message.into())
}

pub(super) fn algorithm<T>(name: Option<&str>, all: &[T]) -> Result<T, VaultError>
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

pub(super) fn date(property: &str, seconds: Option<i64>) -> Result<Option<i64>, VaultError> {
    match seconds {
        Some(seconds) if !(0..=MAX_DATE).contains(&seconds) => {
            Err(bad(format!("Property '{property}' has invalid value\r\n")))
        }
        seconds => Ok(seconds),
    }
}

/// Parses the names of operations. Whether the key supports them depends on its type, which is checked later.
pub(super) fn operations(names: Vec<String>) -> Result<Vec<KeyOperation>, VaultError> {
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

pub(super) fn tags(
    tags: BTreeMap<String, Option<String>>,
) -> Result<BTreeMap<String, String>, VaultError> {
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

    proptest! {
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
