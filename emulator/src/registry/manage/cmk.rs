//! The customer-managed key of a registry: the store behind `keys/`, and the consequences of a refusal.

use std::sync::{Arc, Weak};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::keys::{RingStore, RingStoreError, State, StoredRing};
use crate::names::RegistryName;
use crate::registry::parts::Parts;
use crate::store::{End, NewRegistryRows, RingRow, Store};
use sealed_envelope::DataKeyId;

/// The ring of one registry, kept in the store.
#[derive(Debug)]
pub(in crate::registry) struct StoredRings {
    store: Arc<Store>,
    registry: RegistryName,
    /// The rows that are stored with the first ring.
    new: Option<NewRegistryRows>,
}

impl StoredRings {
    /// The ring of a registry. For a new registry, `new` is stored together with its first ring.
    pub(in crate::registry) fn new(
        store: Arc<Store>,
        registry: &RegistryName,
        new: Option<NewRegistryRows>,
    ) -> Self {
        Self { store, registry: registry.clone(), new }
    }
}

impl RingStore for StoredRings {
    fn load(&self) -> Result<Option<StoredRing>, RingStoreError> {
        let row = self.store.ring(&self.registry).map_err(RingStoreError::new)?;
        Ok(row.map(|row| StoredRing {
            generation: row.generation,
            head: row.head,
            entries: row
                .entries
                .into_iter()
                .map(|(id, entry)| (DataKeyId::from_bytes(id), entry))
                .collect(),
        }))
    }

    fn replace(&self, expected: Option<u64>, ring: &StoredRing) -> Result<bool, RingStoreError> {
        let row = row_of(ring);
        if let (None, Some(new)) = (expected, &self.new) {
            let created = self.store.create_registry(new, Some(&row));
            return created.map(|()| true).map_err(RingStoreError::new);
        }
        self.store.replace_ring(&self.registry, expected, &row).map_err(RingStoreError::new)
    }

    fn reinitialize(&self, ring: &StoredRing, ends: Option<Uuid>) -> Result<(), RingStoreError> {
        let (row, end) = (row_of(ring), ends.map_or(End::Nothing, End::Forget));
        self.store.begin_registry_again(&self.registry, &row, &end).map_err(RingStoreError::new)
    }

    fn remove_unused(
        &self,
        expected: u64,
        data_keys: &[DataKeyId],
    ) -> Result<Option<Vec<DataKeyId>>, RingStoreError> {
        let ids: Vec<[u8; 16]> = data_keys.iter().map(|id| *id.as_bytes()).collect();
        let removed = self.store.remove_unused_data_keys(&self.registry, expected, &ids);
        let removed = removed.map_err(RingStoreError::new)?;
        Ok(removed.map(|ids| ids.into_iter().map(DataKeyId::from_bytes).collect()))
    }
}

fn row_of(ring: &StoredRing) -> RingRow {
    let entries = ring.entries.iter().map(|(id, entry)| (*id.as_bytes(), entry.clone()));
    RingRow { generation: ring.generation, head: ring.head.clone(), entries: entries.collect() }
}

/// Drops the plaintext of open uploads as soon as the key is refused, until the registry is deleted.
pub(in crate::registry) async fn drop_plaintext_on_refusal(
    parts: Weak<Parts>,
    ended: CancellationToken,
) {
    let Some(mut status) = parts.upgrade().map(|parts| parts.ring.watch()) else { return };
    loop {
        if status.borrow_and_update().state == State::Unavailable
            && let Some(parts) = parts.upgrade()
        {
            parts.sessions.drop_writers();
        }
        tokio::select! {
            () = ended.cancelled() => return,
            changed = status.changed() => if changed.is_err() { return },
        }
    }
}
