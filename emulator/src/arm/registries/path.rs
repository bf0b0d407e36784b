//! The registry of a path: its id, its scope, and its lookup in the group that the path names.

use azure_emulator_core::authorization::Scope;

use crate::arm::context::Context;
use crate::arm::error::{ArmError, Refusal};
use crate::registry::{Registry, ResourceGroup};

/// The resource type.
pub(super) const TYPE: &str = "Microsoft.ContainerRegistry/registries";

/// A registry in a path; it may not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::arm) struct RegistryPath {
    pub(in crate::arm) group: ResourceGroup,
    pub(in crate::arm) name: String,
}

impl RegistryPath {
    /// The id of the registry, whether it exists or not.
    pub(super) fn id(&self) -> String {
        format!("{}/providers/{TYPE}/{}", self.group.id(), self.name)
    }

    /// The scope of permissions for the registry.
    pub(super) fn scope(&self) -> Result<Scope, ArmError> {
        scope_of(&self.id())
    }

    /// The registry, if this group has one of this name.
    pub(super) fn find(&self, context: &Context) -> Option<Registry> {
        let found = context.arm.registries.get(&self.name);
        found.filter(|registry| registry.profile().group == self.group)
    }

    /// The registry, or Azure's error if it does not exist.
    pub(super) fn found(&self, context: &Context) -> Result<Registry, ArmError> {
        self.find(context).ok_or_else(|| ArmError::NoResource {
            kind: TYPE,
            name: self.name.chars().take(100).collect(),
            group: self.group.to_string(),
        })
    }

    /// The registry of a new part, or Azure's error if it does not exist.
    pub(super) fn parent_of(
        &self,
        context: &Context,
        kind: &'static str,
    ) -> Result<Registry, ArmError> {
        self.find(context).ok_or_else(|| Refusal::NoParent { kind, registry: self.id() }.into())
    }

    /// The name in the id of a part of this registry, of this type. `None`: the id names something else.
    pub(super) fn child_name<'a>(&self, id: &'a str, kind: &str) -> Option<&'a str> {
        let before = format!("{}/{kind}/", self.id());
        let start = id.get(..before.len())?;
        let name = id.get(before.len()..)?;
        (start.eq_ignore_ascii_case(&before) && !name.is_empty() && !name.contains('/'))
            .then_some(name)
    }
}

/// The scope of permissions for a resource.
pub(super) fn scope_of(id: &str) -> Result<Scope, ArmError> {
    id.parse().map_err(|_| ArmError::Content("the name is not valid".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_known_by_its_id_in_any_case_and_only_if_it_is_of_this_registry() {
        let at = RegistryPath { group: "Group".parse().unwrap(), name: "team1".to_owned() };
        let id = format!("{}/TOKENS/Mine", at.id().to_uppercase());

        assert_eq!(at.child_name(&id, "tokens"), Some("Mine"));
        for other in
            ["", "Mine", "/subscriptions/x", &id.replace("TEAM1", "TEAM2"), &format!("{id}/a")]
        {
            assert_eq!(at.child_name(other, "tokens"), None, "{other}");
        }
        assert_eq!(at.child_name(&id, "scopeMaps"), None);
    }
}
