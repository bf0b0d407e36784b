//! The routes of the emulator's clock: read, advance, set, freeze and resume it.
//!
//! The clock of a mock vault accepts the same body. `scheduler/` performs a move of the clock.

use axum::Json;
use axum::extract::State;
use azure_emulator_core::clock::{Clock, ClockRequest};
use azure_emulator_core::disk_space::is_out_of_space;
use http::StatusCode;
use mock_keyvault::VaultError;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::error::AdminError;
use super::json_body::{JsonBody, RequestBody};
use crate::app::App;
use crate::duration::{IsoDuration, rounded_seconds};
use crate::scheduler::SchedulerError;

/// The report of the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReport {
    /// Emulator time.
    #[serde(with = "time::serde::rfc3339")]
    pub now: OffsetDateTime,
    /// How far it is ahead of real time.
    pub offset: IsoDuration,
    /// Whether it is frozen.
    pub frozen: bool,
}

impl ClockReport {
    /// The report of a clock.
    pub fn from_clock(clock: &Clock) -> Self {
        let now = clock.now();
        Self {
            now: now.replace_millisecond(now.millisecond()).unwrap_or(now),
            offset: IsoDuration::from_seconds(rounded_seconds(clock.offset())),
            frozen: clock.is_frozen(),
        }
    }
}

impl RequestBody for ClockRequest {
    const SHAPE: &'static str = r#"one of {"advance": "PT1H"}, {"set": "2027-01-01T00:00:00Z"}, {"freeze": true} and {"resume": true}"#;
}

/// `GET /_sealyard/clock`.
pub(super) async fn read(State(app): State<App>) -> Json<ClockReport> {
    Json(ClockReport::from_clock(&app.clock))
}

/// `POST /_sealyard/clock`. Answers when everything that became due is done, in the order of time.
pub(super) async fn change(
    State(app): State<App>,
    JsonBody(request): JsonBody<ClockRequest>,
) -> Result<Json<ClockReport>, AdminError> {
    app.scheduler.change(request).await?;
    Ok(Json(ClockReport::from_clock(&app.clock)))
}

impl From<SchedulerError> for AdminError {
    fn from(error: SchedulerError) -> Self {
        match error {
            SchedulerError::Request(error) => Self::bad_request(error),
            error @ SchedulerError::ForeignVault(_) => Self::conflict(error),
            error @ SchedulerError::RemoteVault(_) => {
                Self::new(StatusCode::BAD_GATEWAY, "VaultFailed", error)
            }
            SchedulerError::Vault(VaultError::DiskFull) => Self::disk_full(
                "cannot perform the actions that are due in the vault: its disk is full; free space on the disk and change the clock again",
            ),
            SchedulerError::Io(error) if is_out_of_space(&error) => Self::disk_full(
                "cannot change the clock: the disk is full; free space on the disk, for example with `gc --now`",
            ),
            SchedulerError::Registry(error) => error.into(),
            error
            @ (SchedulerError::Vault(_) | SchedulerError::Io(_) | SchedulerError::Stopped) => {
                tracing::error!(%error, "cannot move the clock");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", error)
            }
        }
    }
}
