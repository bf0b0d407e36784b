//! The rows of keys and versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layout::row_key;
use crate::model::ec::Curve;
use crate::model::key::{Attributes, Deletion, KeyOperation, KeyType};
use crate::model::names::{KeyName, KeyVersion, VaultName};

/// The stored data of a key itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) name: String,
    pub(crate) deletion: Option<Deletion>,
}

/// The stored data of a version, without its tags and its private part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionRow {
    pub(crate) sequence: u64,
    pub(crate) kty: KeyType,
    #[serde(flatten)]
    pub(crate) public: PublicRow,
    pub(crate) operations: Vec<KeyOperation>,
    pub(crate) attributes: Attributes,
}

/// The public part of a version, in base64url as in responses. The field names tell the kind of key: rows of RSA keys were there
/// first and have no other mark.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum PublicRow {
    /// RSA.
    Rsa { modulus: String, exponent: String },
    /// A point on an elliptic curve.
    Ec { curve: Curve, x: String, y: String },
}

/// The place of a version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VersionAt<'a> {
    pub(crate) vault: &'a VaultName,
    pub(crate) key: &'a KeyName,
    pub(crate) version: &'a KeyVersion,
}

/// A version of a key that is restored.
#[derive(Debug)]
pub(crate) struct RestoredVersion<'a> {
    pub(crate) at: VersionAt<'a>,
    pub(crate) row: VersionRow,
    pub(crate) tags: &'a BTreeMap<String, String>,
    pub(crate) sealed: Vec<u8>,
}

impl VersionAt<'_> {
    pub(super) fn row(self, kind: u8) -> Vec<u8> {
        row_key(kind, &[self.vault.as_str(), self.key.folded(), self.version.as_str()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of rows from when all keys were RSA. It must remain readable for ever.
    const OF_RSA: &str = r#"{"sequence":3,"kty":"RSA-HSM","modulus":"AQID","exponent":"AQAB","operations":["wrapKey"],"attributes":{"enabled":true,"not_before":null,"expires":7,"created":1,"updated":2}}"#;
    const OF_EC: &str = r#"{"sequence":0,"kty":"EC","curve":"P-256K","x":"AQ","y":"Ag","operations":["sign","verify"],"attributes":{"enabled":true,"not_before":null,"expires":null,"created":1,"updated":1}}"#;

    #[test]
    fn rows_of_both_kinds_of_key_are_rewritten_without_a_change() {
        for row in [OF_RSA, OF_EC] {
            let read: VersionRow = serde_json::from_str(row).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), row);
        }
        let read: VersionRow = serde_json::from_str(OF_EC).unwrap();
        assert!(matches!(read.public, PublicRow::Ec { curve: Curve::P256k, .. }));
    }
}
