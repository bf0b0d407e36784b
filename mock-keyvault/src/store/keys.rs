//! The rows of keys: a key itself, its versions, their tags, and the sealed private parts in a tree of their own.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use sled::Batch;

use super::{AGENDA, KEY, Store, TAG, VERSION, json, prefix, row_key};
use crate::vault::Agenda;
use crate::vault::ec::Curve;
use crate::vault::key::{Attributes, Deletion, KeyOperation, KeyType};
use crate::vault::names::{KeyName, KeyVersion, VaultName};

/// What is kept of a key itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) name: String,
    pub(crate) deletion: Option<Deletion>,
}

/// What is kept of a version, beside its tags and its private part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionRow {
    pub(crate) sequence: u64,
    pub(crate) kty: KeyType,
    #[serde(flatten)]
    pub(crate) public: PublicRow,
    pub(crate) operations: Vec<KeyOperation>,
    pub(crate) attributes: Attributes,
}

/// The public part of a version, in base64url as responses carry it. Which kind it is shows from the names: the rows of
/// RSA keys were there first and say no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum PublicRow {
    /// RSA.
    Rsa { modulus: String, exponent: String },
    /// A point on an elliptic curve.
    Ec { curve: Curve, x: String, y: String },
}

/// Where a version belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VersionAt<'a> {
    pub(crate) vault: &'a VaultName,
    pub(crate) key: &'a KeyName,
    pub(crate) version: &'a KeyVersion,
}

/// A version of a key that is brought back.
#[derive(Debug)]
pub(crate) struct RestoredVersion<'a> {
    pub(crate) at: VersionAt<'a>,
    pub(crate) row: VersionRow,
    pub(crate) tags: &'a BTreeMap<String, String>,
    pub(crate) sealed: Vec<u8>,
}

impl Store {
    /// Keeps a new version of a key, whose row is made with the first.
    pub(crate) fn add_version(
        &self,
        at: VersionAt<'_>,
        key: &KeyRow,
        version: &VersionRow,
        tags: &BTreeMap<String, String>,
        sealed: &[u8],
    ) -> io::Result<()> {
        let change = self.db.change()?;
        let (mut private, mut rows) = (Batch::default(), Batch::default());
        private.insert(at.row(VERSION), sealed);
        rows.insert(row_key(KEY, &[at.vault.as_str(), at.key.folded()]), json(key)?);
        self.version_into(&mut rows, at, version, tags)?;
        change.apply(&self.private, private)?;
        change.apply(&self.rows, rows)?;
        change.commit()
    }

    /// Keeps a key with all its versions, in one step.
    pub(crate) fn add_key(
        &self,
        vault: &VaultName,
        key: &KeyName,
        row: &KeyRow,
        agenda: &Agenda,
        versions: &[RestoredVersion<'_>],
    ) -> io::Result<()> {
        let change = self.db.change()?;
        let (mut private, mut rows) = (Batch::default(), Batch::default());
        rows.insert(row_key(KEY, &[vault.as_str(), key.folded()]), json(row)?);
        rows.insert(row_key(AGENDA, &[vault.as_str(), key.folded()]), json(agenda)?);
        for version in versions {
            private.insert(version.at.row(VERSION), version.sealed.as_slice());
            self.version_into(&mut rows, version.at, &version.row, version.tags)?;
        }
        change.apply(&self.private, private)?;
        change.apply(&self.rows, rows)?;
        change.commit()
    }

    /// Keeps the changed attributes, operations and tags of a version.
    pub(crate) fn put_version(
        &self,
        at: VersionAt<'_>,
        version: &VersionRow,
        tags: &BTreeMap<String, String>,
    ) -> io::Result<()> {
        let mut batch = Batch::default();
        self.version_into(&mut batch, at, version, tags)?;
        self.change_rows(batch)
    }

    /// Keeps that a key is deleted, or no longer is.
    pub(crate) fn put_key(&self, vault: &VaultName, key: &KeyName, row: &KeyRow) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.insert(row_key(KEY, &[vault.as_str(), key.folded()]), json(row)?);
        self.change_rows(batch)
    }

