//! The customer-managed key of a registry: what `keys/` needs of the store, and what a refusal sets off.

use std::fmt;
use std::sync::{Arc, Weak};

use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::error::Error;
use super::{Parts, SERVICE_KEY_FILE};
use crate::envelope::DataKeyId;
use crate::keys::{
    IdentityId, KeyId, RingStore, RingStoreError, ServiceKey, State, StoredRing, VaultAccess,
};
use crate::store::{RingRow, Store};

/// The key and the identity that a registry is given at its creation, and the ways to the vaults.
#[derive(Clone)]
pub struct CustomerManagedKey {
    /// The key. Without a version the registry follows the newest.
    pub key: KeyId,
    /// Who asks for it. None: the identity that the program was started with.
    pub identity: Option<IdentityId>,
    /// The vaults, as the registry's identities reach them.
    pub access: Arc<dyn VaultAccess>,
}

/// The ring of one registry, kept in the store.
#[derive(Debug)]
pub(super) struct StoredRings {
    store: Arc<Store>,
    registry: String,
}

impl fmt::Debug for CustomerManagedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomerManagedKey").field("key", &self.key).finish_non_exhaustive()
    }
}

impl StoredRings {
    pub(super) fn new(store: Arc<Store>, registry: String) -> Self {
        Self { store, registry }
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
        self.store.replace_ring(&self.registry, expected, &row).map_err(RingStoreError::new)
    }

    fn begin_again(&self, ring: &StoredRing) -> Result<(), RingStoreError> {
        let row = row_of(ring);
        self.store.begin_registry_again(&self.registry, &row).map_err(RingStoreError::new)
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

/// The service-managed key: read from its file, which is made at the first start.
pub(super) fn service_key(store: &Store) -> Result<ServiceKey, Error> {
    if let Some(bytes) = store.read_secret_file(SERVICE_KEY_FILE)? {
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| {
            Error::internal(format!("{SERVICE_KEY_FILE} does not hold a key of 32 bytes"))
        })?;
        return Ok(ServiceKey::from_bytes(Zeroizing::new(bytes)));
    }
    let key = ServiceKey::generate().map_err(Error::internal)?;
    store.write_secret_file(SERVICE_KEY_FILE, key.expose())?;
    Ok(key)
}

/// Drops the plaintext that open uploads hold as soon as the key is refused, until the registry is gone.
pub(super) async fn drop_plaintext_on_refusal(parts: Weak<Parts>, ended: CancellationToken) {
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
