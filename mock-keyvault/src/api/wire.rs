//! The JSON that the keys API answers with: field names, their order and their absence are those of the real service.
//!
//! Only this module converts domain types to these. No private number has a field here. The JSON that clients send is in
//! [`super::parameters`].

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::context::Context;
use crate::model::ec::Curve;
use crate::model::key::{KeyOperation, KeyType};
use crate::model::material::PublicKey;
use crate::vault::{KeyView, Page};

/// `KeyOperationResult`.
#[derive(Serialize)]
pub(super) struct KeyOperationResult {
    pub(super) kid: String,
    #[serde(serialize_with = "secret_text")]
    pub(super) value: Zeroizing<String>,
}

/// `BackupKeyResult`.
#[derive(Debug, Serialize)]
pub(super) struct BackupKeyResult {
    pub(super) value: String,
}

/// `KeyVerifyResult`.
#[derive(Debug, Serialize)]
pub(super) struct KeyVerifyResult {
    pub(super) value: bool,
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
    #[serde(flatten)]
    public: PublicNumbers,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PublicNumbers {
    Rsa { n: String, e: String },
    Ec { crv: Curve, x: String, y: String },
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

fn secret_text<S: Serializer>(text: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// The form in which a list names its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// Without a version: a list of keys.
    Key,
    /// With the version: a list of versions.
    Version,
}

impl KeyBundle {
    pub(super) fn new(context: &Context, view: &KeyView) -> Self {
        let version = &view.version;
        Self {
            recovery: Recovery::from_view(context, view),
            key: JsonWebKey {
                kid: kid(context, view),
                kty: version.kty,
                key_ops: version.operations.clone(),
                public: PublicNumbers::new(&version.public),
            },
            attributes: AttributesOut::new(context, view),
            tags: version.tags.clone(),
        }
    }
}

impl PublicNumbers {
    fn new(public: &PublicKey) -> Self {
        match public {
            PublicKey::Rsa(public) => Self::Rsa {
                n: URL_SAFE_NO_PAD.encode(&public.modulus),
                e: URL_SAFE_NO_PAD.encode(&public.exponent),
            },
            PublicKey::Ec(public) => Self::Ec {
                crv: public.curve,
                x: URL_SAFE_NO_PAD.encode(&public.x),
                y: URL_SAFE_NO_PAD.encode(&public.y),
            },
        }
    }
}

impl KeyListResult {
    pub(super) fn new(context: &Context, page: &Page, naming: Naming, path: &str) -> Self {
        let item = |view: &KeyView| KeyItem {
            recovery: Recovery::from_view(context, view),
            kid: match naming {
                Naming::Key => base(context, "keys", view),
                Naming::Version => kid(context, view),
            },
            attributes: AttributesOut::new(context, view),
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
    fn from_view(context: &Context, view: &KeyView) -> Option<Self> {
        view.deletion.map(|deletion| Self {
            recovery_id: base(context, "deletedkeys", view),
            deleted_date: deletion.deleted,
            scheduled_purge_date: deletion.scheduled_purge,
        })
    }
}

impl AttributesOut {
    fn new(context: &Context, view: &KeyView) -> Self {
        let attributes = &view.version.attributes;
        let newer = !context.query.is_before_7_5();
        let platform = if view.version.kty.in_hsm() { "1" } else { "0" };
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
    context.used.get_or_init(|| view.version.id.clone());
    format!("{}/{}", base(context, "keys", view), view.version.id)
}

fn base(context: &Context, area: &str, view: &KeyView) -> String {
    format!("https://{}/{area}/{}", context.host, view.name)
}
