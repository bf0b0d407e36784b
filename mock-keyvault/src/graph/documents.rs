//! The JSON of principals in Graph.

use serde_json::{Value, json};

use azure_emulator_core::identity::{Principal, PrincipalKind, TENANT};

/// A complete list.
pub(super) fn list(value: &[Value]) -> Value {
    json!({ "value": value })
}

/// A service principal.
pub(super) fn principal(principal: &Principal) -> Value {
    let kind = match principal.kind() {
        PrincipalKind::Application => "Application",
        PrincipalKind::UserAssignedIdentity | PrincipalKind::SystemAssignedIdentity => {
            "ManagedIdentity"
        }
    };
    // Graph shows the resource of a managed identity among its alternative names, and whether the identity is such a resource.
    let is_explicit = principal.kind() == PrincipalKind::UserAssignedIdentity;
    let others: Vec<String> = principal
        .resource_id()
        .map(|resource| vec![format!("isExplicit={is_explicit}"), resource.to_owned()])
        .unwrap_or_default();
    json!({
        "id": principal.object_id(),
        "accountEnabled": true,
        "alternativeNames": others,
        "appDisplayName": principal.display_name(),
        "appId": principal.client_id(),
        "appOwnerOrganizationId": TENANT,
        "displayName": principal.display_name(),
        "servicePrincipalNames": [principal.client_id()],
        "servicePrincipalType": kind,
        "tags": [],
    })
}

/// Renders a service principal in a list of objects of any kind.
pub(super) fn object(principal: &Principal) -> Value {
    let mut object = self::principal(principal);
    object["@odata.type"] = "#microsoft.graph.servicePrincipal".into();
    object
}

/// Renders the application of a principal. Here the two are one object, so both have the same id.
pub(super) fn application(principal: &Principal) -> Value {
    json!({
        "id": principal.object_id(),
        "appId": principal.client_id(),
        "displayName": principal.display_name(),
        "identifierUris": [],
        "signInAudience": "AzureADMyOrg",
    })
}
