//! Decides which resources of a deployment are made next.
//!
//! Resources whose dependencies are made run in parallel, as in Azure. The check of a registry's key can fail only
//! because another resource of the same template, which grants the permission, is not made yet: Azure's own tutorial
//! templates do not say that the registry depends on the access policy. The schedule holds such a registry back and
//! retries it after a resource was made that can grant permissions.

use crate::arm::template::Resource;

/// The maximum number of resources made at once.
const MAX_PARALLEL: usize = 4;

/// The providers whose resources can grant permissions.
const GRANTING_PROVIDERS: [&str; 2] = ["Microsoft.Authorization/", "Microsoft.KeyVault/"];

/// The state of a resource.
enum State<S> {
    /// It waits for its turn or for a retry.
    Waiting,
    Running {
        /// The number of permission-granting resources that were made before it began.
        grants: usize,
    },
    /// It failed, and may succeed after other resources are made.
    Blocked(S),
    Made(S),
    Failed(S),
    /// It is skipped: its condition does not hold, or a dependency failed.
    Skipped {
        /// Whether resources that depend on it are skipped as well.
        failed: bool,
    },
}

/// The resources of a plan, by index, and their states. `S` is the report for each.
pub(super) struct Schedule<'a, S> {
    resources: &'a [Resource],
    states: Vec<State<S>>,
    /// The number of permission-granting resources that were made.
    grants: usize,
}

impl<'a, S> Schedule<'a, S> {
    pub(super) fn new(resources: &'a [Resource]) -> Self {
        let state = |one: &Resource| {
            if one.is_included { State::Waiting } else { State::Skipped { failed: false } }
        };
        Self { resources, states: resources.iter().map(state).collect(), grants: 0 }
    }

    /// The next resource to run; it counts as running from now on. `None`: none is ready until another one ends.
    pub(super) fn next(&mut self) -> Option<usize> {
        self.skip_dependents();
        if self.running() >= MAX_PARALLEL {
            return None;
        }
        let ready = |at: &usize| {
            let after = &self.resources[*at].after;
            matches!(self.states[*at], State::Waiting)
                && after.iter().all(|other| self.is_over(*other))
        };
        let at = (0..self.states.len()).find(ready)?;
        self.states[at] = State::Running { grants: self.grants };
        Some(at)
    }

    /// Marks a resource as made. If it can grant permissions, the blocked resources are retried.
    pub(super) fn made(&mut self, at: usize, report: S) {
        self.states[at] = State::Made(report);
        if !grants_permissions(&self.resources[at].kind) {
            return;
        }
        self.grants += 1;
        for state in &mut self.states {
            if matches!(state, State::Blocked(_)) {
                *state = State::Waiting;
            }
        }
    }

    /// Marks a resource as failed. If it may succeed after a grant, it is retried after the next one. If a permission was
    /// granted since it began, it is retried at once, because the grant may have come too late for this attempt.
    pub(super) fn failed(&mut self, at: usize, report: S, may_succeed_after_grant: bool) {
        self.states[at] = match self.states[at] {
            State::Running { grants } if may_succeed_after_grant && grants < self.grants => {
                State::Waiting
            }
            _ if may_succeed_after_grant => State::Blocked(report),
            _ => State::Failed(report),
        };
    }

    /// The report of each resource, in the order of the plan; for blocked resources, their failure.
    pub(super) fn reports(self) -> Vec<S> {
        let reports = self.states.into_iter().filter_map(|state| match state {
            State::Blocked(report) | State::Made(report) | State::Failed(report) => Some(report),
            State::Waiting | State::Running { .. } | State::Skipped { .. } => None,
        });
        reports.collect()
    }

    fn running(&self) -> usize {
        self.states.iter().filter(|state| matches!(state, State::Running { .. })).count()
    }

    /// Whether resources that depend on this one need not wait any more.
    fn is_over(&self, at: usize) -> bool {
        matches!(self.states[at], State::Made(_) | State::Skipped { failed: false })
    }

    /// Skips the resources that depend on a failed one; they have no step, as in Azure. The plan lists them after it.
    fn skip_dependents(&mut self) {
        for at in 0..self.states.len() {
            let failed = |other: &usize| {
                matches!(self.states[*other], State::Failed(_) | State::Skipped { failed: true })
            };
            if matches!(self.states[at], State::Waiting)
                && self.resources[at].after.iter().any(failed)
            {
                self.states[at] = State::Skipped { failed: true };
            }
        }
    }
}

fn grants_permissions(kind: &str) -> bool {
    GRANTING_PROVIDERS.iter().any(|start| {
        kind.get(..start.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::template::Resource;

    /// Resources of these types, each with the indexes of its dependencies.
    fn resources(kinds: &[(&str, &[usize])]) -> Vec<Resource> {
        kinds.iter().map(|(kind, after)| Resource::for_kind(kind, after)).collect()
    }

    const REGISTRY: &str = "Microsoft.ContainerRegistry/registries";
    const POLICY: &str = "Microsoft.KeyVault/vaults/accessPolicies";
    const OTHER: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";

    #[test]
    fn a_permission_granted_while_a_resource_runs_causes_a_retry() {
        let resources = resources(&[(REGISTRY, &[]), (POLICY, &[])]);
        let mut schedule = Schedule::new(&resources);
        assert_eq!((schedule.next(), schedule.next(), schedule.next()), (Some(0), Some(1), None));

        schedule.made(1, "policy");
        schedule.failed(0, "too early", true);

        assert_eq!(schedule.next(), Some(0));
        schedule.made(0, "registry");
        assert_eq!(schedule.next(), None);
        assert_eq!(schedule.reports(), ["registry", "policy"]);
    }

    #[test]
    fn a_failed_resource_waits_only_for_a_permission() {
        let resources = resources(&[(REGISTRY, &[]), (OTHER, &[]), (POLICY, &[1])]);
        let mut schedule = Schedule::new(&resources);
        assert_eq!((schedule.next(), schedule.next(), schedule.next()), (Some(0), Some(1), None));

        schedule.failed(0, "no permission", true);
        schedule.made(1, "other");
        assert_eq!((schedule.next(), schedule.next()), (Some(2), None));
        schedule.made(2, "policy");
        assert_eq!(schedule.next(), Some(0));
        schedule.failed(0, "still none", true);

        assert_eq!(schedule.next(), None);
        assert_eq!(schedule.reports(), ["still none", "other", "policy"]);
    }

    #[test]
    fn resources_that_depend_on_a_failed_one_are_skipped_transitively() {
        let resources = resources(&[(OTHER, &[]), (OTHER, &[0]), (OTHER, &[1]), (OTHER, &[])]);
        let mut schedule = Schedule::new(&resources);
        assert_eq!((schedule.next(), schedule.next(), schedule.next()), (Some(0), Some(3), None));

        schedule.failed(0, "wrong", false);
        schedule.made(3, "right");

        assert_eq!(schedule.next(), None);
        assert_eq!(schedule.reports(), ["wrong", "right"]);
    }

    #[test]
    fn the_number_of_parallel_resources_is_limited() {
        let resources = resources(&[(OTHER, &[] as &[usize]); MAX_PARALLEL + 1]);
        let mut schedule = Schedule::new(&resources);

        for at in 0..MAX_PARALLEL {
            assert_eq!(schedule.next(), Some(at));
        }
        assert_eq!(schedule.next(), None);
        schedule.made(2, ());
        assert_eq!(schedule.next(), Some(MAX_PARALLEL));
    }
}
