//! A lease on one data key: what content code holds while it seals or opens.
//!
//! The lease is not the key. It is the right to borrow the key for the length of a call, as long as the vault admits it;
//! while somebody has it, the key is renewed before its time is over. Whoever gets [`LeaseEnded`] must not go on with
//! what the key was for, but ask with [`KeyLease::renewed`], or let [`KeyLease::with_renewal`] do both.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::error::{KeyError, LeaseEnded};
use super::ring::Inner;
use super::slot::Slot;
use crate::envelope::{DataKey, DataKeyId};

/// How often a blocking caller asks again when the lease ends before it could use the key.
const ATTEMPTS: usize = 3;

/// The right to use a data key as long as the vault admits it. Clones share it.
#[derive(Clone)]
pub struct KeyLease {
    inner: Arc<Inner>,
    slot: Arc<Slot>,
    /// Counts as use.
    _usage: Arc<()>,
}

impl KeyLease {
    pub(super) fn new(inner: Arc<Inner>, slot: Arc<Slot>, usage: Arc<()>) -> Self {
        Self { inner, slot, _usage: usage }
    }

    /// The name of the data key.
    pub fn id(&self) -> DataKeyId {
        self.slot.id
    }

    /// Whether the key can be used at this moment.
    pub fn is_alive(&self) -> bool {
        self.slot.is_alive(&self.inner.clock)
    }

    /// Lends the key for one call. The call should be short: the key is in memory for as long as it takes, even if the
    /// vault says no meanwhile.
    pub fn with<R>(&self, use_key: impl FnOnce(&DataKey) -> R) -> Result<R, LeaseEnded> {
        let plain = self.slot.share(&self.inner.clock).ok_or(LeaseEnded)?;
        Ok(use_key(plain.key()))
    }

    /// Waits until the key can be used again, asking the vault if nobody does yet. Returns at once if it can.
    pub async fn renewed(&self) -> Result<(), KeyError> {
        self.inner.ensure(&self.slot).await
    }

    /// Resolves when the key that is in memory now has been wiped, for whatever reason. What was read ahead under the
    /// lease has to go then; whether content may still be served, [`KeyLease::renewed`] tells.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        self.slot.ended()
    }

    /// Lends the key for one call, waiting for the vault if the lease has ended. For blocking threads only: it panics
    /// on a thread that runs async tasks. The function is called once, or not at all.
    pub fn with_renewal<R>(
        &self,
        runtime: &Handle,
        use_key: impl FnOnce(&DataKey) -> R,
    ) -> Result<R, KeyError> {
        for _ in 0..ATTEMPTS {
            if let Some(plain) = self.slot.share(&self.inner.clock) {
                return Ok(use_key(plain.key()));
            }
            runtime.block_on(self.renewed())?;
        }
        // The clock is moved faster than the vault answers.
        Err(self.inner.checking(&self.slot))
    }
}

impl fmt::Debug for KeyLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLease").field("data_key", &self.slot.id).finish_non_exhaustive()
    }
}
