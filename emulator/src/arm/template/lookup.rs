//! The lookups that expressions need, and their results.
//!
//! The evaluator makes no requests. If an expression refers to a resource, the evaluation ends with a [`Lookup`]; the
//! deployment makes it, puts its result into [`LookupResults`] and evaluates again.

use std::collections::BTreeMap;

use serde_json::Value;

/// A lookup that an expression needs before it has a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lookup {
    /// The resource's current state, by GET.
    Resource {
        /// Its id.
        id: String,
        /// The API version of the request.
        api_version: String,
    },
    /// The answer of a `list…` function, by POST.
    List {
        /// Its id.
        id: String,
        /// The function, which is the last segment of the path.
        function: String,
        /// The API version of the request.
        api_version: String,
        /// The body, as text.
        body: Option<String>,
    },
}

/// The lookups made so far and their answers.
#[derive(Clone, Default)]
pub struct LookupResults(BTreeMap<Lookup, Value>);

impl std::fmt::Debug for LookupResults {
    /// Shows no values, because list functions return passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl LookupResults {
    /// Stores the answer to a lookup.
    pub fn insert(&mut self, lookup: Lookup, value: Value) {
        self.0.insert(lookup, value);
    }

    /// The answer to this lookup, if it was made.
    pub fn get(&self, lookup: &Lookup) -> Option<&Value> {
        self.0.get(lookup)
    }

    /// The number of lookups made.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
