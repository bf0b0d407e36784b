//! Finds the resources of a template by the names that other resources use for them.

use std::collections::{BTreeSet, HashMap};

use super::ids::{id_under, normalized};
use super::resource::Resource;

/// The indexes of resources by each form that can name them: an id, a name, or a type with names in turn.
pub(super) struct ResourceIndex(HashMap<String, Vec<usize>>);

impl ResourceIndex {
    pub(super) fn new(found: &[Resource]) -> Self {
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, resource) in found.iter().enumerate() {
            let names: Vec<&str> = resource.name.split('/').collect();
            let in_turn = id_under("", &resource.kind, &names).unwrap_or_default();
            let in_turn = in_turn.trim_start_matches("/providers").to_owned();
            // An id begins with a slash; the other forms do not.
            let all = [
                normalized(&resource.id),
                normalized(&resource.name),
                normalized(in_turn.trim_start_matches('/')),
            ];
            for name in BTreeSet::from(all) {
                places.entry(name).or_default().push(at);
            }
        }
        Self(places)
    }

    /// The indexes of the named resources, if there are any.
    pub(super) fn find(&self, named: &str) -> Option<impl Iterator<Item = usize>> {
        self.0.get(&normalized(named)).map(|places| places.iter().copied())
    }
}
