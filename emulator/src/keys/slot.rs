//! One data key in memory: the only place of this area where a plaintext key outlives a call.
//!
//! # How a key is held
//!
//! A [`Slot`] holds at most one [`Plain`], behind a mutex that is locked for a few instructions and never while a caller's
//! code runs. To use the key, a caller takes a share of the `Plain` (an `Arc`), releases the mutex and works.
//! So two keys can be used inside one another, in any order, on any threads, and an eraser never waits for a disk. To
//! erase is to drop the slot's own share: from then on no caller gets one, and the bytes are wiped when the last call
//! that has one returns. Such a call seals or opens a few segments. Dropping a `Plain` first wipes the key, then drops the
//! sender that [`Slot::ended`] waits for: when a waiter learns that the key has ended, the key is wiped.
//!
//! # How a key ends
//!
//! A key is held on [`Terms`]: a deadline, which is the lease after the moment *before* the vault was asked, and the
//! moment from which it is renewed. Every use compares the deadline with the clock, so an erased key and an
//! expired one are both unusable; the keeper (`keeper.rs`) wipes it at the deadline even if nothing uses it.
//! A renewal only moves the deadline: the bytes are the same, as the proof in the ring's entry has shown.
//!
//! The slot does not ask the vault and does not know states. It is locked after the machine of the ring, never before.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_emulator_core::clock::{Clock, Deadline};
use futures::future::{BoxFuture, Shared};
use tokio::sync::{Notify, watch};

use super::error::KeyError;
use sealed_envelope::{DataKey, DataKeyId};

/// Holds one data key, or none.
pub(super) struct Slot {
    pub(super) id: DataKeyId,
    contents: Mutex<Contents>,
    /// The request in flight to the vault, or the last one. Has its own lock.
    pub(super) inflight: Mutex<Option<InflightUnwrap>>,
    /// Shared with every lease: the number of shares tells whether the key is in use.
    usage: Arc<()>,
    /// Whether it was used since the vault was last asked.
    used: AtomicBool,
    /// Wakes the keeper.
    pub(super) wake: Notify,
}

/// A request that is in flight or was answered.
pub(super) type InflightUnwrap = Shared<BoxFuture<'static, Result<(), UnwrapError>>>;

/// The reason why a request has not brought the key.
#[derive(Clone, Debug)]
pub(super) enum UnwrapError {
    /// The answer came too late to count; the caller asks again.
    Superseded,
    /// The answer was an error.
    Key(KeyError),
}

#[derive(Default)]
struct Contents {
    held: Option<HeldKey>,
    /// Whether the key has a keeper.
    has_keeper: bool,
    /// How many renewals in a row have failed.
    failures: u32,
}

struct HeldKey {
    plain: Arc<PlaintextKey>,
    terms: Option<Terms>,
}

/// When a key ends, and when to ask for it again.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) deadline: Deadline,
    pub(super) renew_at: Deadline,
}

/// A plaintext key. The order of the fields is the order in which they are dropped.
pub(super) struct PlaintextKey {
    key: DataKey,
    ended: watch::Sender<()>,
}

impl PlaintextKey {
    pub(super) fn key(&self) -> &DataKey {
        &self.key
    }
}

impl Slot {
    pub(super) fn new(id: DataKeyId) -> Self {
        Self {
            id,
            contents: Mutex::default(),
            inflight: Mutex::default(),
            usage: Arc::default(),
            used: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// Takes a key, or extends the time of the same key. A key without terms is held for good. Returns whether the caller must
    /// start a keeper for it.
    #[must_use]
    pub(super) fn hold(&self, key: DataKey, terms: Option<Terms>) -> bool {
        let mut contents = self.contents();
        contents.failures = 0;
        if let Some(held) = &mut contents.held {
            held.terms = terms;
        } else {
            let plain = Arc::new(PlaintextKey { key, ended: watch::Sender::new(()) });
            contents.held = Some(HeldKey { plain, terms });
        }
        let start = terms.is_some() && !contents.has_keeper;
        contents.has_keeper |= start;
        drop(contents);
        self.wake.notify_one();
        start
    }

    /// A share of the key, for one call. `None` if there is no key or its time is over.
    pub(super) fn share(&self, clock: &Clock) -> Option<Arc<PlaintextKey>> {
        let contents = self.contents();
        let held = contents.held.as_ref()?;
        let over = held.terms.is_some_and(|terms| clock.has_passed(terms.deadline));
        if over { None } else { Some(Arc::clone(&held.plain)) }
    }

    /// Whether the key can be used now.
    pub(super) fn is_alive(&self, clock: &Clock) -> bool {
        self.share(clock).is_some()
    }

    /// Erases the key.
    pub(super) fn erase(&self) {
        let held = self.contents().held.take();
        drop(held);
        self.wake.notify_one();
    }

    /// Erases the key if its time is over.
    pub(super) fn erase_if_over(&self, clock: &Clock) {
        let mut contents = self.contents();
        let over =
            |held: &mut HeldKey| held.terms.is_some_and(|terms| clock.has_passed(terms.deadline));
        let held = contents.held.take_if(over);
        drop(contents);
        drop(held);
    }

    /// Resolves when the current key has been wiped.
    pub(super) fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let ended = self.contents().held.as_ref().map(|held| held.plain.ended.subscribe());
        async move {
            if let Some(mut ended) = ended {
                while ended.changed().await.is_ok() {}
            }
        }
    }

    /// The terms of the current key, for the keeper. `None` if there is no key, which ends the keeper's work.
    pub(super) fn terms_for_keeper(&self) -> Option<Terms> {
        let mut contents = self.contents();
        let terms = contents.held.as_ref().and_then(|held| held.terms);
        contents.has_keeper = terms.is_some();
        terms
    }

    /// Delays the renewal after a failed one. `base` is the first delay; it doubles, up to `most`.
    pub(super) fn delay_renewal(
        &self,
        clock: &Clock,
        base: Duration,
        most: Duration,
        at_least: Option<Duration>,
    ) {
        let mut contents = self.contents();
        let doubled = base.saturating_mul(1 << contents.failures.min(16)).min(most);
        contents.failures = contents.failures.saturating_add(1);
        if let Some(terms) = contents.held.as_mut().and_then(|held| held.terms.as_mut()) {
            terms.renew_at = clock.deadline(doubled.max(at_least.unwrap_or_default()));
        }
    }

    /// Records a use, so that the key is renewed. Wakes the keeper if the renewal is due.
    pub(super) fn touch(&self, clock: &Clock) {
        self.used.store(true, Ordering::Release);
        let terms = self.contents().held.as_ref().and_then(|held| held.terms);
        if terms.is_some_and(|terms| clock.has_passed(terms.renew_at)) {
            self.wake.notify_one();
        }
    }

    /// A share that marks the slot as in use while a caller holds it.
    pub(super) fn usage(&self) -> Arc<()> {
        Arc::clone(&self.usage)
    }

    /// Whether a lease exists.
    pub(super) fn is_leased(&self) -> bool {
        Arc::strong_count(&self.usage) > 1
    }

    /// Whether a lease exists, or the key was used since the vault was last asked.
    pub(super) fn is_in_use(&self) -> bool {
        self.used.load(Ordering::Acquire) || self.is_leased()
    }

    /// Records that the vault is being asked now.
    pub(super) fn mark_requested(&self) {
        self.used.store(false, Ordering::Release);
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        lock(&self.contents)
    }
}

/// No code of this area panics while it holds a lock, so a poisoned one still holds a whole value.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
