//! Reinitializes a ring: one new data key, under the key that the registry was opened with, replaces all data keys.
//!
//! The vault is asked first. The store deletes everything that is sealed under the old data keys in the same commit;
//! the plaintext of these keys is wiped when the commit is durable.

use std::sync::Arc;

use uuid::Uuid;

use super::error::RingError;
use super::ring::KeyRing;
use super::ring_opening::{RingOpening, blocking};
use super::shared::Inner;
use sealed_envelope::DataKeyId;

impl KeyRing {
    /// Replaces the ring by a new one, as made at the creation of a registry. Everything that is sealed under the old one is
    /// deleted. The work goes on if the caller is dropped. If a step fails, nothing is changed. The operation `ends` ends in the
    /// same commit; only the store knows its meaning.
    pub async fn reinitialize(&self, ends: Option<Uuid>) -> Result<(), RingError> {
        let inner = Arc::clone(&self.0);
        let task = self.0.runtime.spawn(async move { inner.reinitialize(ends).await });
        task.await.map_err(|_| RingError::BrokenOff)?
    }
}

impl Inner {
    async fn reinitialize(self: &Arc<Self>, ends: Option<Uuid>) -> Result<(), RingError> {
        let _alone = self.changing.lock().await;
        let suspected = self.probing.suspected();
        let begun = self.reinitialize_locked(ends).await;
        self.probing.suspect_again(suspected);
        begun
    }

    async fn reinitialize_locked(self: &Arc<Self>, ends: Option<Uuid>) -> Result<(), RingError> {
        let number = self.machine().next_number();
        let opening = RingOpening {
            config: self.config(),
            access: self.access.as_ref(),
            service_key: &self.service_key,
            store: &self.store,
        };
        let mut ring = opening.create().await?;
        let old = self.ring();
        ring.generation = old.generation + 1;
        let stored = ring.write(self.registry(), &self.service_key)?;
        let store = Arc::clone(&self.store);
        blocking(move || store.reinitialize(&stored, ends)).await?;
        let ids: Vec<DataKeyId> = old.ids().collect();
        self.install(ring);
        self.drop_slots(&ids);
        let mut machine = self.machine();
        machine.rotated();
        // A note about the old key does not apply to the new one.
        machine.set_note(None);
        machine.set_validity(None, None);
        if machine.grant(number) {
            self.publish(&machine.active(self.clock.now()));
        }
        Ok(())
    }
}
