//! A group as Azure shows it, and its scope of permissions.

use azure_emulator_core::authorization::Scope;
use serde_json::{Value, json};

use crate::arm::error::ArmError;
use crate::registry::{Group, ResourceGroup};

const TYPE: &str = "Microsoft.Resources/resourceGroups";

/// The action that reads a group.
pub(super) const READ: &str = "Microsoft.Resources/subscriptions/resourceGroups/read";

/// The form in answers and templates.
pub(in crate::arm) fn document(group: &Group) -> Value {
    json!({
        "id": group.name.id(),
        "name": group.name.as_str(),
        "type": TYPE,
        "location": group.location.as_str(),
        "tags": group.tags.as_map(),
        "properties": { "provisioningState": "Succeeded" },
    })
}

/// The scope of permissions for a group.
pub(super) fn scope(name: &ResourceGroup) -> Result<Scope, ArmError> {
    name.id().parse().map_err(|_| ArmError::Content(format!("'{name}' is not a valid group name")))
}
