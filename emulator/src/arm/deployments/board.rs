//! Decides which resources of a deployment are made next.
//!
//! Resources whose dependencies are made run in parallel, as in Azure. The check of a registry's key can fail only
//! because another resource of the same template, which grants the permission, is not made yet: Azure's own tutorial
//! templates do not say that the registry depends on the access policy. The board holds such a registry back and
//! retries it after a resource was made that can grant permissions.

use crate::arm::template::Resource;

/// The maximum number of resources made at once.
const MOST_AT_ONCE: usize = 4;

/// The providers whose resources can grant permissions.
const GIVING: [&str; 2] = ["Microsoft.Authorization/", "Microsoft.KeyVault/"];

/// The state of a resource.
enum State<S> {
    /// It waits for its turn or for a retry.
    Waits,
    Runs {
        /// The number of permission-granting resources that were made before it began.
        given: usize,
    },
    /// It failed, and may succeed after other resources are made.
    Held(S),
    Made(S),
    Failed(S),
    /// It is skipped: its condition does not hold, or a dependency failed.
    LeftOut {
        /// Whether resources that depend on it are skipped as well.
        failed: bool,
    },
}

/// The resources of a plan, by index, and their states. `S` is the report for each.
pub(super) struct Board<'a, S> {
    resources: &'a [Resource],
    states: Vec<State<S>>,
    /// The number of permission-granting resources that were made.
    given: usize,
}

impl<'a, S> Board<'a, S> {
    pub(super) fn new(resources: &'a [Resource]) -> Self {
        let state = |one: &Resource| {
            if one.is_included { State::Waits } else { State::LeftOut { failed: false } }
        };
        Self { resources, states: resources.iter().map(state).collect(), given: 0 }
    }

    /// The next resource to run; it counts as running from now on. `None`: none is ready until another one ends.
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

    /// Marks a resource as made. If it can grant permissions, the held-back resources are retried.
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

    /// Marks a resource as failed. `may_wait`: it may succeed after a permission is granted. If one was granted since
    /// it began, it is retried, because the grant may have come too late for this attempt.
    pub(super) fn failed(&mut self, at: usize, told: S, may_wait: bool) {
        self.states[at] = match self.states[at] {
            State::Runs { given } if may_wait && given < self.given => State::Waits,
            _ if may_wait => State::Held(told),
            _ => State::Failed(told),
        };
    }

    /// The report of each resource, in the order of the plan; for held-back resources, their failure.
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

    /// Whether resources that depend on this one need not wait any more.
    fn is_over(&self, at: usize) -> bool {
        matches!(self.states[at], State::Made(_) | State::LeftOut { failed: false })
    }

    /// Skips the resources that depend on a failed one; they have no step, as in Azure. The plan lists them after it.
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

    /// Resources of these types, each with the indexes of its dependencies.
    fn resources(kinds: &[(&str, &[usize])]) -> Vec<Resource> {
        kinds.iter().map(|(kind, after)| Resource::of_kind(kind, after)).collect()
    }

    const REGISTRY: &str = "Microsoft.ContainerRegistry/registries";
    const POLICY: &str = "Microsoft.KeyVault/vaults/accessPolicies";
    const OTHER: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";

    #[test]
    fn a_permission_granted_while_a_resource_runs_causes_a_retry() {
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
    fn a_failed_resource_waits_only_for_a_permission() {
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
    fn resources_that_depend_on_a_failed_one_are_skipped_transitively() {
        let resources = resources(&[(OTHER, &[]), (OTHER, &[0]), (OTHER, &[1]), (OTHER, &[])]);
        let mut board = Board::new(&resources);
        assert_eq!((board.next(), board.next(), board.next()), (Some(0), Some(3), None));

        board.failed(0, "wrong", false);
        board.made(3, "right");

        assert_eq!(board.next(), None);
        assert_eq!(board.told(), ["wrong", "right"]);
    }

    #[test]
    fn the_number_of_parallel_resources_is_limited() {
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
