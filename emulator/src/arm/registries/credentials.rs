//! Passwords of the admin user and of tokens.
//!
//! Called by the router of registries. A caller with the right can read the admin user's passwords at any time; a
//! token's passwords are shown only in the answer that makes them.

use axum::response::Response;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::path::RegistryPath;
use super::tokens;
use crate::arm::body::Fields;
use crate::arm::context::Context;
use crate::arm::error::{ArmError, Refusal};
use crate::arm::reply::json as answer;
use crate::registry::{AdminCredentials, NewPassword, PasswordName};

const LIST: &str = "Microsoft.ContainerRegistry/registries/listCredentials/action";
const REGENERATE: &str = "Microsoft.ContainerRegistry/registries/regenerateCredential/action";
const GENERATE: &str = "Microsoft.ContainerRegistry/registries/generateCredentials/action";

/// `listCredentials`.
pub(super) async fn list(context: &Context, at: &RegistryPath) -> Result<Response, ArmError> {
    context.require(LIST, &at.scope()?)?;
    let shown = at.found(context)?.admin_credentials().await;
    Ok(answer(admin(&shown.map_err(|error| ArmError::from_access_change(error, &at.id()))?)))
}

/// `regenerateCredential`.
pub(super) async fn regenerate(
    context: &Context,
    at: &RegistryPath,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(REGENERATE, &at.scope()?)?;
    let fields = Fields::new(body)?;
    let which = match fields.text("name")?.map(str::to_ascii_lowercase).as_deref() {
        Some("password") => PasswordName::First,
        Some("password2") => PasswordName::Second,
        _ => return Err(fields.wrong("name", "password or password2")),
    };
    let made = at.found(context)?.regenerate_admin_password(which).await;
    Ok(answer(admin(&made.map_err(|error| ArmError::from_access_change(error, &at.id()))?)))
}

/// `generateCredentials`.
pub(super) async fn generate(
    context: &Context,
    at: &RegistryPath,
    body: &Value,
) -> Result<Response, ArmError> {
    context.require(GENERATE, &at.scope()?)?;
    let registry = at.found(context)?;
    let fields = Fields::new(body)?;
    let id = fields.text("tokenId")?.ok_or(Refusal::Missing("tokenId"))?;
    let Some(token) = at.child_name(id, tokens::KIND) else {
        return Err(fields.wrong("tokenId", "the id of a token of this registry"));
    };
    let which = match fields.text("name")? {
        None => PasswordName::BOTH.to_vec(),
        Some(name) => match tokens::password_named(name) {
            Some(which) => vec![which],
            None => return Err(fields.wrong("name", "password1 or password2")),
        },
    };
    let expiry = fields.text("expiry")?.map(|text| OffsetDateTime::parse(text, &Rfc3339));
    let expiry = expiry.transpose().map_err(|_| fields.wrong("expiry", "a time (RFC 3339)"))?;
    let made = registry.generate_credentials(token, &which, expiry).await;
    let made = made.map_err(|error| ArmError::from_access_change(error, &at.id()))?;
    let passwords: Vec<Value> = made.iter().map(password).collect();
    Ok(answer(json!({ "username": token, "passwords": passwords })))
}

fn admin(admin: &AdminCredentials) -> Value {
    let [first, second] = &admin.passwords;
    json!({
        "username": admin.username,
        "passwords": [
            { "name": "password", "value": first.expose() },
            { "name": "password2", "value": second.expose() },
        ],
    })
}

fn password(made: &NewPassword) -> Value {
    let mut described = tokens::password(&made.about);
    described["value"] = made.password.expose().into();
    described
}
