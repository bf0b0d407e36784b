//! The JSON of the keys API: field names, their order and their absence are the real service's.
//!
//! Domain types are turned into these at the border and nowhere else. No private number has a field here.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::Context;
use crate::vault::error::VaultError;
use crate::vault::key::{KeyOperation, KeyType};
use crate::vault::rsa::KeySize;
use crate::vault::{KeyChanges, KeyView, NewKey, Page};

const MAX_TAGS: usize = 15;
const MAX_TAG_LEN: usize = 256;

/// `KeyCreateParameters`.
#[derive(Debug, Deserialize)]
pub(super) struct KeyCreateParameters {
    kty: Option<String>,
    key_size: Option<u32>,
    public_exponent: Option<u64>,
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    attributes: Option<AttributesIn>,
    tags: Option<BTreeMap<String, Option<String>>>,
}

/// `KeyUpdateParameters`.
#[derive(Debug, Deserialize)]
pub(super) struct KeyUpdateParameters {
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributesIn>,
    tags: Option<BTreeMap<String, Option<String>>>,
}

/// The attributes that a client may set.
#[derive(Debug, Default, Deserialize)]
struct AttributesIn {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
    exportable: Option<bool>,
}

/// `KeyOperationsParameters`.
#[derive(Deserialize)]
pub(super) struct KeyOperationsParameters {
    pub(super) alg: Option<String>,
    value: Option<SecretText>,
}

/// `KeyOperationResult`.
#[derive(Serialize)]
pub(super) struct KeyOperationResult {
    pub(super) kid: String,
    #[serde(serialize_with = "secret_text")]
    pub(super) value: Zeroizing<String>,
}

/// `KeyBundle` and `DeletedKeyBundle`.
#[derive(Serialize)]
pub(super) struct KeyBundle {
    #[serde(flatten)]
    recovery: Option<Recovery>,
    key: JsonWebKey,
    attributes: AttributesOut,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

/// `KeyListResult` and `DeletedKeyListResult`. The link is null on the last page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyListResult {
    value: Vec<KeyItem>,
    next_link: Option<String>,
}

#[derive(Serialize)]
struct KeyItem {
    #[serde(flatten)]
    recovery: Option<Recovery>,
    kid: String,
    attributes: AttributesOut,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recovery {
    recovery_id: String,
    deleted_date: i64,
    scheduled_purge_date: i64,
}

#[derive(Serialize)]
struct JsonWebKey {
    kid: String,
    kty: KeyType,
    key_ops: Vec<KeyOperation>,
    n: String,
    e: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttributesOut {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    created: i64,
    updated: i64,
    recovery_level: &'static str,
    recoverable_days: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    exportable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hsm_platform: Option<&'static str>,
}

/// A text that is wiped when it is dropped.
struct SecretText(Zeroizing<String>);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

fn secret_text<S: Serializer>(text: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl fmt::Debug for KeyOperationsParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyOperationsParameters").field("alg", &self.alg).finish_non_exhaustive()
    }
}

/// How a list names its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// Without a version: a list of keys.
    Key,
    /// With the version: a list of versions.
    Version,
}

impl KeyCreateParameters {
    pub(super) fn into_new_key(self) -> Result<NewKey, VaultError> {
        let kty = match self.kty.as_deref() {
            None | Some("") => return Err(bad("Property 'kty' is required.\r\n")),
            Some("RSA") => KeyType::Rsa,
            Some("RSA-HSM") => KeyType::RsaHsm,
            Some(other) => return Err(VaultError::KeyTypeNotSupported(other.to_owned())),
        };
        let bits = self.key_size.unwrap_or(2048);
        let size = KeySize::from_bits(bits).ok_or_else(|| {
            bad(format!("Unsupported key size ({bits}). Supported sizes are [2048, 3072, 4096]"))
        })?;
        if self.public_exponent.is_some_and(|exponent| exponent != crate::vault::rsa::EXPONENT) {
            return Err(bad(
                "Unsupported value of 'public_exponent'. This vault makes keys with 65537.",
            ));
        }
        let attributes = self.attributes.unwrap_or_default();
        attributes.refuse_what_cannot_be()?;
        Ok(NewKey {
            operations: self.key_ops.map(operations).transpose()?,
            enabled: attributes.enabled.unwrap_or(true),
            not_before: attributes.nbf,
            expires: attributes.exp,
            tags: self.tags.map(tags).transpose()?.unwrap_or_default(),
            kty,
            size,
        })
    }
}

impl KeyUpdateParameters {
    pub(super) fn into_changes(self) -> Result<KeyChanges, VaultError> {
        let attributes = self.attributes.unwrap_or_default();
        attributes.refuse_what_cannot_be()?;
        Ok(KeyChanges {
            operations: self.key_ops.map(operations).transpose()?,
            enabled: attributes.enabled,
            not_before: attributes.nbf,
            expires: attributes.exp,
            tags: self.tags.map(tags).transpose()?,
        })
    }
}

