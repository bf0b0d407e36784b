//! The meaning of the vault's answers for the registry: the state, and which keys may still be used.
//!
//! # Answers that overtake one another
//!
//! Several requests can be in flight at a time, for several data keys, and their answers may come in any order. Each
//! request has a number, drawn before the vault is asked. Three rules keep late answers from undoing newer ones:
//!
//! - A refusal counts for all keys at once, because it is about the vault's key and not about a data key. All slots are
//!   erased, and a grant for a request that was drawn before the refusal came no longer counts: it is *superseded*, and
//!   its waiters ask again.
//! - A request that fails after a refusal came changes nothing: the refusal says more than a missing answer.
//! - A refusal of a request that is older than the newest grant changes only its own slot. If it is still true,
//!   the next renewal is refused as well, within one lease.
//!
//! The mutex around [`Machine`] makes "erase all" and "hold this one" exclude each other. It is locked before any
//! slot, and never across an await or a call of other code, except the sink of events, which only takes
//! note.
//!
//! The machine only decides: its callers hold and erase the keys.
//!
//! An outage is not a refusal: keys live on until their deadlines, and the state changes when the last one has ended.

use std::time::Duration;

use time::OffsetDateTime;

use super::cause::Cause;
use super::refusal::Refusal;
use super::status::{State, Status};

/// The vault's answers so far.
pub(in crate::keys) struct Machine {
    /// The number of the newest request.
    last_request: u64,
    /// A grant for a request up to this number no longer counts.
    superseded: u64,
    /// The newest request that was granted.
    granted: u64,
    /// The last answer, if it was not a grant.
    failure: Option<Failure>,
    /// The note of the state `active`.
    note: Option<(Cause, String)>,
    /// The validity of the version in use, if the vault has told it.
    validity: (Option<OffsetDateTime>, Option<OffsetDateTime>),
}

/// An answer that was not a grant.
#[derive(Clone)]
pub(in crate::keys) struct Failure {
    pub(in crate::keys) refusal: Refusal,
    /// Before this real time, content sends no request.
    pub(in crate::keys) not_before: Duration,
}

impl Machine {
    pub(in crate::keys) fn new() -> Self {
        Self {
            last_request: 0,
            superseded: 0,
            granted: 0,
            failure: None,
            note: None,
            validity: (None, None),
        }
    }

    /// Draws the number of a request, before the vault is asked.
    pub(in crate::keys) fn next_number(&mut self) -> u64 {
        self.last_request += 1;
        self.last_request
    }

    /// Applies a grant. Returns false if it is superseded.
    #[must_use]
    pub(in crate::keys) fn grant(&mut self, number: u64) -> bool {
        if number <= self.superseded {
            return false;
        }
        self.granted = self.granted.max(number);
        self.failure = None;
        true
    }

    /// Applies a rotation, whose vault calls succeeded. The answers about the old key and the old identity no longer count.
    pub(in crate::keys) fn rotated(&mut self) {
        self.failure = None;
    }

    /// Applies a refusal. Returns true if it is new, and the caller must erase all slots.
    #[must_use]
    pub(in crate::keys) fn refuse(&mut self, number: u64, failure: Failure) -> bool {
        if number < self.granted {
            return false;
        }
        self.superseded = self.last_request;
        self.failure = Some(failure);
        true
    }

    /// Applies an outage or another failure that says nothing about the key. A refusal that came after the request stays.
    pub(in crate::keys) fn fail(&mut self, number: u64, failure: Failure) {
        if number > self.granted.max(self.superseded) {
            self.failure = Some(failure);
        }
    }

    /// The last answer, if it was not a grant.
    pub(in crate::keys) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The refusal that stands until a request may be sent again.
    pub(in crate::keys) fn standing(&self, now: Duration) -> Option<&Refusal> {
        self.failure
            .as_ref()
            .filter(|failure| now < failure.not_before)
            .map(|failure| &failure.refusal)
    }

    /// Sets the note of the state. Returns whether it changed.
    pub(in crate::keys) fn set_note(&mut self, note: Option<(Cause, String)>) -> bool {
        let changed = self.note != note;
        self.note = note;
        changed
    }

    pub(in crate::keys) fn set_validity(
        &mut self,
        from: Option<OffsetDateTime>,
        end: Option<OffsetDateTime>,
    ) {
        self.validity = (from, end);
    }

    /// The status of a registry whose content is served.
    pub(in crate::keys) fn active(&self, now: OffsetDateTime) -> Status {
        let (from, end) = self.validity;
        let expired = end.is_some_and(|end| end <= now) || from.is_some_and(|from| now < from);
        let note = match &self.note {
            Some((cause, message)) => Some((*cause, message.clone())),
            None if expired => Some((Cause::KeyExpired, Cause::KeyExpired.message().to_owned())),
            None => None,
        };
        let (cause, message) = note.unzip();
        Status { state: State::Active, cause, message, since: now }
    }

