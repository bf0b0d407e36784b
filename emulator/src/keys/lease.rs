//! A lease on one data key: content code holds it while it seals or opens.
//!
//! The lease is not the key. It is the right to borrow the key for the length of a call, as long as the vault permits it.
//! While a lease exists, the key is renewed before its time is over.
//!
//! The call runs in [`scrubbed`]: when it returns, neither the stack nor the registers of its thread have a copy of the key, of
//! anything that was derived from it, or of the content that was sealed or opened.
//!
//! # A lease that ends during work
//!
//! A renewal can be late although key and vault are fine: work may begin in the last moments of a lease, and the vault
//! may be slow. So work that gets [`LeaseEnded`] drops the plaintext that it can read again, and waits for the vault's
//! answer with [`KeyLease::renewed`], at most [`RENEWAL_WAIT`] of real time. A refusal ends the wait at once. The wait
//! uses no key: none is in memory. [`KeyLease::with_renewal`] does both for blocking code.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::error::{KeyError, LeaseEnded};
use super::shared::Inner;
use super::slot::Slot;
use sealed_envelope::{DataKey, DataKeyId, scrubbed};

/// How long work waits for the vault when its lease has ended, in real time.
pub const RENEWAL_WAIT: Duration = Duration::from_secs(2);

/// The right to use a data key as long as the vault permits it. Clones share it.
#[derive(Clone)]
pub struct KeyLease {
    inner: Arc<Inner>,
    slot: Arc<Slot>,
    /// Counts as use.
    _usage: Arc<()>,
}

/// The right to use a data key while other leases keep it alive. It does not count as use: it neither renews the lease
/// nor asks the vault.
#[derive(Clone)]
pub struct IdleLease {
    inner: Arc<Inner>,
    slot: Arc<Slot>,
}

/// How long one piece of work waits for its lease. Leases that end one after another, with no progress between them,
/// share one wait; after progress the work begins a new wait.
#[derive(Debug, Default)]
pub struct RenewalWait {
    /// When it ends, in real time. `None` if it has not begun.
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

    /// Whether the key can be used now.
    pub fn is_alive(&self) -> bool {
        self.slot.is_alive(&self.inner.clock)
    }

    /// Lends the key for one call. The call should be short: the key stays in memory until it returns, even if the
    /// vault refuses meanwhile.
    pub fn with<R>(&self, use_key: impl FnOnce(&DataKey) -> R) -> Result<R, LeaseEnded> {
        let plain = self.slot.share(&self.inner.clock).ok_or(LeaseEnded)?;
        Ok(scrubbed(|| use_key(plain.key())))
    }

    /// Waits until the key can be used again, and asks the vault if no request is in flight. Returns at once if it can.
    ///
    /// Fails at once if the vault refuses. Fails at the end of the wait during an outage: the vault may answer the next request.
    pub async fn renewed(&self, wait: &mut RenewalWait) -> Result<(), KeyError> {
        let limit = || self.inner.clock.elapsed().saturating_add(RENEWAL_WAIT);
        self.inner.ensure_until(&self.slot, *wait.end.get_or_insert_with(limit)).await
    }

    /// Resolves when the key that is in memory now has been wiped, for any reason. The caller must then drop everything that
    /// it read ahead under the lease; [`KeyLease::renewed`] tells whether content may still be served.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        self.slot.ended()
    }

    /// Lends the key for one call, and waits for the vault as [`KeyLease::renewed`] does if the lease has ended. For
    /// blocking threads only: it panics on a thread that runs async tasks. It calls the function at most once.
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
                return Ok(scrubbed(|| use_key(plain.key())));
            }
            runtime.block_on(self.renewed(&mut wait))?;
        }
    }
}

impl IdleLease {
    pub(super) fn new(inner: Arc<Inner>, slot: Arc<Slot>) -> Self {
        Self { inner, slot }
    }

    /// Lends the key for one call, if its lease is alive.
    pub fn with<R>(&self, use_key: impl FnOnce(&DataKey) -> R) -> Result<R, LeaseEnded> {
        let plain = self.slot.share(&self.inner.clock).ok_or(LeaseEnded)?;
        Ok(scrubbed(|| use_key(plain.key())))
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
