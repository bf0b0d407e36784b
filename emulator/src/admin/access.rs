//! The logins of a registry: for test suites without a control plane.
//!
//! These answers contain passwords, like those of Azure's `listCredentials`. A caller that may use this API may see
//! them.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use super::error::AdminError;
use super::find::find;
use super::json_body::{JsonBody, RequestBody};
use crate::app::App;
use crate::registry::{AccessChangeError, AccessName, Change, PasswordName, Registry};

/// The logins of a registry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessReport {
    /// Whether every client that can connect may do everything.
    pub open: bool,
    /// Whether clients may pull without a login.
    pub anonymous_pull_enabled: bool,
    /// Whether the admin user may log in.
    pub admin_user_enabled: bool,
    /// The name of the admin user, if it may log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its passwords.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passwords: Vec<String>,
    /// The resource id of the registry, at which roles are assigned.
    pub resource_id: String,
}

/// The body of `POST /_sealyard/registries/NAME/access`. An omitted field changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessRequest {
    /// Whether every client that can connect may do everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// Whether clients may pull without a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous_pull_enabled: Option<bool>,
    /// Whether the admin user may log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_user_enabled: Option<bool>,
}

/// The body of `POST /_sealyard/registries/NAME/tokens`: a token with its own scope map and one password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Its name.
    pub name: String,
    /// Its actions, such as `repositories/app/content/read`.
    pub actions: Vec<String>,
}

/// The credentials of a token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenReply {
    /// The user name.
    pub username: String,
    /// The password. It is not shown again.
    pub password: String,
}

impl RequestBody for AccessRequest {
    const SHAPE: &'static str = r#"{"open"?: true or false, "anonymousPullEnabled"?: true or false, "adminUserEnabled"?: true or false}"#;
}

impl RequestBody for TokenRequest {
    const SHAPE: &'static str = r#"{"name": NAME, "actions": ["repositories/app/content/read"]}"#;
}

/// `GET /_sealyard/registries/{name}/access`.
pub(super) async fn read(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<AccessReport>, AdminError> {
    report(&find(&app, &name)?).await
}

/// `POST /_sealyard/registries/{name}/access`.
pub(super) async fn change(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<AccessRequest>,
) -> Result<Json<AccessReport>, AdminError> {
    let registry = find(&app, &name)?;
    if let Some(enabled) = request.admin_user_enabled {
        registry.set_admin_enabled(enabled).await?;
    }
    if let Some(enabled) = request.anonymous_pull_enabled {
        registry.set_anonymous_pull(enabled).await?;
    }
    if request.open.is_some() {
        let change = Change { anonymous: request.open, ..Change::default() };
        app.registries.change(registry.registry_name(), change).await?;
    }
    report(&registry).await
}

/// `POST /_sealyard/registries/{name}/tokens`.
pub(super) async fn make_token(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<TokenRequest>,
) -> Result<Json<TokenReply>, AdminError> {
    let TokenRequest { name: token, actions } = request;
    let registry = find(&app, &name)?;
    let token: AccessName = token.parse()?;
    registry.put_scope_map(&token, "", &actions).await?;
    registry.put_token(&token, token.as_str(), true).await?;
    let made = registry.generate_credentials(token.as_str(), &[PasswordName::First], None).await?;
    let password = made.first().map(|made| made.password.expose().to_owned()).unwrap_or_default();
    Ok(Json(TokenReply { username: token.to_string(), password }))
}

async fn report(registry: &Registry) -> Result<Json<AccessReport>, AdminError> {
    let settings = registry.access_settings().await?;
    let admin = match registry.admin_credentials().await {
        Ok(credentials) => Some(credentials),
        Err(AccessChangeError::AdminDisabled) => None,
        Err(error) => return Err(error.into()),
    };
    let passwords = admin.iter().flat_map(|admin| &admin.passwords);
    Ok(Json(AccessReport {
        open: registry.is_open(),
        anonymous_pull_enabled: settings.anonymous_pull,
        admin_user_enabled: settings.admin_enabled,
        passwords: passwords.map(|password| password.expose().to_owned()).collect(),
        username: admin.map(|admin| admin.username),
        resource_id: registry.resource_id(),
    }))
}
