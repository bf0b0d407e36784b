//! The records of revocations, in the data folder until they are undone: one small file that is replaced as a whole.
//!
//! The file contains ids of resources, permissions and rules, but no secret, host or port.

use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::method::RevocationMethod;
use super::revoked::Revoked;
use crate::store::{Store, StoreError};

/// The file in the data folder.
const FILE: &str = "revocations.json";

/// The records of a data folder, for the code that changes them.
#[derive(Debug)]
pub(super) struct RevocationRecords {
    store: Arc<Store>,
    shared: SharedRecords,
}

/// The current records, the oldest first. Clones share them, and a reader does not wait for a running change.
#[derive(Clone, Debug)]
pub(super) struct SharedRecords(Arc<RwLock<Arc<[RevocationRecord]>>>);

/// The record of one revocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RevocationRecord {
    pub(super) registry: String,
    #[serde(rename = "taken")]
    pub(super) revoked: Revoked,
}

impl RevocationRecords {
    pub(super) fn open(store: Arc<Store>) -> Result<Self, StoreError> {
        let records: Vec<RevocationRecord> = match store.read_settings(FILE)? {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| StoreError::Damaged(format!("cannot read {FILE}: {error}")))?,
            None => Vec::new(),
        };
        Ok(Self { store, shared: SharedRecords(Arc::new(RwLock::new(records.into()))) })
    }

    /// The records, which can be read during a change.
    pub(super) fn shared(&self) -> SharedRecords {
        self.shared.clone()
    }

    /// Stores a record before the revocation; durable on return. It replaces an earlier record of the same subject.
    pub(super) async fn add(&mut self, record: RevocationRecord) -> Result<(), StoreError> {
        let mut records = self.all();
        records.retain(|other| {
            other.registry != record.registry || !other.revoked.has_same_subject(&record.revoked)
        });
        records.push(record);
        self.replace(records).await
    }

    /// Removes a record; durable on return.
    pub(super) async fn remove(&mut self, record: &RevocationRecord) -> Result<(), StoreError> {
        let mut records = self.all();
        records.retain(|other| other != record);
        self.replace(records).await
    }

    /// Removes the records of all registries except those for which `is_there`; durable on return.
    pub(super) async fn retain_registries(
        &mut self,
        is_there: impl Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        let before = self.shared.all();
        let mut records = before.to_vec();
        records.retain(|record| is_there(&record.registry));
        if records.len() == before.len() { Ok(()) } else { self.replace(records).await }
    }

    /// Removes all records; durable on return.
    pub(super) async fn clear(&mut self) -> Result<(), StoreError> {
        if self.shared.all().is_empty() { Ok(()) } else { self.replace(Vec::new()).await }
    }

    pub(super) fn contains(&self, registry: &str, method: RevocationMethod) -> bool {
        !self.newest_first(registry, Some(method)).is_empty()
    }

    /// The records of a registry, or of one method, the newest first: the last revocation is undone first.
    pub(super) fn newest_first(
        &self,
        registry: &str,
        method: Option<RevocationMethod>,
    ) -> Vec<RevocationRecord> {
        self.shared.newest_first(registry, method)
    }

    fn all(&self) -> Vec<RevocationRecord> {
        self.shared.all().to_vec()
    }

    async fn replace(&mut self, records: Vec<RevocationRecord>) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(&records)
            .map_err(|error| StoreError::Damaged(format!("cannot write {FILE}: {error}")))?;
        let store = Arc::clone(&self.store);
        let written = tokio::task::spawn_blocking(move || store.write_settings(FILE, &bytes)).await;
        written.map_err(|error| StoreError::Io(std::io::Error::other(error)))??;
        self.shared.replace(records);
        Ok(())
    }
}

impl SharedRecords {
    /// The records of a registry, or of one method, the newest first: the last revocation is undone first.
    pub(super) fn newest_first(
        &self,
        registry: &str,
        method: Option<RevocationMethod>,
    ) -> Vec<RevocationRecord> {
        let all = self.all();
        let of_this = all.iter().rev().filter(|record| {
            record.registry == registry
                && method.is_none_or(|method| record.revoked.method() == method)
        });
        of_this.cloned().collect()
    }

    fn all(&self) -> Arc<[RevocationRecord]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, records: Vec<RevocationRecord>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = records.into();
    }
}

#[cfg(test)]
mod tests {
    use azure_emulator_core::durable::Durability;

    use super::*;

    fn open(folder: &std::path::Path) -> RevocationRecords {
        RevocationRecords::open(Arc::new(Store::open(folder, Durability::Relaxed).unwrap()))
            .unwrap()
    }

    fn disabled(version: &str) -> RevocationRecord {
        let key = format!("https://vault.vault.localhost/keys/k/{}", version.repeat(32));
        let key = key.parse().unwrap();
        RevocationRecord { registry: "local".to_owned(), revoked: Revoked::disabled(&key) }
    }

    #[tokio::test]
    async fn records_survive_a_restart_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = open(folder.path());
        let (first, second) = (disabled("1"), disabled("2"));
        records.add(first.clone()).await.unwrap();
        records.add(second.clone()).await.unwrap();
        records.add(first.clone()).await.unwrap();
        drop(records);

        let mut records = open(folder.path());

        assert_eq!(records.newest_first("local", None), [first.clone(), second.clone()]);
        assert!(records.newest_first("other", None).is_empty());
        assert!(
            records.contains("local", RevocationMethod::Disable)
                && !records.contains("local", RevocationMethod::Policy)
        );
        records.remove(&first).await.unwrap();
        drop(records);
        assert_eq!(open(folder.path()).newest_first("local", None), [second]);
    }

    #[tokio::test]
    async fn only_the_records_of_a_deleted_registry_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = open(folder.path());
        let (local, team) =
            (disabled("1"), RevocationRecord { registry: "team1".to_owned(), ..disabled("2") });
        records.add(local.clone()).await.unwrap();
        records.add(team).await.unwrap();

        records.retain_registries(|registry| registry != "team1").await.unwrap();
        drop(records);

        let records = open(folder.path());
        assert_eq!(records.newest_first("local", None), [local]);
        assert!(records.newest_first("team1", None).is_empty());
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path(), Durability::Relaxed).unwrap());
        store.write_settings(FILE, b"{").unwrap();

        assert!(RevocationRecords::open(store).is_err());
    }
}
