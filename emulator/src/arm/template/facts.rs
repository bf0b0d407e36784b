//! What expressions can ask for beside the template: where and when it is deployed, and what resources look like.
//!
//! The evaluator makes no request. A resource that an expression refers to is asked for by whoever deploys: the
//! evaluation ends with a [`Need`], which is looked up and put into [`Known`], and then it is begun again.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;

/// Where and when a template is deployed.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The id of the subscription, without what stands before it in a path.
    pub subscription_id: String,
    /// The name of the resource group.
    pub group_name: String,
    /// What `subscription()` is.
    pub subscription: Value,
    /// What `tenant()` is.
    pub tenant: Value,
    /// What `resourceGroup()` is.
    pub group: Value,
    /// What `deployment()` is.
    pub deployment: Value,
    /// What `environment()` is.
    pub environment: Value,
    /// The moment of the deployment.
    pub now: OffsetDateTime,
    /// What `newGuid()` is made of: of each deployment another one.
    pub seed: String,
}

/// What has to be looked up before an expression has a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// The resource as it is now, by GET.
    Resource {
        /// Its id.
        id: String,
        /// The version to ask with.
        api_version: String,
    },
    /// What a `list…` function answers, by POST.
    List {
        /// Its id.
        id: String,
        /// The function, which is the last word of the path.
        function: String,
        /// The version to ask with.
        api_version: String,
        /// The body, as text.
        body: Option<String>,
    },
}

/// What was looked up.
#[derive(Clone, Default)]
pub struct Known(BTreeMap<Need, Value>);

impl std::fmt::Debug for Known {
    /// Lists are of passwords, so no value is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Known {
    /// Keeps what was needed.
    pub fn insert(&mut self, need: Need, value: Value) {
        self.0.insert(need, value);
    }

    /// What was looked up for this, if it was.
    pub fn get(&self, need: &Need) -> Option<&Value> {
        self.0.get(need)
    }

    /// How much was looked up.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was looked up yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
