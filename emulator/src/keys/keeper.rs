//! Keeps one unwrapped data key: renews it while it is in use, and wipes it at its deadline even if nothing uses it.
//!
//! Each slot that holds a key has a keeper; other slots have none. The keeper starts when a key is put into the slot and
//! ends with the key. It sleeps by the injected clock, so a jump of emulator time ends the lease at once.
//! It holds the ring weakly, and wipes its key when the ring is dropped.

use std::sync::{Arc, Weak};

use azure_emulator_core::clock::Clock;
use tokio_util::sync::CancellationToken;

use super::audit::Purpose;
use super::shared::Inner;
use super::slot::Slot;

impl Inner {
    pub(super) fn start_keeper(self: &Arc<Self>, slot: &Arc<Slot>) {
        let keeper = Keeper {
            inner: Arc::downgrade(self),
            slot: Arc::clone(slot),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
        };
        self.runtime.spawn(keeper.run());
    }

    /// A key has ended. If it could not be renewed and was the last one, the registry becomes unavailable.
    fn lapsed(&self) {
        let machine = self.machine();
        self.publish_if_dark(&machine);
    }
}

struct Keeper {
    inner: Weak<Inner>,
    slot: Arc<Slot>,
    clock: Clock,
    stop: CancellationToken,
}

impl Keeper {
    async fn run(self) {
        while let Some(terms) = self.slot.terms_for_keeper() {
            if self.clock.has_passed(terms.deadline) {
                self.slot.erase_if_over(&self.clock);
                continue;
            }
            let due = self.clock.has_passed(terms.renew_at);
            if due && self.slot.is_in_use() {
                tokio::select! {
                    () = self.renew() => (),
                    () = self.clock.until(terms.deadline) => (),
                    () = self.stop.cancelled() => return self.slot.erase(),
                }
                continue;
            }
            let next = if due { terms.deadline } else { terms.renew_at };
            tokio::select! {
                () = self.clock.until(next) => (),
                () = self.slot.wake.notified() => (),
                () = self.stop.cancelled() => return self.slot.erase(),
            }
        }
        if let Some(inner) = self.inner.upgrade() {
            inner.lapsed();
        }
    }

    /// Asks the vault. The slot then has the result: new terms, a later renewal, or no key.
    async fn renew(&self) {
        let flight = {
            let Some(inner) = self.inner.upgrade() else { return std::future::pending().await };
            inner.join_or_start(&self.slot, Purpose::Lease, false)
        };
        match flight {
            Ok(flight) => drop(flight.await),
            // The entry does not open. The key lives until its deadline.
            Err(_) => std::future::pending().await,
        }
    }
}
