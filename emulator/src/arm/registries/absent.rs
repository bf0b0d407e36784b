//! What Azure's registries have and these have not: there is none of it to be listed, and none can be made.
//!
//! Called by the dispatch of registries. Clients such as `az acr show-endpoints` ask for lists without being asked to.

use axum::response::Response;
use http::StatusCode;
use mock_keyvault::control::RequestError;
use serde_json::json;

use super::path::{Absent, RegistryPath};
use super::refusal::Refusal;
use crate::arm::context::Context;
use crate::arm::error::ArmError;
use crate::arm::{empty, json as reply};

const READ: &str = "Microsoft.ContainerRegistry/registries/read";
const WRITE: &str = "Microsoft.ContainerRegistry/registries/write";

/// A kind of resource that is not emulated, or one of that kind.
pub(super) fn answer(
    context: &Context,
    at: &RegistryPath,
    kind: Absent,
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
            Err(Refusal::NoPart(format!("{}/{}/{name}", at.id(), kind.words().0)).into())
        }
        // Azure says so of whatever is not there.
        ("DELETE", Some(_)) => {
            context.require(WRITE, &at.scope()?)?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        ("PUT" | "PATCH" | "POST", _) => refuse(context, at, kind),
        (method, _) => Err(RequestError::MethodNotAllowed(method.to_owned()).into()),
    }
}

/// Something that a registry of Azure does, and this one does not.
pub(super) fn refuse(
    context: &Context,
    at: &RegistryPath,
    kind: Absent,
) -> Result<Response, ArmError> {
    context.require(WRITE, &at.scope()?)?;
    at.found(context)?;
    let (what, instead) = kind.words();
    Err(Refusal::NotEmulated(what, instead).into())
}
