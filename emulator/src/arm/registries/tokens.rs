//! Tokens: `Microsoft.ContainerRegistry/registries/tokens`, names with up to two passwords and a scope map.
//!
//! Called by the router of registries. `generateCredentials` makes passwords, and they are not shown here; a PATCH
//! that lists passwords removes the others.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::document::when;
use super::path::RegistryPath;
use super::scope_maps;
use crate::arm::body::Fields;
use crate::arm::context::Context;
use crate::arm::error::{ArmError, Refusal};
use crate::arm::reply::{empty, json as answer, json_with};
use crate::registry::{AccessChangeError, AccessName, LoginToken, PasswordName, TokenPassword};

/// The type's name in paths.
pub(super) const KIND: &str = "tokens";
const READ: &str = "Microsoft.ContainerRegistry/registries/tokens/read";
const WRITE: &str = "Microsoft.ContainerRegistry/registries/tokens/write";
const DELETE: &str = "Microsoft.ContainerRegistry/registries/tokens/delete";

/// The description of a token in a body.
struct TokenDescription {
    scope_map: Option<String>,
    enabled: Option<bool>,
    /// The passwords that it keeps.
    passwords: Option<Vec<PasswordName>>,
}

pub(super) async fn list(context: &Context, at: &RegistryPath) -> Result<Response, ArmError> {
    context.require(READ, &at.scope()?)?;
    let all = at
        .found(context)?
        .tokens()
        .await
        .map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    let value: Vec<Value> = all.iter().map(|token| document(at, token)).collect();
    Ok(answer(json!({ "value": value })))
}

pub(super) async fn get(
    context: &Context,
    at: &RegistryPath,
    name: &str,
) -> Result<Response, ArmError> {
    context.require(READ, &at.scope()?)?;
    let token = at.found(context)?.token(name).await;
    let token = token.map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    Ok(answer(document(at, &token)))
}

/// Creates a token without a password, or replaces the description of an existing one.
pub(super) async fn put(
    context: &Context,
    at: &RegistryPath,
    name: &str,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &at.scope()?)?;
    let registry = at.parent_of(context, KIND)?;
    let name: AccessName =
        name.parse().map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    let described = TokenDescription::read(at, body)?;
    let map = described.scope_map.ok_or(Refusal::Missing("properties.scopeMapId"))?;
    let is_new = registry.token(name.as_str()).await.is_err();
    let put = registry.put_token(&name, &map, described.enabled.unwrap_or(true)).await;
    let mut token = put.map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    if let Some(passwords) = described.passwords {
        let thinned = registry.keep_passwords(name.as_str(), &passwords).await;
        token = thinned.map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    }
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json_with(status, document(at, &token)))
}

/// Changes the properties that the body names.
pub(super) async fn patch(
    context: &Context,
    at: &RegistryPath,
    name: &str,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(WRITE, &at.scope()?)?;
    let registry = at.parent_of(context, KIND)?;
    let described = TokenDescription::read(at, body)?;
    let old = registry
        .token(name)
        .await
        .map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    let name: AccessName =
        old.name.parse().map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    let map = described.scope_map.unwrap_or(old.scope_map);
    let put = registry.put_token(&name, &map, described.enabled.unwrap_or(old.enabled)).await;
    let mut token = put.map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    if let Some(passwords) = described.passwords {
        let thinned = registry.keep_passwords(name.as_str(), &passwords).await;
        token = thinned.map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    }
    Ok(answer(document(at, &token)))
}

/// Deletes a token.
pub(super) async fn delete(
    context: &Context,
    at: &RegistryPath,
    name: &str,
) -> Result<Response, ArmError> {
    context.require(DELETE, &at.scope()?)?;
    let Some(registry) = at.find(context) else { return Ok(empty(StatusCode::NO_CONTENT)) };
    match registry.delete_token(name).await {
        Ok(()) => Ok(empty(StatusCode::OK)),
        Err(AccessChangeError::TokenUnknown(_)) => Ok(empty(StatusCode::NO_CONTENT)),
        Err(error) => Err(ArmError::from_access_change(error, &at.id())),
    }
}

/// A password's document, without the password itself.
pub(super) fn password(password: &TokenPassword) -> Value {
    let name = match password.name {
        PasswordName::First => "password1",
        PasswordName::Second => "password2",
    };
    json!({
        "name": name,
        "creationTime": when(password.created),
        "expiry": password.expiry.and_then(when),
    })
}

/// The password with this name.
pub(super) fn password_named(name: &str) -> Option<PasswordName> {
    match name.to_ascii_lowercase().as_str() {
        "password1" => Some(PasswordName::First),
        "password2" => Some(PasswordName::Second),
        _ => None,
    }
}

fn document(at: &RegistryPath, token: &LoginToken) -> Value {
    let passwords: Vec<Value> = token.passwords.iter().map(password).collect();
    json!({
        "id": format!("{}/{KIND}/{}", at.id(), token.name),
        "name": token.name,
        "type": "Microsoft.ContainerRegistry/registries/tokens",
        "properties": {
            "creationDate": when(token.created),
            "provisioningState": "Succeeded",
            "scopeMapId": format!("{}/{}/{}", at.id(), scope_maps::KIND, token.scope_map),
            "credentials": { "certificates": [], "passwords": passwords },
            "status": if token.enabled { "enabled" } else { "disabled" },
        },
    })
}

impl TokenDescription {
    fn read(at: &RegistryPath, body: &Value) -> Result<Self, ArmError> {
        let properties = Fields::new(body)?.object("properties")?;
        let wrong = || properties.wrong("scopeMapId", "the id of a scope map of this registry");
        let named = |id| at.child_name(id, scope_maps::KIND).map(str::to_owned).ok_or_else(wrong);
        let scope_map = properties.text("scopeMapId")?.map(named).transpose()?;
        let credentials = properties.object("credentials")?;
        if credentials.list("certificates")?.is_some_and(|list| !list.is_empty()) {
            let instead = "A token logs in with its name and a password.";
            return Err(Refusal::NotEmulated("certificates of tokens", instead).into());
        }
        let passwords = credentials.list("passwords")?.map(|passwords| {
            let names = passwords.iter().map(|password| {
                let name = crate::arm::body::field(password, "name").as_str();
                name.and_then(password_named).ok_or_else(|| {
                    credentials.wrong("passwords", "a list of password1 and password2")
                })
            });
            names.collect::<Result<Vec<_>, _>>()
        });
        Ok(Self {
            scope_map,
            enabled: properties.status("status")?,
            passwords: passwords.transpose()?,
        })
    }
}
