//! The state of an operation that has not ended: in an attempt, or waiting for the next one.

use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::kind::{Kind, SUBJECTS};

/// The time from the first failed attempt to the next one, in real time. It doubles with each attempt.
const MIN_BACKOFF: Duration = Duration::from_secs(1);
/// The maximum time between two attempts.
const MAX_BACKOFF: Duration = Duration::from_mins(1);

/// An operation that has not ended, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its id.
    pub id: Uuid,
    /// The name of its kind.
    pub operation: String,
    /// The name of its subject, if it has one.
    pub subject: Option<String>,
    /// When it began, in emulator time.
    pub begun: OffsetDateTime,
    /// The last step that it has reached; empty at the beginning.
    pub step: String,
    /// Whether a stop or a failure has interrupted it.
    pub was_cut_short: bool,
    /// The number of failed attempts since the start.
    pub attempts: u32,
    /// Why the last one failed.
    pub error: Option<String>,
    /// The time until the next attempt, in real time; `None` while one runs and if there will be none.
    pub next: Option<Duration>,
}

pub(super) struct Entry {
    /// `None`: this program does not know it.
    pub(super) kind: Option<Kind>,
    name: String,
    pub(super) parameters: Vec<u8>,
    pub(super) step: String,
    pub(super) begun: OffsetDateTime,
    pub(super) state: State,
    pub(super) was_cut_short: bool,
    attempts: u32,
    /// The number of attempts that failed because of a refusal, and not because a service did not answer.
    refusals: u32,
    error: Option<String>,
    /// When the next attempt is due, in real time.
    next: Duration,
    /// Whether the current or last attempt has recorded why it failed.
    is_explained: bool,
    /// Whether the current attempt must end before its next step.
    pub(super) is_stopped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Waiting,
    /// It cannot continue in this program.
    Stuck,
}

impl Entry {
    pub(super) fn running(kind: Kind, parameters: Vec<u8>, begun: OffsetDateTime) -> Self {
        Self {
            kind: Some(kind),
            name: kind.name().to_owned(),
            parameters,
            step: String::new(),
            begun,
            state: State::Running,
            was_cut_short: false,
            attempts: 0,
            refusals: 0,
            error: None,
            next: Duration::ZERO,
            is_explained: false,
            is_stopped: false,
        }
    }

    pub(super) fn interrupted(
        kind: Kind,
        parameters: Vec<u8>,
        step: String,
        begun: OffsetDateTime,
    ) -> Self {
        let running = Self::running(kind, parameters, begun);
        Self { step, state: State::Waiting, was_cut_short: true, ..running }
    }

    pub(super) fn stuck(
        kind: Option<Kind>,
        name: String,
        step: String,
        begun: OffsetDateTime,
        why: String,
    ) -> Self {
        Self {
            kind,
            name,
            parameters: Vec::new(),
            step,
            begun,
            state: State::Stuck,
            was_cut_short: true,
            attempts: 0,
            refusals: 0,
            error: Some(why),
            next: Duration::ZERO,
            is_explained: true,
            is_stopped: false,
        }
    }

    /// Begins an attempt.
    pub(super) fn run(&mut self) {
        self.state = State::Running;
        self.is_explained = false;
        self.is_stopped = false;
    }

    /// Tells the attempt to end before its next step.
    pub(super) fn stop(&mut self) {
        self.is_stopped = self.state == State::Running;
    }

    /// Ends the attempt, but not the operation. The next attempt waits even if no failure was recorded: an attempt that
    /// is due at once would be repeated again and again at full speed.
    pub(super) fn wait(&mut self, now: Duration) {
        self.state = State::Waiting;
        self.was_cut_short = true;
        if !self.is_explained {
            self.back_off(now);
        }
    }

    /// Leaves the operation to the runner, which begins at once.
    pub(super) fn wait_for_runner(&mut self) {
        self.state = State::Waiting;
        self.was_cut_short = true;
    }

    /// Records that the attempt failed. True: the reason differs from that of the attempt before.
    pub(super) fn fail(&mut self, why: String, now: Duration) -> bool {
        self.back_off(now);
        self.explain(why)
    }

    /// Records that the attempt was refused. True: the reason differs from that of the attempt before.
    pub(super) fn refuse(&mut self, why: String, now: Duration) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        self.fail(why, now)
    }

    /// Records why an attempt failed, after its end. True: the reason differs from that of the attempt before.
    pub(super) fn explain(&mut self, why: String) -> bool {
        self.is_explained = true;
        let is_news = self.error.as_ref() != Some(&why);
        self.error = Some(why);
        is_news
    }

    /// Whether the last attempt ended without recording why it failed.
    pub(super) fn is_unexplained(&self) -> bool {
        self.state == State::Waiting && !self.is_explained
    }

    fn back_off(&mut self, now: Duration) {
        let rest = MIN_BACKOFF.saturating_mul(1 << self.attempts.min(10)).min(MAX_BACKOFF);
        self.attempts = self.attempts.saturating_add(1);
        self.next = now.saturating_add(rest);
    }

    /// Why the last attempt failed.
    pub(super) fn error(&self) -> Option<String> {
        self.error.clone()
    }

    /// The number of attempts refused since the start.
    pub(super) fn refusals(&self) -> u32 {
        self.refusals
    }

    /// Makes the next attempt due at once.
    #[cfg(test)]
    pub(super) fn end_backoff(&mut self) {
        self.next = Duration::ZERO;
    }

    /// The name of its kind.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.state == State::Waiting && self.next <= now
    }

    /// The time until the next attempt.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        (self.state == State::Waiting).then(|| self.next.saturating_sub(now))
    }

    /// The name of its subject.
    pub(super) fn subject(&self) -> Option<String> {
        let parameters: Value = serde_json::from_slice(&self.parameters).ok()?;
        SUBJECTS.iter().find_map(|name| parameters[name].as_str().map(str::to_owned))
    }

    /// The name of the registry that is its subject.
    pub(super) fn registry(&self) -> Option<String> {
        let parameters: Value = serde_json::from_slice(&self.parameters).ok()?;
        parameters["registry"].as_str().map(str::to_owned)
    }

    pub(super) fn report(&self, id: Uuid, now: Duration) -> Unfinished {
        Unfinished {
            id,
            operation: self.name.clone(),
            subject: self.subject(),
            begun: self.begun,
            step: self.step.clone(),
            was_cut_short: self.was_cut_short,
            attempts: self.attempts,
            error: self.error.clone(),
            next: self.next(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_an_answer_does_not_count_as_a_refusal() {
        let begun = OffsetDateTime::UNIX_EPOCH;
        let mut entry = Entry::running(Kind::DeleteGroup, Vec::new(), begun);

        for _ in 0..10 {
            entry.fail("the vault does not answer".to_owned(), Duration::ZERO);
        }
        entry.refuse("it is in use".to_owned(), Duration::ZERO);

        assert_eq!((entry.attempts, entry.refusals()), (11, 1));
    }
}