impl KeyOperationsParameters {
    /// The value, decoded. Padding is taken although Azure writes none.
    pub(super) fn decoded(&self) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let Some(SecretText(value)) = &self.value else {
            return Err(bad("Property 'value' is required.\r\n"));
        };
        let decoded = URL_SAFE_NO_PAD.decode(value.trim_end_matches('=')).map_err(|_| {
            bad("Content of 'value' is not base64url.\r\nProperty 'value' is required.\r\n")
        })?;
        Ok(Zeroizing::new(decoded))
    }
}

impl AttributesIn {
    fn refuse_what_cannot_be(&self) -> Result<(), VaultError> {
        if self.exportable == Some(true) {
            return Err(bad("AKV.SKR.1004: Exportable keys must have release policy."));
        }
        Ok(())
    }
}

impl KeyBundle {
    pub(super) fn of(context: &Context, view: &KeyView) -> Self {
        let version = &view.version;
        Self {
            recovery: Recovery::of(context, view),
            key: JsonWebKey {
                kid: kid(context, view),
                kty: version.kty,
                key_ops: version.operations.clone(),
                n: URL_SAFE_NO_PAD.encode(&version.public.modulus),
                e: URL_SAFE_NO_PAD.encode(&version.public.exponent),
            },
            attributes: AttributesOut::of(context, view),
            tags: version.tags.clone(),
        }
    }
}

impl KeyListResult {
    pub(super) fn of(context: &Context, page: &Page, naming: Naming, path: &str) -> Self {
        let item = |view: &KeyView| KeyItem {
            recovery: Recovery::of(context, view),
            kid: match naming {
                Naming::Key => base(context, "keys", view),
                Naming::Version => kid(context, view),
            },
            attributes: AttributesOut::of(context, view),
            tags: view.version.tags.clone(),
        };
        let link = |marker: &String| context.query.next_link(&context.host, path, marker);
        Self {
            value: page.items.iter().map(item).collect(),
            next_link: page.next.as_ref().map(link),
        }
    }
}

impl Recovery {
    fn of(context: &Context, view: &KeyView) -> Option<Self> {
        view.deletion.map(|deletion| Self {
            recovery_id: base(context, "deletedkeys", view),
            deleted_date: deletion.deleted,
            scheduled_purge_date: deletion.scheduled_purge,
        })
    }
}

impl AttributesOut {
    fn of(context: &Context, view: &KeyView) -> Self {
        let attributes = &view.version.attributes;
        let newer = !context.query.is_before_7_5();
        let platform = match view.version.kty {
            KeyType::Rsa => "0",
            KeyType::RsaHsm => "1",
        };
        Self {
            enabled: attributes.enabled,
            nbf: attributes.not_before,
            exp: attributes.expires,
            created: attributes.created,
            updated: attributes.updated,
            recovery_level: view.recovery_level,
            recoverable_days: view.recoverable_days,
            exportable: newer.then_some(false),
            hsm_platform: newer.then_some(platform),
        }
    }
}

/// The id of a version, rendered for the host that the client used.
pub(super) fn kid(context: &Context, view: &KeyView) -> String {
    format!("{}/{}", base(context, "keys", view), view.version.id)
}

fn base(context: &Context, area: &str, view: &KeyView) -> String {
    format!("https://{}/{area}/{}", context.host, view.name)
}

fn operations(names: Vec<String>) -> Result<Vec<KeyOperation>, VaultError> {
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    for name in names {
        match serde_json::from_value(serde_json::Value::String(name.clone())) {
            Ok(operation) if found.contains(&operation) => (),
            Ok(operation) => found.push(operation),
            Err(_) => unknown.push(format!("\"{name}\"")),
        }
    }
    if unknown.is_empty() {
        return Ok(found);
    }
    Err(bad(format!(
        "Unsupported key operation(s): {}. Supported values are \"encrypt\", \"decrypt\", \"sign\", \"verify\", \"wrapKey\", \"unwrapKey\".",
        unknown.join(", ")
    )))
}

fn tags(tags: BTreeMap<String, Option<String>>) -> Result<BTreeMap<String, String>, VaultError> {
    if tags.len() > MAX_TAGS {
        return Err(bad(format!("Too many tags: {}. At most 15 are allowed.", tags.len())));
    }
    let too_long = |text: &str| text.chars().count() > MAX_TAG_LEN;
    if let Some((name, _)) = tags.iter().find(|(name, value)| {
        name.is_empty() || too_long(name) || value.as_deref().is_some_and(too_long)
    }) {
        let start: String = name.chars().take(32).collect();
        return Err(bad(format!(
            "The tag '{start}' is not valid: its name has 1 to 256 characters, its value at most 256."
        )));
    }
    Ok(tags.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect())
}

fn bad(words: impl Into<String>) -> VaultError {
    VaultError::BadParameter(words.into())
}
