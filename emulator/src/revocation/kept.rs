//! The records of revocations, in the data folder until they are undone: one small file that is replaced as a whole.
//!
//! The file contains ids of resources, permissions and rules, but no secret, host or port.

use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::taken::Taken;
use super::way::Way;
use crate::store::{Store, StoreError};

/// The file in the data folder.
const FILE: &str = "revocations.json";

/// The records of a data folder, for the code that changes them.
#[derive(Debug)]
pub(super) struct Kept {
    store: Arc<Store>,
    noted: Noted,
}

/// The current records, the oldest first. Clones share them, and a reader does not wait for a running change.
#[derive(Clone, Debug)]
pub(super) struct Noted(Arc<RwLock<Arc<[Note]>>>);

/// The record of one revocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) registry: String,
    pub(super) taken: Taken,
}

impl Kept {
    pub(super) fn open(store: Arc<Store>) -> Result<Self, StoreError> {
        let notes: Vec<Note> = match store.read_settings(FILE)? {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| StoreError::Damaged(format!("cannot read {FILE}: {error}")))?,
            None => Vec::new(),
        };
        Ok(Self { store, noted: Noted(Arc::new(RwLock::new(notes.into()))) })
    }

    /// The records, which can be read during a change.
    pub(super) fn noted(&self) -> Noted {
        self.noted.clone()
    }

    /// Stores a record before the revocation; durable on return. It replaces an earlier record of the same subject.
    pub(super) async fn note(&mut self, note: Note) -> Result<(), StoreError> {
        let mut notes = self.all();
        notes.retain(|other| {
            other.registry != note.registry || !other.taken.is_of_the_same(&note.taken)
        });
        notes.push(note);
        self.replace(notes).await
    }

    /// Removes a record; durable on return.
    pub(super) async fn forget(&mut self, note: &Note) -> Result<(), StoreError> {
        let mut notes = self.all();
        notes.retain(|other| other != note);
        self.replace(notes).await
    }

    /// Removes the records of all registries except those for which `is_there`; durable on return.
    pub(super) async fn keep_of(
        &mut self,
        is_there: impl Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        let before = self.noted.all();
        let mut notes = before.to_vec();
        notes.retain(|note| is_there(&note.registry));
        if notes.len() == before.len() { Ok(()) } else { self.replace(notes).await }
    }

    /// Removes all records; durable on return.
    pub(super) async fn forget_all(&mut self) -> Result<(), StoreError> {
        if self.noted.all().is_empty() { Ok(()) } else { self.replace(Vec::new()).await }
    }

    pub(super) fn has(&self, registry: &str, way: Way) -> bool {
        !self.newest_first(registry, Some(way)).is_empty()
    }

    /// The records of a registry, or of one method, the newest first: the last revocation is undone first.
    pub(super) fn newest_first(&self, registry: &str, way: Option<Way>) -> Vec<Note> {
        self.noted.newest_first(registry, way)
    }

    fn all(&self) -> Vec<Note> {
        self.noted.all().to_vec()
    }

    async fn replace(&mut self, notes: Vec<Note>) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(&notes)
            .map_err(|error| StoreError::Damaged(format!("cannot write {FILE}: {error}")))?;
        let store = Arc::clone(&self.store);
        let written = tokio::task::spawn_blocking(move || store.write_settings(FILE, &bytes)).await;
        written.map_err(|error| StoreError::Io(std::io::Error::other(error)))??;
        self.noted.replace(notes);
        Ok(())
    }
}

impl Noted {
    /// The records of a registry, or of one method, the newest first: the last revocation is undone first.
    pub(super) fn newest_first(&self, registry: &str, way: Option<Way>) -> Vec<Note> {
        let all = self.all();
        let of_this = all.iter().rev().filter(|note| {
            note.registry == registry && way.is_none_or(|way| note.taken.way() == way)
        });
        of_this.cloned().collect()
    }

    fn all(&self) -> Arc<[Note]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, notes: Vec<Note>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = notes.into();
    }
}

#[cfg(test)]
mod tests {
    use azure_emulator_core::durable::Durability;

    use super::*;

    fn open(folder: &std::path::Path) -> Kept {
        Kept::open(Arc::new(Store::open(folder, Durability::Relaxed).unwrap())).unwrap()
    }

    fn disabled(version: &str) -> Note {
        let key = format!("https://vault.vault.localhost/keys/k/{}", version.repeat(32));
        let key = key.parse().unwrap();
        Note { registry: "local".to_owned(), taken: Taken::disabled(&key) }
    }

    #[tokio::test]
    async fn records_survive_a_restart_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = open(folder.path());
        let (first, second) = (disabled("1"), disabled("2"));
        kept.note(first.clone()).await.unwrap();
        kept.note(second.clone()).await.unwrap();
        kept.note(first.clone()).await.unwrap();
        drop(kept);

        let mut kept = open(folder.path());

        assert_eq!(kept.newest_first("local", None), [first.clone(), second.clone()]);
        assert!(kept.newest_first("other", None).is_empty());
        assert!(kept.has("local", Way::Disable) && !kept.has("local", Way::Policy));
        kept.forget(&first).await.unwrap();
        drop(kept);
        assert_eq!(open(folder.path()).newest_first("local", None), [second]);
    }

    #[tokio::test]
    async fn only_the_records_of_a_deleted_registry_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = open(folder.path());
        let (local, team) = (disabled("1"), Note { registry: "team1".to_owned(), ..disabled("2") });
        kept.note(local.clone()).await.unwrap();
        kept.note(team).await.unwrap();

        kept.keep_of(|registry| registry != "team1").await.unwrap();
        drop(kept);

        let kept = open(folder.path());
        assert_eq!(kept.newest_first("local", None), [local]);
        assert!(kept.newest_first("team1", None).is_empty());
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path(), Durability::Relaxed).unwrap());
        store.write_settings(FILE, b"{").unwrap();

        assert!(Kept::open(store).is_err());
    }
}
