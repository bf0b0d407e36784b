//! Reads the stored ring of a registry, or makes it; and the calls of its store, which block.

use std::sync::Arc;

use super::audit::{AuditedAccess, Purpose};
use super::error::{RingError, RingStoreError};
use super::service_key::ServiceKey;
use super::shared::RingConfig;
use super::stored::{Entry, Head, Ring, RingStore, StoredRing};
use super::vault_steps::VaultSteps;
use sealed_envelope::{DataKey, DataKeyId};

/// Reads the ring of a registry, or makes it.
pub(super) struct RingOpening<'a> {
    pub(super) config: &'a RingConfig,
    pub(super) access: Option<&'a Arc<AuditedAccess>>,
    pub(super) service_key: &'a ServiceKey,
    pub(super) store: &'a Arc<dyn RingStore>,
}

impl RingOpening<'_> {
    /// The ring, and whether it was made now.
    pub(super) async fn run(&self) -> Result<(Ring, bool), RingError> {
        let registry = &self.config.registry;
        if self.config.configured.is_some() && self.access.is_none() {
            return Err(RingError::NoVault);
        }
        if let Some(stored) = load(self.store).await? {
            return Ok((self.check(Ring::read(stored, registry, self.service_key)?)?, false));
        }
        let ring = self.create().await?;
        let stored = ring.write(registry, self.service_key)?;
        if replace(self.store, None, stored).await? {
            return Ok((ring, true));
        }
        let stored = load(self.store).await?.ok_or(RingError::Conflict)?;
        Ok((self.check(Ring::read(stored, registry, self.service_key)?)?, false))
    }

    /// Checks that the presence of a customer-managed key is as it was when the ring was made.
    fn check(&self, ring: Ring) -> Result<Ring, RingError> {
        match (&ring.head.configured, &self.config.configured) {
            (Some(_), None) => Err(RingError::KeyRequired),
            (None, Some(_)) => Err(RingError::NoCustomerManagedKey),
            _ => Ok(ring),
        }
    }

    pub(super) async fn create(&self) -> Result<Ring, RingError> {
        let id = DataKeyId::random()?;
        let (entry, kek) = match (&self.config.configured, self.access) {
            (Some(configured), Some(access)) => {
                let mut steps =
                    VaultSteps::new(access, self.config.identity.clone(), Purpose::Create);
                let kek = steps.usable(configured).await?;
                (steps.wrap(&kek, id, &DataKey::generate()?).await?, Some(kek.id))
            }
            _ => (Entry::Bare(DataKey::generate()?), None),
        };
        let configured = self.config.configured.clone();
        let identity = kek.as_ref().and(self.config.identity.clone());
        let head = Head { configured, kek, identity, current: id, rotated: None };
        let sealed = entry.seal(id, &self.config.registry, self.service_key)?;
        Ok(Ring::new(1, head, vec![(id, sealed)]))
    }
}

/// The stored ring, if there is one.
pub(super) async fn load(store: &Arc<dyn RingStore>) -> Result<Option<StoredRing>, RingStoreError> {
    let store = Arc::clone(store);
    blocking(move || store.load()).await
}

/// Replaces the stored ring if its generation is `expected`. Returns whether it did.
pub(super) async fn replace(
    store: &Arc<dyn RingStore>,
    expected: Option<u64>,
    ring: StoredRing,
) -> Result<bool, RingStoreError> {
    let store = Arc::clone(store);
    blocking(move || store.replace(expected, &ring)).await
}

/// Runs blocking work of the store on a thread for that. It runs to its end even if the caller is dropped.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RingStoreError> + Send + 'static,
) -> Result<T, RingStoreError> {
    tokio::task::spawn_blocking(work).await.map_err(RingStoreError::new)?
}
