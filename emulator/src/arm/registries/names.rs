//! Whether a registry name is available: `checkNameAvailability`, for `az acr check-name`.
//!
//! Called by the router. Names are global, so the answer does not say who has a taken name.

use axum::response::Response;
use azure_emulator_core::identity::SUBSCRIPTION;
use serde_json::{Value, json};

use super::document::login_server;
use super::path::{TYPE, scope_of};
use super::properties;
use crate::arm::body::Fields;
use crate::arm::context::Context;
use crate::arm::error::{ArmError, Refusal};
use crate::arm::reply::json as answer;
use crate::registry::RegistryName;

const CHECK: &str = "Microsoft.ContainerRegistry/checkNameAvailability/read";

/// Checks whether the name in the body is free.
pub(in crate::arm) async fn check(context: &Context, body: &Value) -> Result<Response, ArmError> {
    context.require(CHECK, &scope_of(&format!("/subscriptions/{SUBSCRIPTION}"))?)?;
    let fields = Fields::new(body)?;
    // The request's only registry property is at the top of its body.
    properties::check(&json!({ "properties": body }))?;
    let name = fields.text("name")?.ok_or(Refusal::Missing("name"))?;
    let kind = fields.text("type")?.ok_or(Refusal::Missing("type"))?;
    if !kind.eq_ignore_ascii_case(TYPE) {
        return Err(fields.wrong("type", TYPE));
    }
    let unavailable = |reason: &str, message: String| json!({ "nameAvailable": false, "reason": reason, "message": message });
    let Ok(name) = name.parse::<RegistryName>() else {
        return Ok(answer(unavailable("Invalid", Refusal::Name.to_string())));
    };
    if !context.arm.registries.is_free(&name).await? {
        let message =
            format!("The registry {} is already in use.", login_server(context, name.as_str()));
        return Ok(answer(unavailable("AlreadyExists", message)));
    }
    let server = login_server(context, name.as_str());
    Ok(answer(json!({ "nameAvailable": true, "availableLoginServerName": server })))
}
