//! The inputs of expressions outside the template: where and when it is deployed, and the looked-up resources.
//!
//! The evaluator makes no requests. If an expression refers to a resource, the evaluation ends with a [`Need`]; the
//! deployment looks it up, puts the answer into [`Known`] and evaluates again.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;

/// Where and when a template is deployed.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The id of the subscription, without the path before it.
    pub subscription_id: String,
    /// The name of the resource group.
    pub group_name: String,
    /// The value of `subscription()`.
    pub subscription: Value,
    /// The value of `tenant()`.
    pub tenant: Value,
    /// The value of `resourceGroup()`.
    pub group: Value,
    /// The value of `deployment()`.
    pub deployment: Value,
    /// The value of `environment()`.
    pub environment: Value,
    /// The time of the deployment.
    pub now: OffsetDateTime,
    /// The seed of `newGuid()`, unique for each deployment.
    pub seed: String,
}

/// A lookup that an expression needs before it has a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
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
pub struct Known(BTreeMap<Need, Value>);

impl std::fmt::Debug for Known {
    /// Shows no values, because list functions return passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Known {
    /// Stores the answer to a lookup.
    pub fn insert(&mut self, need: Need, value: Value) {
        self.0.insert(need, value);
    }

    /// The answer to this lookup, if it was made.
    pub fn get(&self, need: &Need) -> Option<&Value> {
        self.0.get(need)
    }

    /// The number of lookups made.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no lookup was made yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
