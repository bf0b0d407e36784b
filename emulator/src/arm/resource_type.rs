//! A resource type, as the parts of the control plane see it that concern the resources of all types.

use azure_emulator_core::listing::Resource;
use futures::future::BoxFuture;

use super::context::Context;
use super::error::ArmError;
use super::state::Arm;
use crate::registry::ResourceGroup;

/// A resource type. [`TYPES`](super::resources::TYPES) lists them all.
pub(super) trait ResourceType: Sync {
    /// The resources of a group, or all, that the caller may see, for the list of resources of every type.
    fn shown<'a>(
        &self,
        context: &'a Context,
        group: Option<&'a ResourceGroup>,
    ) -> BoxFuture<'a, Result<Vec<Resource>, ArmError>>;

    /// The ids of all resources in a group. The deletion of the group deletes them.
    fn ids<'a>(
        &self,
        arm: &'a Arm,
        group: &'a ResourceGroup,
    ) -> BoxFuture<'a, Result<Vec<String>, ArmError>>;
}
