//! Where an operation that has not ended stands: in an attempt, or waiting for the next one.

use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Kind;
use super::replace::SUBJECTS;

/// How long it is from the first failed attempt to the next one, in real time. It doubles with each.
const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest rest between two attempts.
const LONGEST_REST: Duration = Duration::from_mins(1);

/// An operation that has not ended, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its id.
    pub id: Uuid,
    /// What it does, by name.
    pub operation: String,
    /// What it is done to, where that has a name.
    pub subject: Option<String>,
    /// When it began, in emulator time.
    pub begun: OffsetDateTime,
    /// The last step that it has reached; empty at the begin.
    pub step: String,
    /// Whether a stop or a failure has cut it short.
    pub was_cut_short: bool,
    /// How many attempts have failed since the start.
    pub attempts: u32,
    /// Why the last one failed.
    pub error: Option<String>,
    /// How long it is until the next attempt, in real time; none while one runs and where there will be none.
    pub next: Option<Duration>,
}

pub(super) struct Entry {
    /// None: this program does not know it.
    pub(super) kind: Option<Kind>,
    name: String,
    pub(super) parameters: Vec<u8>,
    pub(super) step: String,
    pub(super) begun: OffsetDateTime,
    pub(super) state: State,
    pub(super) was_cut_short: bool,
    attempts: u32,
    /// How many of them failed because somebody refused, and not because somebody did not answer.
    refusals: u32,
    error: Option<String>,
    /// From when on the next attempt is due, in real time.
    next: Duration,
    /// Whether the attempt that runs, or ran last, has noted why it failed.
    is_explained: bool,
    /// Whether the attempt that runs is to end before its next step.
    pub(super) is_stopped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Waiting,
    /// It cannot go on in this program.
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

    pub(super) fn cut_short(
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

    /// An attempt begins.
    pub(super) fn run(&mut self) {
        self.state = State::Running;
        self.is_explained = false;
        self.is_stopped = false;
    }

    /// The attempt is to end before its next step.
    pub(super) fn stop(&mut self) {
        self.is_stopped = self.state == State::Running;
    }

    /// The attempt has ended, and the operation has not. The next attempt rests even if nobody noted why this one failed:
    /// an attempt that is due at once would be made again and again at full speed.
    pub(super) fn wait(&mut self, now: Duration) {
        self.state = State::Waiting;
        self.was_cut_short = true;
        if !self.is_explained {
            self.rest(now);
        }
    }

    /// The operation is left to the runner, which begins at once.
    pub(super) fn wait_for_runner(&mut self) {
        self.state = State::Waiting;
        self.was_cut_short = true;
    }

    /// The attempt has failed. True: the reason is another one than that of the attempt before.
    pub(super) fn fail(&mut self, why: String, now: Duration) -> bool {
        self.rest(now);
        self.explain(why)
    }

    /// The attempt was refused. True: the reason is another one than that of the attempt before.
    pub(super) fn refuse(&mut self, why: String, now: Duration) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        self.fail(why, now)
    }

    /// Notes why an attempt failed that has ended. True: the reason is another one than that of the attempt before.
    pub(super) fn explain(&mut self, why: String) -> bool {
        self.is_explained = true;
        let is_news = self.error.as_ref() != Some(&why);
        self.error = Some(why);
        is_news
    }

    /// Whether the last attempt has ended without noting why it failed.
    pub(super) fn is_unexplained(&self) -> bool {
        self.state == State::Waiting && !self.is_explained
    }

    fn rest(&mut self, now: Duration) {
        let rest = FIRST_REST.saturating_mul(1 << self.attempts.min(10)).min(LONGEST_REST);
        self.attempts = self.attempts.saturating_add(1);
        self.next = now.saturating_add(rest);
    }

    /// Why the last attempt failed.
    pub(super) fn error(&self) -> Option<String> {
        self.error.clone()
    }

    /// How many attempts were refused since the start.
    pub(super) fn refusals(&self) -> u32 {
        self.refusals
    }

    /// The next attempt is due at once.
    #[cfg(test)]
    pub(super) fn end_rest(&mut self) {
        self.next = Duration::ZERO;
    }

    /// What it does, by name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.state == State::Waiting && self.next <= now
    }

    /// How long it is until the next attempt.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        (self.state == State::Waiting).then(|| self.next.saturating_sub(now))
    }

    /// The name of what it is done to.
    pub(super) fn subject(&self) -> Option<String> {
        let parameters: Value = serde_json::from_slice(&self.parameters).ok()?;
        SUBJECTS.iter().find_map(|name| parameters[name].as_str().map(str::to_owned))
    }

    /// The name of the registry that it is done to.
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
    fn who_does_not_answer_is_not_counted_as_a_refusal() {
        let begun = OffsetDateTime::UNIX_EPOCH;
        let mut entry = Entry::running(Kind::DeleteGroup, Vec::new(), begun);

        for _ in 0..10 {
            entry.fail("the vault does not answer".to_owned(), Duration::ZERO);
        }
        entry.refuse("it is in use".to_owned(), Duration::ZERO);

        assert_eq!((entry.attempts, entry.refusals()), (11, 1));
    }
}
