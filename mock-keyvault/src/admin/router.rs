//! Passes each request of the admin API to its handler.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::Request;

use super::error::{AdminError, PREFIX};
use super::{audit, changes, clock, events, faults, health, verify};
use crate::app::App;
use azure_emulator_core::identity;

/// Answers a request whose path begins with [`PREFIX`]. `host` is the host that the client used.
pub(crate) async fn answer(app: &Arc<App>, host: &str, request: Request<Body>) -> Response {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    if path == "/_keyvault/health" {
        return health::answer(app);
    }
    if let Err(refusal) = app.guard.admit(host, &request) {
        return AdminError::from(refusal).into_response();
    }
    if path.starts_with(identity::PRINCIPALS_PATH) {
        return identity::answer_principals(&app.issuer, request).await;
    }
    let noun = path.strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let answered = match noun.as_str() {
        "audit" => audit::answer(app, &request),
        "changes" => changes::answer(app, &request),
        "clock" => clock::answer(app, request).await,
        "events" => events::answer(app, host, &request),
        "faults" => faults::answer(app, "", request).await,
        "verify" => verify::answer(app, request).await,
        fault if fault.starts_with("faults/") => {
            faults::answer(app, fault.trim_start_matches("faults/"), request).await
        }
        _ => Err(AdminError::NotFound(path)),
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}
