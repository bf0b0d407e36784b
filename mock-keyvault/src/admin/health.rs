//! `GET /_keyvault/health`: answers health checks, without a token and from any address.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;

/// Whether the vault is healthy, and which settings a person should know before trusting its answers.
pub(super) fn answer(app: &App) -> Response {
    let mut warnings = Vec::new();
    if app.accept_any_token {
        warnings.push(crate::auth::ANY_TOKEN_WARNING);
    }
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "acceptsAnyToken": app.accept_any_token,
        "warnings": warnings,
        "notices": app.vaults.notices(),
    }))
    .into_response()
}
