//! The one subscription and the one tenant that everything local is in.

use axum::response::Response;
use mock_keyvault::authorization::Scope;
use mock_keyvault::identity::{SUBSCRIPTION, TENANT};
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::ArmError;
use super::{Context, json as answer};

/// What reading a subscription needs.
const READ: &str = "Microsoft.Resources/subscriptions/read";

/// Those that the caller may see: without a role there are none, as in Azure.
pub(super) fn list(context: &Context) -> Result<Response, ArmError> {
    let may = context.gate.may(&context.caller, READ, &scope(SUBSCRIPTION)?);
    let value: Vec<Value> = may.then(document).into_iter().collect();
    Ok(answer(json!({ "value": value, "count": { "type": "Total", "value": value.len() } })))
}

/// One of them.
pub(super) fn get(context: &Context, id: &str) -> Result<Response, ArmError> {
    let id = Uuid::parse_str(id).map_err(|_| ArmError::SubscriptionId(id.to_owned()))?.to_string();
    if id != SUBSCRIPTION {
        return Err(ArmError::NoSubscription(id));
    }
    context.gate.require(&context.caller, READ, &scope(&id)?)?;
    Ok(answer(document()))
}

/// The tenants of whoever has a token.
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

fn document() -> Value {
    json!({
        "id": format!("/subscriptions/{SUBSCRIPTION}"),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": SUBSCRIPTION,
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

fn scope(subscription: &str) -> Result<Scope, ArmError> {
    let id = || ArmError::SubscriptionId(subscription.to_owned());
    Ok(Scope::subscription(Uuid::parse_str(subscription).map_err(|_| id())?))
}
