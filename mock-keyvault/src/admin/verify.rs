//! `POST /_keyvault/verify`: reads and compares all files that store the rows.
//!
//! A start reads only the parts that it needs. This check finds damage in older parts of the journal and repairs it from the
//! index while the index is intact: after a loss of the index it would be too late.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request};
use serde_json::json;

use super::error::AdminError;
use crate::app::App;
use crate::model::error::VaultError;

pub(super) async fn answer(app: &Arc<App>, request: Request<Body>) -> Result<Response, AdminError> {
    if request.method() != Method::POST {
        return Err(AdminError::MethodNotAllowed(request.uri().path().to_owned()));
    }
    drop(request);
    let verifier = Arc::clone(app);
    let checked = tokio::task::spawn_blocking(move || verifier.vaults.check_rows()).await;
    let checked = checked.map_err(|error| AdminError::Failed(error.to_string()))?;
    let check = checked.map_err(VaultError::from)?;
    let body = json!({
        "files": check.files,
        "damaged": check.damaged,
        "healed": check.healed,
        "indexIsRight": check.index_is_right,
    });
    Ok(Json(body).into_response())
}