    /// Keeps what is due for a key, and what was announced.
    pub(crate) fn put_agenda(
        &self,
        vault: &VaultName,
        key: &KeyName,
        agenda: &Agenda,
    ) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.insert(row_key(AGENDA, &[vault.as_str(), key.folded()]), json(agenda)?);
        self.change_rows(batch)
    }

    /// The same for many keys of a vault, in one step.
    pub(crate) fn put_agendas(
        &self,
        vault: &VaultName,
        agendas: &[(KeyName, Agenda)],
    ) -> io::Result<()> {
        let mut batch = Batch::default();
        for (key, agenda) in agendas {
            batch.insert(row_key(AGENDA, &[vault.as_str(), key.folded()]), json(agenda)?);
        }
        self.change_rows(batch)
    }

    /// Forgets a key with all its versions. The rows go first: a kill between the two leaves private parts that nothing
    /// names, which the next start removes, and never a version that has none.
    pub(crate) fn remove_key(&self, vault: &VaultName, key: &KeyName) -> io::Result<()> {
        let change = self.db.change()?;
        let names = [vault.as_str(), key.folded()];
        let mut private = Batch::default();
        for entry in self.private.scan_prefix(prefix(VERSION, &names)) {
            private.remove(entry?.0);
        }
        let mut rows = Batch::default();
        rows.remove(row_key(KEY, &names));
        rows.remove(row_key(AGENDA, &names));
        for kind in [VERSION, TAG] {
            for entry in self.rows.scan_prefix(prefix(kind, &names)) {
                rows.remove(entry?.0);
            }
        }
        change.apply(&self.rows, rows)?;
        change.apply(&self.private, private)?;
        change.commit()
    }

    /// The sealed private part of a version.
    pub(crate) fn private(&self, at: VersionAt<'_>) -> io::Result<Option<Vec<u8>>> {
        Ok(self.private.get(at.row(VERSION))?.map(|sealed| sealed.to_vec()))
    }

    fn version_into(
        &self,
        batch: &mut Batch,
        at: VersionAt<'_>,
        version: &VersionRow,
        tags: &BTreeMap<String, String>,
    ) -> io::Result<()> {
        batch.insert(at.row(VERSION), json(version)?);
        let names = [at.vault.as_str(), at.key.folded(), at.version.as_str()];
        for entry in self.rows.scan_prefix(prefix(TAG, &names)) {
            batch.remove(entry?.0);
        }
        for (tag, value) in tags {
            let [vault, key, version] = names;
            batch.insert(row_key(TAG, &[vault, key, version, tag]), value.as_bytes());
        }
        Ok(())
    }
}

impl VersionAt<'_> {
    fn row(self, kind: u8) -> Vec<u8> {
        row_key(kind, &[self.vault.as_str(), self.key.folded(), self.version.as_str()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As rows were written when all keys were RSA. They must be read for ever.
    const OF_RSA: &str = r#"{"sequence":3,"kty":"RSA-HSM","modulus":"AQID","exponent":"AQAB","operations":["wrapKey"],"attributes":{"enabled":true,"not_before":null,"expires":7,"created":1,"updated":2}}"#;
    const OF_EC: &str = r#"{"sequence":0,"kty":"EC","curve":"P-256K","x":"AQ","y":"Ag","operations":["sign","verify"],"attributes":{"enabled":true,"not_before":null,"expires":null,"created":1,"updated":1}}"#;

    #[test]
    fn rows_of_both_kinds_of_key_are_read_and_written_again_to_the_byte() {
        for row in [OF_RSA, OF_EC] {
            let read: VersionRow = serde_json::from_str(row).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), row);
        }
        let read: VersionRow = serde_json::from_str(OF_EC).unwrap();
        assert!(matches!(read.public, PublicRow::Ec { curve: Curve::P256k, .. }));
    }
}
