//! Which resources of a deployment are to be made next.
//!
//! Those whose turn it is are made side by side, as in Azure. The check of a registry's key can fail only because a resource of
//! the same template that gives the permission is not made yet: templates that Azure's tutorial publishes do not say that the
//! registry waits for the access policy. Such a resource is held back, and is tried again after others were made.

use super::super::template::Resource;

/// How many resources are made at once.
const MOST_AT_ONCE: usize = 4;

/// What became of a resource so far.
enum State<S> {
    /// It is not its turn yet, or it is to be tried again.
    Waits,
    Runs,
    /// It failed, and may succeed when others are made.
    Held(S),
    Made(S),
    Failed(S),
    /// It is not to be made: its condition does not hold, or it waits for one that failed.
    LeftOut {
        /// Whether those that wait for it are left out as well.
        failed: bool,
    },
}

/// The resources of a plan, by their places in it, and what became of them. `S` is what is told of each.
pub(super) struct Board<'a, S> {
    resources: &'a [Resource],
    states: Vec<State<S>>,
}

impl<'a, S> Board<'a, S> {
    pub(super) fn new(resources: &'a [Resource]) -> Self {
        let state = |one: &Resource| {
            if one.is_included { State::Waits } else { State::LeftOut { failed: false } }
        };
        Self { resources, states: resources.iter().map(state).collect() }
    }

    /// A resource whose turn it is, which runs from now on. None: none before another one has ended.
    pub(super) fn next(&mut self) -> Option<usize> {
        self.leave_out();
        if self.running() >= MOST_AT_ONCE {
            return None;
        }
        let ready = |at: &usize| {
            let after = &self.resources[*at].after;
            matches!(self.states[*at], State::Waits)
                && after.iter().all(|other| self.is_over(*other))
        };
        let at = (0..self.states.len()).find(ready)?;
        self.states[at] = State::Runs;
        Some(at)
    }

    /// A resource is made. Those that are held back get another try.
    pub(super) fn made(&mut self, at: usize, told: S) {
        self.states[at] = State::Made(told);
        for state in &mut self.states {
            if matches!(state, State::Held(_)) {
                *state = State::Waits;
            }
        }
    }

    /// A resource failed. `may_wait`: it may succeed when others are made.
    pub(super) fn failed(&mut self, at: usize, told: S, may_wait: bool) {
        self.states[at] = if may_wait { State::Held(told) } else { State::Failed(told) };
    }

    /// What is told of each resource, in the order of the plan: of those that were held back, their failure.
    pub(super) fn told(self) -> Vec<S> {
        let told = self.states.into_iter().filter_map(|state| match state {
            State::Held(told) | State::Made(told) | State::Failed(told) => Some(told),
            State::Waits | State::Runs | State::LeftOut { .. } => None,
        });
        told.collect()
    }

    fn running(&self) -> usize {
        self.states.iter().filter(|state| matches!(state, State::Runs)).count()
    }

    /// Whether what waits for a resource need not wait any more.
    fn is_over(&self, at: usize) -> bool {
        matches!(self.states[at], State::Made(_) | State::LeftOut { failed: false })
    }

    /// What waits for one that failed has no step, as in Azure. A plan is in an order in which it comes after that one.
    fn leave_out(&mut self) {
        for at in 0..self.states.len() {
            let failed = |other: &usize| {
                matches!(self.states[*other], State::Failed(_) | State::LeftOut { failed: true })
            };
            if matches!(self.states[at], State::Waits)
                && self.resources[at].after.iter().any(failed)
            {
                self.states[at] = State::LeftOut { failed: true };
            }
        }
    }
}
