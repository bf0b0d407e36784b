//! The emulator's one subscription and one tenant.

use axum::response::Response;
use azure_emulator_core::authorization::Scope;
use azure_emulator_core::identity::TENANT;
use mock_keyvault::LOCAL_SUBSCRIPTION;
use mock_keyvault::control::{self, RequestError};
use serde_json::{Value, json};

use super::context::Context;
use super::error::ArmError;
use super::reply::json as answer;

/// The action that reads a subscription.
const READ: &str = "Microsoft.Resources/subscriptions/read";

/// Refuses any subscription but the emulator's.
pub(super) fn require(subscription: &str) -> Result<(), RequestError> {
    match control::subscription(subscription)? {
        LOCAL_SUBSCRIPTION => Ok(()),
        other => Err(RequestError::NoSubscription(other)),
    }
}

/// The subscriptions that the caller may see: none without a role at it or at something in it, as in Azure.
pub(super) fn list(context: &Context) -> Response {
    let may = is_seen(context);
    let value: Vec<Value> = may.then(document).into_iter().collect();
    answer(json!({ "value": value, "count": { "type": "Total", "value": value.len() } }))
}

/// The subscription.
pub(super) fn get(context: &Context, id: &str) -> Result<Response, ArmError> {
    require(id)?;
    if !is_seen(context) {
        context.require(READ, &Scope::subscription(LOCAL_SUBSCRIPTION))?;
    }
    Ok(answer(document()))
}

fn is_seen(context: &Context) -> bool {
    context.may(READ, &Scope::subscription(LOCAL_SUBSCRIPTION))
        || context.arm.gate.has_any_role(&context.caller)
}

/// The tenants; any valid token may list them.
pub(super) fn tenants() -> Response {
    answer(json!({ "value": [{
        "id": format!("/tenants/{TENANT}"),
        "tenantId": TENANT,
        "displayName": "Sealyard",
        "defaultDomain": "sealyard.localhost",
        "domains": ["sealyard.localhost"],
        "tenantType": "AAD",
        "tenantCategory": "Home",
    }] }))
}

/// The form in answers and templates.
pub(super) fn document() -> Value {
    json!({
        "id": format!("/subscriptions/{LOCAL_SUBSCRIPTION}"),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": LOCAL_SUBSCRIPTION,
        "tenantId": TENANT,
        "displayName": "Sealyard",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}
