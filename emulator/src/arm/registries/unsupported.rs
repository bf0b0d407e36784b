//! Unsupported resource types of Azure's registries: lists are empty, and creating one is refused.
//!
//! Called by the router of registries. Clients such as `az acr show-endpoints` list these types on their own.

use axum::response::Response;
use http::StatusCode;
use mock_keyvault::control::RequestError;
use serde_json::json;

use super::path::RegistryPath;
use crate::arm::context::Context;
use crate::arm::error::{ArmError, Refusal};
use crate::arm::path::UnsupportedFeature;
use crate::arm::reply::{empty, json as reply};

const READ: &str = "Microsoft.ContainerRegistry/registries/read";
const WRITE: &str = "Microsoft.ContainerRegistry/registries/write";

/// Answers for an unsupported resource type, or one resource of it.
pub(super) fn answer(
    context: &Context,
    at: &RegistryPath,
    feature: UnsupportedFeature,
    name: Option<String>,
    method: &str,
) -> Result<Response, ArmError> {
    match (method, name) {
        ("GET", None) => {
            context.require(READ, &at.scope()?)?;
            at.found(context)?;
            Ok(reply(json!({ "value": [] })))
        }
        ("GET", Some(name)) => {
            context.require(READ, &at.scope()?)?;
            at.found(context)?;
            let name: String = name.chars().take(100).collect();
            Err(Refusal::NoPart(format!("{}/{}/{name}", at.id(), feature.name_and_alternative().0))
                .into())
        }
        // Azure says this of everything that does not exist.
        ("DELETE", Some(_)) => {
            context.require(WRITE, &at.scope()?)?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        ("PUT" | "PATCH" | "POST", _) => refuse(context, at, feature),
        (method, _) => Err(RequestError::MethodNotAllowed(method.to_owned()).into()),
    }
}

/// Refuses an unsupported action.
pub(super) fn refuse(
    context: &Context,
    at: &RegistryPath,
    feature: UnsupportedFeature,
) -> Result<Response, ArmError> {
    context.require(WRITE, &at.scope()?)?;
    at.found(context)?;
    let (what, instead) = feature.name_and_alternative();
    Err(Refusal::NotEmulated(what, instead).into())
}
