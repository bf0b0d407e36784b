//! The routes that revoke a registry's access to its key, by a chosen method, and restore it.
//!
//! With `wait` the answer comes when the registry has seen the change, so that clients need not sleep.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::error::AdminError;
use super::find::find;
use super::json_body::{JsonBody, RequestBody};
use super::wire::{known, known_state};
use crate::app::App;
use crate::keys::{Cause, State as KeyState};
use crate::registry::Registry;
use crate::revocation::RevocationMethod;

/// The body of `POST /_sealyard/registries/NAME/revoke`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// The method.
    pub by: RevocationMethod,
    /// Whether to answer only when the registry has seen the change.
    #[serde(default = "yes")]
    pub wait: bool,
}

/// The body of `POST /_sealyard/registries/NAME/restore`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// The method, or `None` for all methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<RevocationMethod>,
    /// Whether to answer only when the registry has seen the change.
    #[serde(default = "yes")]
    pub wait: bool,
}

/// The result of a revocation, and the state after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevokeReply {
    /// The method.
    pub by: RevocationMethod,
    /// The key of the registry.
    pub key_identifier: String,
    /// The registry.
    pub registry: String,
    /// The registry's state.
    #[serde(deserialize_with = "known_state")]
    pub state: KeyState,
    /// The cause of the state.
    #[serde(default, deserialize_with = "known")]
    pub cause: Option<Cause>,
    /// When the registry becomes unavailable, in emulator time, if not at once: in strict parity the registry can use a
    /// removed identity for 90 days.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    pub unavailable_from: Option<OffsetDateTime>,
}

/// The result of a restoration, and the state after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReply {
    /// The restored methods, in this order.
    pub restored: Vec<RevocationMethod>,
    /// The methods that are still revoked, the newest first.
    pub revoked: Vec<RevocationMethod>,
    /// The key of the registry.
    pub key_identifier: String,
    /// The registry.
    pub registry: String,
    /// The registry's state.
    #[serde(deserialize_with = "known_state")]
    pub state: KeyState,
    /// The cause of the state.
    #[serde(default, deserialize_with = "known")]
    pub cause: Option<Cause>,
}

/// The revocations of a registry: `GET /_sealyard/registries/NAME/revoke`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationList {
    /// The registry.
    pub registry: String,
    /// The methods, the newest first.
    pub revoked: Vec<RevocationMethod>,
}

fn yes() -> bool {
    true
}

impl RequestBody for RevokeRequest {
    const SHAPE: &'static str = r#"{"by": "policy", "role", "disable", "delete", "firewall", "vault" or "identity", "wait"?: true or false}"#;
}

impl RequestBody for RestoreRequest {
    const SHAPE: &'static str = r#"{"by"?: "policy", "role", "disable", "delete", "firewall", "vault" or "identity", "wait"?: true or false}"#;
}

/// `GET /_sealyard/registries/{name}/revoke`.
pub(super) async fn list(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<RevocationList>, AdminError> {
    let registry = find(&app, &name)?.name().to_owned();
    let revoked = app.revocations.methods_of(&registry);
    Ok(Json(RevocationList { registry, revoked }))
}

/// `POST /_sealyard/registries/{name}/revoke`.
pub(super) async fn revoke(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<RevokeRequest>,
) -> Result<Json<RevokeReply>, AdminError> {
    revoke_access(&app, &name, request).await.map(Json)
}

/// The same for programs that hold the emulator.
pub(crate) async fn revoke_access(
    app: &App,
    name: &str,
    RevokeRequest { by, wait }: RevokeRequest,
) -> Result<RevokeReply, AdminError> {
    let registry = find(app, name)?;
    let status = app.revocations.revoke(&registry, app.revocation_context(), by, wait).await?;
    Ok(RevokeReply {
        by,
        key_identifier: key_identifier(app, &registry),
        registry: registry.name().to_owned(),
        state: status.state,
        cause: status.cause,
        unavailable_from: registry
            .identity_works_until()
            .filter(|_| by == RevocationMethod::Identity),
    })
}

/// `POST /_sealyard/registries/{name}/restore`.
pub(super) async fn restore(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<RestoreRequest>,
) -> Result<Json<RestoreReply>, AdminError> {
    restore_access(&app, &name, request).await.map(Json)
}

/// The same for programs that hold the emulator.
pub(crate) async fn restore_access(
    app: &App,
    name: &str,
    RestoreRequest { by, wait }: RestoreRequest,
) -> Result<RestoreReply, AdminError> {
    let registry = find(app, name)?;
    let restored = app.revocations.restore(&registry, app.revocation_context(), by, wait).await?;
    Ok(RestoreReply {
        restored: restored.methods,
        revoked: app.revocations.methods_of(registry.name()),
        key_identifier: key_identifier(app, &registry),
        registry: registry.name().to_owned(),
        state: restored.status.state,
        cause: restored.status.cause,
    })
}

fn key_identifier(app: &App, registry: &Registry) -> String {
    let description = registry.key_ring().describe();
    let key = description.versioned.or(description.configured);
    key.map(|key| app.endpoints.key_identifier(&key)).unwrap_or_default()
}
