//! The inputs of expressions outside the template: where and when it is deployed.

use serde_json::Value;
use time::OffsetDateTime;

/// Where and when a template is deployed.
#[derive(Clone, Debug)]
pub struct DeploymentScope {
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
