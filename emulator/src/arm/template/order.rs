//! The order in which resources are deployed: dependencies come first; otherwise the template's order stays.

use super::error::TemplateError;

/// The indexes of the resources in deployment order. `after[i]` are the indexes that `i` depends on.
pub(super) fn order(after: &[Vec<usize>]) -> Result<Vec<usize>, usize> {
    let mut done = vec![false; after.len()];
    let mut order = Vec::with_capacity(after.len());
    let is_done = |done: &[bool], at: usize| done.get(at).copied().unwrap_or(true);
    while order.len() < after.len() {
        let is_ready = |at: &usize| {
            !is_done(&done, *at)
                && after
                    .get(*at)
                    .is_none_or(|others| others.iter().all(|other| is_done(&done, *other)))
        };
        let Some(next) = (0..after.len()).find(is_ready) else {
            return Err(index_in_cycle(after, &done));
        };
        order.push(next);
        if let Some(done) = done.get_mut(next) {
            *done = true;
        }
    }
    Ok(order)
}

/// An index in a dependency cycle, given that no remaining resource is ready.
fn index_in_cycle(after: &[Vec<usize>], done: &[bool]) -> usize {
    let waits = |at: usize| done.get(at) == Some(&false);
    let mut at = (0..after.len()).find(|at| waits(*at)).unwrap_or_default();
    // After as many steps as there are resources, the walk is inside the cycle.
    for _ in 0..after.len() {
        let next = after.get(at).and_then(|others| others.iter().find(|other| waits(**other)));
        at = next.copied().unwrap_or(at);
    }
    at
}

/// The error for a dependency cycle, with the id of a resource in it.
pub(super) fn cycle_error(id: &str) -> TemplateError {
    TemplateError::CircularDependency(id.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dependencies_come_first_and_otherwise_the_order_stays() {
        assert_eq!(order(&[]), Ok(vec![]));
        assert_eq!(order(&[vec![], vec![], vec![]]), Ok(vec![0, 1, 2]));
        assert_eq!(order(&[vec![2], vec![], vec![1], vec![]]), Ok(vec![1, 2, 0, 3]));
    }

    #[test]
    fn a_cycle_is_reported_by_a_resource_in_it() {
        assert_eq!(order(&[vec![0]]), Err(0));
        // The first resource waits for the cycle but is not in it.
        let found = order(&[vec![1], vec![2], vec![1]]).unwrap_err();
        assert!(found == 1 || found == 2, "{found}");
    }

    proptest! {
        #[test]
        fn every_order_has_each_resource_once_and_after_its_dependencies(
            after in prop::collection::vec(prop::collection::vec(0_usize..12, 0..3), 0..12)
        ) {
            let after: Vec<Vec<usize>> = after
                .iter()
                .map(|others| others.iter().copied().filter(|other| *other < after.len()).collect())
                .collect();

            if let Ok(order) = order(&after) {
                let mut sorted = order.clone();
                sorted.sort_unstable();
                prop_assert_eq!(sorted, (0..after.len()).collect::<Vec<_>>());
                let place = |of: usize| order.iter().position(|at| *at == of).unwrap();
                for (at, others) in after.iter().enumerate() {
                    prop_assert!(others.iter().all(|other| place(*other) < place(at)));
                }
            }
        }
    }
}
