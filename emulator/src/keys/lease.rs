//! A lease on one data key: what content code holds while it seals or opens.
//!
//! The lease is not the key. It is the right to borrow the key for the length of a call, as long as the vault admits it;
//! while somebody has it, the key is renewed before its time is over.
//!
//! # When a lease ends under work
//!
//! A renewal can be late although key and vault are fine: work may begin in the last moments of a lease, and the vault
//! may be slow. So work that gets [`LeaseEnded`] drops the plaintext that it can read again, and waits for the vault's
//! answer with [`KeyLease::renewed`], [`RENEWAL_WAIT`] of real time at the most. A refusal ends the wait at once. The wait
//! uses no key: none is in memory. [`KeyLease::with_renewal`] does both for blocking code.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::error::{KeyError, LeaseEnded};
use super::ring::Inner;
use super::slot::Slot;
use sealed_envelope::{DataKey, DataKeyId};

/// How long work that is under way waits for the vault when its lease has ended, in real time.
pub const RENEWAL_WAIT: Duration = Duration::from_secs(2);

/// The right to use a data key as long as the vault admits it. Clones share it.
#[derive(Clone)]
pub struct KeyLease {
    inner: Arc<Inner>,
    slot: Arc<Slot>,
    /// Counts as use.
    _usage: Arc<()>,
}

/// The right to use a data key while others keep its lease alive. It does not count as use: the lease is not renewed for
/// its sake, and the vault is not asked.
#[derive(Clone)]
pub struct IdleLease {
    inner: Arc<Inner>,
    slot: Arc<Slot>,
}

/// How long one piece of work waits for its lease. Leases that end one after another, with no progress between them,
/// share one wait; after progress the work begins a new one.
#[derive(Debug, Default)]
pub struct RenewalWait {
    /// When it is over, in real time. None: it has not begun.
    end: Option<Duration>,
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

    /// Waits until the key can be used again, asking the vault if no question is under way. Returns at once if it can.
    ///
    /// A refusal fails at once. An outage fails when the wait is over: the vault may answer the next question.
    pub async fn renewed(&self, wait: &mut RenewalWait) -> Result<(), KeyError> {
        let limit = || self.inner.clock.elapsed().saturating_add(RENEWAL_WAIT);
        self.inner.ensure_until(&self.slot, *wait.end.get_or_insert_with(limit)).await
    }

    /// Resolves when the key that is in memory now has been wiped, for whatever reason. What was read ahead under the
    /// lease has to go then; [`KeyLease::renewed`] tells whether content may still be served.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        self.slot.ended()
    }

    /// Lends the key for one call, waiting for the vault as [`KeyLease::renewed`] does if the lease has ended. For
    /// blocking threads only: it panics on a thread that runs async tasks. The function is called once, or not at all.
    ///
    /// The caller must hold no plaintext that it could read again.
    pub fn with_renewal<R>(
        &self,
        runtime: &Handle,
        use_key: impl FnOnce(&DataKey) -> R,
    ) -> Result<R, KeyError> {
        let mut wait = RenewalWait::default();
        loop {
            if let Some(plain) = self.slot.share(&self.inner.clock) {
                return Ok(use_key(plain.key()));
            }
            runtime.block_on(self.renewed(&mut wait))?;
        }
    }
}

impl IdleLease {
    pub(super) fn new(inner: Arc<Inner>, slot: Arc<Slot>) -> Self {
        Self { inner, slot }
    }

    /// Lends the key for one call, if its lease lives.
    pub fn with<R>(&self, use_key: impl FnOnce(&DataKey) -> R) -> Result<R, LeaseEnded> {
        let plain = self.slot.share(&self.inner.clock).ok_or(LeaseEnded)?;
        Ok(use_key(plain.key()))
    }
}

impl fmt::Debug for IdleLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleLease").field("data_key", &self.slot.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLease").field("data_key", &self.slot.id).finish_non_exhaustive()
    }
}
