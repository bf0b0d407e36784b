//! What the answers of the vault mean for the registry: the state, and which keys may still be used.
//!
//! # Answers that overtake one another
//!
//! Several questions can be under way at a time, for several data keys, and their answers may come in any order. Each
//! question has a number, drawn before the vault is asked. Two rules keep late answers from undoing what is known:
//!
//! - A refusal counts for all keys at once, because it is about the vault's key and not about a data key. All slots are
//!   erased, and a yes to a question that was drawn before the refusal came is no yes any more: it is *superseded*, and
//!   who waits for it asks again.
//! - A refusal that answers an older question than the newest yes changes nothing but its own slot. If it is the truth,
//!   the next renewal says so again, within one lease.
//!
//! The mutex around [`Health`] is what makes "erase all" and "hold this one" exclude each other. It is locked before any
//! slot, and never across an await or a call of somebody else's code.
//!
//! An outage is not a refusal: keys live on until their deadlines, and the state changes when the last one has ended.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Cause, Refusal, State, Status};

/// What is known of the vault's willingness.
pub(super) struct Health {
    /// The number of the newest question.
    asked: u64,
    /// Yes to a question up to this number is no yes any more.
    superseded: u64,
    /// The newest question that was answered with yes.
    granted: u64,
    /// The last answer, if it was not yes.
    failure: Option<Failure>,
    /// What stands beside the state `active`.
    note: Option<(Cause, String)>,
    /// When the version in use wraps, as far as the vault told us.
    validity: (Option<OffsetDateTime>, Option<OffsetDateTime>),
}

/// An answer that was not yes.
#[derive(Clone)]
pub(super) struct Failure {
    pub(super) refusal: Refusal,
    /// Before this real time nobody asks again for content's sake.
    pub(super) not_before: Duration,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            asked: 0,
            superseded: 0,
            granted: 0,
            failure: None,
            note: None,
            validity: (None, None),
        }
    }

    /// Draws the number of a question. To be called before the vault is asked.
    pub(super) fn draw(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// A yes. False: it is superseded.
    #[must_use]
    pub(super) fn grant(&mut self, number: u64) -> bool {
        if number <= self.superseded {
            return false;
        }
        self.granted = self.granted.max(number);
        self.failure = None;
        true
    }

    /// The ring was wrapped anew, and the vault said yes to it. What it said of the old key or the old identity is of the past.
    pub(super) fn rotated(&mut self) {
        self.failure = None;
    }

    /// A definite no. True: it is news, and all slots are to be erased.
    #[must_use]
    pub(super) fn refuse(&mut self, number: u64, failure: Failure) -> bool {
        if number < self.granted {
            return false;
        }
        self.superseded = self.asked;
        self.failure = Some(failure);
        true
    }

    /// No answer, or none that says anything of the key.
    pub(super) fn fail(&mut self, number: u64, failure: Failure) {
        if number > self.granted {
            self.failure = Some(failure);
        }
    }

    /// The last answer, if it was not yes.
    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The refusal that stands while nobody asks again.
    pub(super) fn standing(&self, now: Duration) -> Option<&Refusal> {
        self.failure
            .as_ref()
            .filter(|failure| now < failure.not_before)
            .map(|failure| &failure.refusal)
    }

    pub(super) fn set_note(&mut self, note: Option<(Cause, String)>) {
        self.note = note;
    }

    pub(super) fn set_validity(
        &mut self,
        from: Option<OffsetDateTime>,
        end: Option<OffsetDateTime>,
    ) {
        self.validity = (from, end);
    }

    /// The status of a registry whose content is served.
    pub(super) fn active(&self, now: OffsetDateTime) -> Status {
        let (from, end) = self.validity;
        let expired = end.is_some_and(|end| end <= now) || from.is_some_and(|from| now < from);
        let note = match &self.note {
            Some((cause, words)) => Some((*cause, words.clone())),
            None if expired => Some((Cause::KeyExpired, Cause::KeyExpired.words().to_owned())),
            None => None,
        };
        let (cause, words) = note.unzip();
        Status { state: State::Active, cause, words, since: now }
    }

    /// The status that the last failure makes, if there is one.
    pub(super) fn unavailable(&self, now: OffsetDateTime) -> Option<Status> {
        let refusal = &self.failure.as_ref()?.refusal;
        Some(Status {
            state: State::Unavailable,
            cause: refusal.cause,
            words: Some(refusal.words.to_string()),
            since: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        let key = "https://local.vault.localhost/keys/k".parse().unwrap();
        let refusal = Refusal::unavailable(Cause::KeyDisabled, key, "", None);
        Failure { refusal, not_before: Duration::from_secs(1) }
    }

    #[test]
    fn a_yes_that_was_asked_for_before_a_refusal_came_is_superseded() {
        let mut health = Health::new();
        let (early, refused) = (health.draw(), health.draw());

        assert!(health.refuse(refused, failure()));

        assert!(!health.grant(early));
        let later = health.draw();
        assert!(health.grant(later));
        assert!(health.failure().is_none());
    }

    #[test]
    fn a_refusal_that_is_older_than_a_yes_is_no_news() {
        let mut health = Health::new();
        let (early, late) = (health.draw(), health.draw());

        assert!(health.grant(late));

        assert!(!health.refuse(early, failure()));
        assert!(health.failure().is_none());
    }
}
