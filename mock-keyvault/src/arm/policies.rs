//! Adds, replaces and removes access policies of a vault. Templates and PowerShell use these routes; `az` does not.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::context::Context;
use super::documents::PolicyOut;
use super::error::ArmError;
use super::parameters::PolicyParameters;
use super::respond::scope;
use super::{body, respond};
use crate::model::settings::VaultPath;
use crate::vault::lifecycle::PolicyChange;

pub(super) async fn change(
    context: &Context,
    path: VaultPath,
    change: PolicyChange,
    body: Body,
) -> Result<Response, ArmError> {
    let id = path.to_string();
    context.require("Microsoft.KeyVault/vaults/accessPolicies/write", &scope(&id)?)?;
    let named = body::read::<PolicyParameters>(body).await?.into_policies()?;
    let changed =
        context.call(move |vaults, by| vaults.change_policies(&path, change, &named, by)).await?;
    let policies: Vec<PolicyOut> = changed.iter().map(PolicyOut::new).collect();
    respond::json(
        StatusCode::OK,
        &json!({
            "id": format!("{id}/accessPolicies/"),
            "type": "Microsoft.KeyVault/vaults/accessPolicies",
            "properties": {"accessPolicies": policies},
        }),
    )
}
