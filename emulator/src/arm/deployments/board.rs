//! Which resources of a deployment are to be made next.
//!
//! Those whose turn it is are made side by side, as in Azure. The check of a registry's key can fail only because a resource of
//! the same template that gives the permission is not made yet: templates that Azure's tutorial publishes do not say that the
//! registry waits for the access policy. Such a resource is held back, and is tried again after one was made that can give
//! permissions.

use super::super::template::Resource;

/// How many resources are made at once.
const MOST_AT_ONCE: usize = 4;

/// The providers whose resources can give permissions.
const GIVING: [&str; 2] = ["Microsoft.Authorization/", "Microsoft.KeyVault/"];

/// What became of a resource so far.
enum State<S> {
    /// It is not its turn yet, or it is to be tried again.
    Waits,
    Runs {
        /// How many resources that can give permissions were made before it began.
        given: usize,
    },
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
    /// How many resources that can give permissions were made.
    given: usize,
}

impl<'a, S> Board<'a, S> {
    pub(super) fn new(resources: &'a [Resource]) -> Self {
        let state = |one: &Resource| {
            if one.is_included { State::Waits } else { State::LeftOut { failed: false } }
        };
        Self { resources, states: resources.iter().map(state).collect(), given: 0 }
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
        self.states[at] = State::Runs { given: self.given };
        Some(at)
    }

    /// A resource is made. If it can give permissions, those that are held back get another try.
    pub(super) fn made(&mut self, at: usize, told: S) {
        self.states[at] = State::Made(told);
        if !gives(&self.resources[at].kind) {
            return;
        }
        self.given += 1;
        for state in &mut self.states {
            if matches!(state, State::Held(_)) {
                *state = State::Waits;
            }
        }
    }

    /// A resource failed. `may_wait`: it may succeed when a permission is given. If one was given since it began, that may have
    /// come too late for this try.
    pub(super) fn failed(&mut self, at: usize, told: S, may_wait: bool) {
        self.states[at] = match self.states[at] {
            State::Runs { given } if may_wait && given < self.given => State::Waits,
            _ if may_wait => State::Held(told),
            _ => State::Failed(told),
        };
    }

    /// What is told of each resource, in the order of the plan: of those that were held back, their failure.
    pub(super) fn told(self) -> Vec<S> {
        let told = self.states.into_iter().filter_map(|state| match state {
            State::Held(told) | State::Made(told) | State::Failed(told) => Some(told),
            State::Waits | State::Runs { .. } | State::LeftOut { .. } => None,
        });
        told.collect()
    }

    fn running(&self) -> usize {
        self.states.iter().filter(|state| matches!(state, State::Runs { .. })).count()
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

fn gives(kind: &str) -> bool {
    GIVING.iter().any(|start| {
        kind.get(..start.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::template::Resource;

    /// Resources of these types, each with the places of those that it waits for.
    fn resources(kinds: &[(&str, &[usize])]) -> Vec<Resource> {
        kinds.iter().map(|(kind, after)| Resource::of_kind(kind, after)).collect()
    }

    const REGISTRY: &str = "Microsoft.ContainerRegistry/registries";
    const POLICY: &str = "Microsoft.KeyVault/vaults/accessPolicies";
    const OTHER: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";

    #[test]
    fn a_permission_that_is_given_while_a_resource_runs_gets_it_another_try() {
        let resources = resources(&[(REGISTRY, &[]), (POLICY, &[])]);
        let mut board = Board::new(&resources);
        assert_eq!((board.next(), board.next(), board.next()), (Some(0), Some(1), None));

        board.made(1, "policy");
        board.failed(0, "too early", true);

        assert_eq!(board.next(), Some(0));
        board.made(0, "registry");
        assert_eq!(board.next(), None);
        assert_eq!(board.told(), ["registry", "policy"]);
    }

    #[test]
    fn a_resource_that_failed_waits_for_a_permission_and_for_nothing_else() {
        let resources = resources(&[(REGISTRY, &[]), (OTHER, &[]), (POLICY, &[1])]);
        let mut board = Board::new(&resources);
        assert_eq!((board.next(), board.next(), board.next()), (Some(0), Some(1), None));

        board.failed(0, "no permission", true);
        board.made(1, "other");
        assert_eq!((board.next(), board.next()), (Some(2), None));
        board.made(2, "policy");
        assert_eq!(board.next(), Some(0));
        board.failed(0, "still none", true);

        assert_eq!(board.next(), None);
        assert_eq!(board.told(), ["still none", "other", "policy"]);
    }

    #[test]
    fn what_waits_for_one_that_failed_is_left_out_with_all_that_waits_for_it() {
        let resources = resources(&[(OTHER, &[]), (OTHER, &[0]), (OTHER, &[1]), (OTHER, &[])]);
        let mut board = Board::new(&resources);
        assert_eq!((board.next(), board.next(), board.next()), (Some(0), Some(3), None));

        board.failed(0, "wrong", false);
        board.made(3, "right");

        assert_eq!(board.next(), None);
        assert_eq!(board.told(), ["wrong", "right"]);
    }

    #[test]
    fn only_so_many_run_at_once() {
        let resources = resources(&[(OTHER, &[] as &[usize]); MOST_AT_ONCE + 1]);
        let mut board = Board::new(&resources);

        for at in 0..MOST_AT_ONCE {
            assert_eq!(board.next(), Some(at));
        }
        assert_eq!(board.next(), None);
        board.made(2, ());
        assert_eq!(board.next(), Some(MOST_AT_ONCE));
    }
}
