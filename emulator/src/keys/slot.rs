//! One data key in memory: the only place of this area where a plaintext key outlives a call.
//!
//! # How a key is held
//!
//! A [`Slot`] holds at most one [`Plain`], behind a mutex that is locked for a few instructions and never across a call
//! of somebody else's code. Who uses the key takes a share of the `Plain` (an `Arc`), lets go of the mutex and works.
//! So two keys can be used inside one another, in any order, on any threads, and an eraser never waits for a disk. To
//! erase is to take the slot's own share away: from then on nobody gets one, and the bytes are wiped when the last call
//! that has one returns. Such a call seals or opens a few segments. Dropping a `Plain` first wipes the key, then drops the
//! sender that [`Slot::ended`] waits for: who is told that the key has ended can rely on it being wiped.
//!
//! # When it ends
//!
//! A key is held on [`Terms`]: a deadline, which is the lease after the moment *before* the vault was asked, and the
//! moment from which it is to be renewed. Every use compares the deadline with the clock, so an erased key and an
//! expired one are equally out of reach; the keeper (`keeper.rs`) wipes it at the deadline even if nobody looks.
//! A renewal only moves the deadline: the bytes are the same, which the proof in the ring's entry has shown.
//!
//! The slot does not ask the vault and does not know states. It is locked after the machine of the ring, never before.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_emulator_core::clock::{Clock, Deadline};
use tokio::sync::{Notify, watch};

use super::ask::Flight;
use sealed_envelope::{DataKey, DataKeyId};

/// A place for one data key.
pub(super) struct Slot {
    pub(super) id: DataKeyId,
    contents: Mutex<Contents>,
    /// The question to the vault that is under way, or the last one. Locked on its own.
    pub(super) flight: Mutex<Option<Flight>>,
    /// Shared with every lease: how many there are tells whether the key is in use.
    usage: Arc<()>,
    /// Whether it was used since the vault was last asked.
    used: AtomicBool,
    /// Wakes the keeper.
    pub(super) wake: Notify,
}

#[derive(Default)]
struct Contents {
    held: Option<Held>,
    /// Whether a keeper watches over the key.
    kept: bool,
    /// How many renewals have failed since the last one that did not.
    failures: u32,
}

struct Held {
    plain: Arc<Plain>,
    terms: Option<Terms>,
}

/// Until when a key may be used, and when to ask for it again.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) deadline: Deadline,
    pub(super) renew_at: Deadline,
}

/// A plaintext key. The order of the fields is the order in which they are dropped.
pub(super) struct Plain {
    key: DataKey,
    ended: watch::Sender<()>,
}

impl Plain {
    pub(super) fn key(&self) -> &DataKey {
        &self.key
    }
}

impl Slot {
    pub(super) fn new(id: DataKeyId) -> Self {
        Self {
            id,
            contents: Mutex::default(),
            flight: Mutex::default(),
            usage: Arc::default(),
            used: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// Takes a key, or takes note that it may be used longer. Without terms it is held for good. True: a keeper has to
    /// be started for it.
    #[must_use]
    pub(super) fn hold(&self, key: DataKey, terms: Option<Terms>) -> bool {
        let mut contents = self.contents();
        contents.failures = 0;
        if let Some(held) = &mut contents.held {
            held.terms = terms;
        } else {
            let plain = Arc::new(Plain { key, ended: watch::Sender::new(()) });
            contents.held = Some(Held { plain, terms });
        }
        let start = terms.is_some() && !contents.kept;
        contents.kept |= start;
        drop(contents);
        self.wake.notify_one();
        start
    }

    /// A share of the key, for one call. None: there is none, or its time is over.
    pub(super) fn share(&self, clock: &Clock) -> Option<Arc<Plain>> {
        let contents = self.contents();
        let held = contents.held.as_ref()?;
        let over = held.terms.is_some_and(|terms| clock.has_passed(terms.deadline));
        if over { None } else { Some(Arc::clone(&held.plain)) }
    }

    /// Whether the key can be used at this moment.
    pub(super) fn is_alive(&self, clock: &Clock) -> bool {
        self.share(clock).is_some()
    }

    /// Takes the key away.
    pub(super) fn erase(&self) {
        let held = self.contents().held.take();
        drop(held);
        self.wake.notify_one();
    }

    /// Takes the key away if its time is over.
    pub(super) fn erase_if_over(&self, clock: &Clock) {
        let mut contents = self.contents();
        let over =
            |held: &mut Held| held.terms.is_some_and(|terms| clock.has_passed(terms.deadline));
        let held = contents.held.take_if(over);
        drop(contents);
        drop(held);
    }

    /// Resolves when the key that is held now has been wiped.
    pub(super) fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let ended = self.contents().held.as_ref().map(|held| held.plain.ended.subscribe());
        async move {
            if let Some(mut ended) = ended {
                while ended.changed().await.is_ok() {}
            }
        }
    }

    /// The terms that the key is held on, for the keeper. None: there is no key, and the keeper's work is over.
    pub(super) fn terms_for_keeper(&self) -> Option<Terms> {
        let mut contents = self.contents();
        let terms = contents.held.as_ref().and_then(|held| held.terms);
        contents.kept = terms.is_some();
        terms
    }

    /// Puts the renewal off after one has failed. `base` is the first delay; it doubles, up to `most`.
    pub(super) fn put_off(
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

    /// Takes note of a use, so that the key is renewed. Wakes the keeper if that is due.
    pub(super) fn touch(&self, clock: &Clock) {
        self.used.store(true, Ordering::Release);
        let terms = self.contents().held.as_ref().and_then(|held| held.terms);
        if terms.is_some_and(|terms| clock.has_passed(terms.renew_at)) {
            self.wake.notify_one();
        }
    }

    /// What makes the slot count as in use while somebody has it.
    pub(super) fn usage(&self) -> Arc<()> {
        Arc::clone(&self.usage)
    }

    /// Whether somebody has a lease.
    pub(super) fn is_leased(&self) -> bool {
        Arc::strong_count(&self.usage) > 1
    }

    /// Whether somebody has a lease, or used the key since the vault was last asked.
    pub(super) fn is_in_use(&self) -> bool {
        self.used.load(Ordering::Acquire) || self.is_leased()
    }

    /// The vault is being asked now.
    pub(super) fn note_asked(&self) {
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
