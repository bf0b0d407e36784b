//! `GET` and `POST /_keyvault/clock`: reads or moves the vault's clock.
//!
//! The vault stores a move, so that it holds after a restart, and answers when it has done everything that became due. Time
//! only moves forward: [`ClockRequest`] says why. The answer names the time of the next scheduled event, for a client that moves
//! several clocks together.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request};
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::error::AdminError;
use super::request::read;
use crate::app::App;
use crate::model::error::VaultError;
use azure_emulator_core::clock::ClockRequest;
use azure_emulator_core::disk_space::Purpose;

/// The largest size of the file that stores the clock.
const CLOCK_BYTES: u64 = 4096;

pub(super) async fn answer(app: &Arc<App>, request: Request<Body>) -> Result<Response, AdminError> {
    match *request.method() {
        Method::GET => Ok(report(app)),
        Method::POST => {
            let body: ClockRequest = read(request.into_body()).await?;
            let plan = body.plan(app.clock.now()).map_err(|e| AdminError::Bad(e.to_string()))?;
            // Before anything moves: if the move cannot be stored, the clock would differ after a restart.
            app.folder.disk_space().spend(CLOCK_BYTES, Purpose::Rows).map_err(VaultError::from)?;
            app.clock.carry_out(plan);
            let keeper = Arc::clone(app);
            let done = tokio::task::spawn_blocking(move || {
                keeper.save_clock()?;
                keeper.vaults.run_due(|| keeper.stop.is_cancelled())
            });
            done.await.map_err(|error| AdminError::Failed(error.to_string()))??;
            if app.stop.is_cancelled() {
                let message = "the vault is stopping; due actions continue at its next start";
                return Err(AdminError::Failed(message.to_owned()));
            }
            Ok(report(app))
        }
        _ => Err(AdminError::MethodNotAllowed(request.uri().path().to_owned())),
    }
}

fn report(app: &App) -> Response {
    let clock = &app.clock;
    let now = clock.now().format(&Rfc3339).unwrap_or_default();
    let next = app.vaults.next_change().and_then(|next| next.format(&Rfc3339).ok());
    Json(json!({
        "now": now,
        "offset": format!("PT{}S", clock.offset().whole_seconds()),
        "frozen": clock.is_frozen(),
        "nextChange": next,
    }))
    .into_response()
}
