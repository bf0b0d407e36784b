//! `/_sealyard/reset`: resets everything to a fresh state. `GET` reports the content that would be lost, `POST` resets.

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use serde::{Deserialize, Serialize};

use super::error::AdminError;
use super::json_body::{JsonBody, RequestBody};
use crate::app::App;
use crate::reset;

/// The body of `POST /_sealyard/reset`: an empty object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetRequest {}

/// The content that a reset would delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetPreview {
    /// Whether the data is removed at exit anyway.
    pub ephemeral: bool,
    /// The number of registries.
    pub registries: u64,
    /// The number of their blobs.
    pub blobs: u64,
}

/// The result of a reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetReply {
    /// The items that could not be reset, a sentence each.
    pub left: Vec<String>,
}

/// Refuses a change while an interrupted reset has not ended, because the reset would undo the change.
pub(super) async fn refuse_changes(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, AdminError> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        app.registries.intents().refuse_in_reset()?;
    }
    Ok(next.run(request).await)
}

impl RequestBody for ResetRequest {
    const SHAPE: &'static str = "{}";
}

/// `GET /_sealyard/reset`.
pub(super) async fn preview(State(app): State<App>) -> Result<Json<ResetPreview>, AdminError> {
    let registries = app.registries.all();
    let mut blobs = 0;
    for registry in &registries {
        blobs += registry.stats().await?.blobs;
    }
    let registries = u64::try_from(registries.len()).unwrap_or(u64::MAX);
    Ok(Json(ResetPreview { ephemeral: app.config.ephemeral, registries, blobs }))
}

/// `POST /_sealyard/reset`.
pub(super) async fn reset(
    State(app): State<App>,
    JsonBody(request): JsonBody<ResetRequest>,
) -> Result<Json<ResetReply>, AdminError> {
    let ResetRequest {} = request;
    // A separate task, which runs to its end if the client disconnects.
    let done = tokio::spawn(async move { reset::reset(&app).await }).await;
    let reset = done.map_err(crate::registry::Error::from)??;
    Ok(Json(ResetReply { left: reset.left }))
}
