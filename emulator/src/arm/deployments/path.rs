//! The deployment of a path: its id, its scope, and its lookup.

use azure_emulator_core::authorization::Scope;

use crate::arm::context::Context;
use crate::arm::error::ArmError;
use crate::registry::{Deployment, DeploymentName, ResourceGroup};

/// The resource type.
pub(super) const TYPE: &str = "Microsoft.Resources/deployments";

/// A deployment in a path; it may not exist.
pub(super) struct DeploymentPath {
    pub(super) group: ResourceGroup,
    pub(super) name: DeploymentName,
}

impl DeploymentPath {
    pub(super) fn id(&self) -> String {
        Deployment::id_of(&self.group, &self.name)
    }

    /// Refuses a caller without a role for an action on it.
    pub(super) fn require(&self, context: &Context, action: &'static str) -> Result<(), ArmError> {
        context.require(action, &scope(&self.id())?)
    }

    /// The stored deployment.
    pub(super) async fn found(&self, context: &Context) -> Result<Deployment, ArmError> {
        Ok(context.arm.registries.deployment(&self.group, &self.name).await?)
    }
}

/// The scope of permissions for a resource.
pub(super) fn scope(id: &str) -> Result<Scope, ArmError> {
    id.parse().map_err(|_| ArmError::Content(format!("'{id}' is too long")))
}