    /// The status of the last failure, if there is one.
    pub(in crate::keys) fn unavailable(&self, now: OffsetDateTime) -> Option<Status> {
        let refusal = &self.failure.as_ref()?.refusal;
        Some(Status {
            state: State::Unavailable,
            cause: refusal.cause,
            message: Some(refusal.reason.to_string()),
            since: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failure() -> Failure {
        let key = "https://local.vault.localhost/keys/k".parse().unwrap();
        let refusal = Refusal::unavailable(Cause::KeyDisabled, key, "", None);
        Failure { refusal, not_before: Duration::from_secs(1) }
    }

    #[test]
    fn a_grant_for_a_question_older_than_a_refusal_is_superseded() {
        let mut machine = Machine::new();
        let (early, refused) = (machine.next_number(), machine.next_number());

        assert!(machine.refuse(refused, failure()));

        assert!(!machine.grant(early));
        let later = machine.next_number();
        assert!(machine.grant(later));
        assert!(machine.failure().is_none());
    }

    #[test]
    fn a_refusal_older_than_a_grant_changes_nothing() {
        let mut machine = Machine::new();
        let (early, late) = (machine.next_number(), machine.next_number());

        assert!(machine.grant(late));

        assert!(!machine.refuse(early, failure()));
        assert!(machine.failure().is_none());
    }

    #[test]
    fn a_question_that_fails_late_does_not_replace_a_refusal() {
        let mut machine = Machine::new();
        let (slow, refused) = (machine.next_number(), machine.next_number());
        let mut outage = failure();
        outage.refusal.cause = Some(Cause::VaultUnreachable);

        assert!(machine.refuse(refused, failure()));
        machine.fail(slow, outage.clone());

        let shown = machine.unavailable(OffsetDateTime::UNIX_EPOCH).unwrap();
        assert_eq!(shown.cause, Some(Cause::KeyDisabled));
        let later = machine.next_number();
        machine.fail(later, outage);
        let shown = machine.unavailable(OffsetDateTime::UNIX_EPOCH).unwrap();
        assert_eq!(shown.cause, Some(Cause::VaultUnreachable));
    }

    /// The events, in any order.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Ask(usize),
        /// A request that only probes the state and holds no key.
        Probe,
        /// One of the requests in flight is answered.
        Yes(usize),
        No(usize),
        Silence(usize),
        Rotate,
        Pass(u64),
    }

    const SLOTS: usize = 3;
    const LEASE: u64 = 5;

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..SLOTS).prop_map(Step::Ask),
            2 => Just(Step::Probe),
            3 => (0..8_usize).prop_map(Step::Yes),
            1 => (0..8_usize).prop_map(Step::No),
            1 => (0..8_usize).prop_map(Step::Silence),
            1 => Just(Step::Rotate),
            2 => (0..4_u64).prop_map(Step::Pass),
        ]
    }

    /// The caller of the machine, and the requests in flight.
    struct World {
        machine: Machine,
        now: u64,
        /// Questions in flight: number, slot if they ask for content, end of the lease that they ask for.
        under_way: Vec<(u64, Option<usize>, u64)>,
        /// Until when each slot holds its key.
        slots: [Option<u64>; SLOTS],
    }

    impl World {
        fn take(&mut self, which: usize) -> Option<(u64, Option<usize>, u64)> {
            let count = self.under_way.len();
            (count > 0).then(|| self.under_way.remove(which % count))
        }

        fn alive(&self) -> usize {
            self.slots.iter().flatten().filter(|end| **end > self.now).count()
        }
    }

    proptest! {
        #[test]
        fn no_order_of_answers_keeps_a_key_after_a_refusal_or_erases_one_too_early(
            steps in prop::collection::vec(step(), 1..60)
        ) {
            let mut world = World {
                machine: Machine::new(), now: 0, under_way: Vec::new(), slots: [None; SLOTS],
            };
            // The newest request that was granted, and the newest request when a refusal erased all.
            let (mut newest_yes, mut refused_at) = (0, 0);
            for step in steps {
                let (before, alive) = (world.slots, world.alive());
                match step {
                    Step::Ask(slot) => {
                        let number = world.machine.next_number();
                        world.under_way.push((number, Some(slot), world.now + LEASE));
                    }
                    Step::Probe => {
                        let number = world.machine.next_number();
                        world.under_way.push((number, None, world.now));
                    }
                    Step::Yes(which) => if let Some((number, slot, end)) = world.take(which) {
                        let granted = world.machine.grant(number);
                        // A grant counts if and only if no refusal came after its request.
                        prop_assert_eq!(granted, number > refused_at);
                        if granted {
                            if let Some(slot) = slot {
                                world.slots[slot] = Some(end);
                            } else {
                                prop_assert_eq!(world.slots, before, "a probe holds no key");
                            }
                            newest_yes = newest_yes.max(number);
                            prop_assert!(world.machine.failure().is_none());
                        }
                    },
                    Step::No(which) => if let Some((number, slot, _)) = world.take(which) {
                        let news = world.machine.refuse(number, failure());
                        // Only a later grant outweighs a refusal.
                        prop_assert_eq!(news, number >= newest_yes);
                        if let Some(slot) = slot {
                            world.slots[slot] = None;
                        }
                        if news {
                            world.slots = [None; SLOTS];
                            refused_at = world.machine.last_request;
                            prop_assert_eq!(world.alive(), 0);
                            prop_assert!(world.machine.unavailable(OffsetDateTime::UNIX_EPOCH).is_some());
                        }
                    },
                    Step::Silence(which) => if let Some((number, ..)) = world.take(which) {
                        world.machine.fail(number, failure());
                        // The vault has not refused, so the slots stay as they are.
                        prop_assert_eq!(world.slots, before);
                        prop_assert_eq!(world.alive(), alive);
                    },
                    Step::Rotate => {
                        world.machine.rotated();
                        prop_assert!(world.machine.failure().is_none());
                    }
                    Step::Pass(by) => world.now += by,
                }
                // Every key that is alive was granted by a request that is newer than the last refusal.
                if refused_at == world.machine.last_request {
                    prop_assert_eq!(world.alive(), 0, "a key has outlived a refusal");
                }
            }
        }
    }
}
