//! Returns the newest uses of the key of a registry.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use super::error::AdminError;
use super::find::find;
use crate::app::App;

/// The default number of uses.
const DEFAULT_LAST: usize = 100;
/// The maximum number of uses.
const MAX_LAST: usize = 10_000;

/// The query parameters.
#[derive(Debug, Deserialize)]
pub(super) struct AuditQuery {
    last: Option<usize>,
    registry: Option<String>,
}

/// The answer of `GET /_sealyard/audit`, newest last.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditReport {
    /// The uses: time, caller, operation, key version, purpose, result, request id.
    pub key_uses: Vec<serde_json::Value>,
}

/// `GET /_sealyard/audit?last=N`.
pub(super) async fn newest(
    State(app): State<App>,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<AuditReport>, AdminError> {
    let Query(query) = query?;
    let name = query.registry.as_deref().unwrap_or("local");
    let registry = find(&app, name)?;
    let last = query.last.unwrap_or(DEFAULT_LAST).min(MAX_LAST);
    let uses = registry.key_uses(last).await?;
    let key_uses = uses.iter().map(serde_json::to_value).collect::<Result<_, _>>();
    key_uses.map(|key_uses| Json(AuditReport { key_uses })).map_err(|error| {
        AdminError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "Internal", error)
    })
}
