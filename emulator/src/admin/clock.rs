//! The emulator's clock from outside: read it, move it forward.
//!
//! A move is kept in a file of the data folder and holds over restarts. A vault in another process keeps a time of its
//! own, so there the clock is not moved: its keys and ours would no longer agree on what has expired.

use std::io;
use std::path::{Path, PathBuf};

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use fs_err as fs;
use mock_keyvault::clock::Clock;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::duration::IsoDuration;
use super::error::AdminError;
use crate::app::App;
use crate::config::VaultChoice;

/// The file of the offset in the data folder.
const CLOCK_FILE: &str = "clock.json";

/// The clock, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReport {
    /// Emulator time.
    #[serde(with = "time::serde::rfc3339")]
    pub now: OffsetDateTime,
    /// How far it is ahead of real time.
    pub offset: IsoDuration,
    /// Whether it stands still.
    pub frozen: bool,
}

/// The body of `POST /_sealyard/clock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdvanceRequest {
    /// By how much.
    pub advance: IsoDuration,
}

/// What is kept of the clock over a restart.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    offset: IsoDuration,
}

impl ClockReport {
    /// What a clock says.
    pub fn of(clock: &Clock) -> Self {
        let now = clock.now();
        Self {
            now: now.replace_millisecond(now.millisecond()).unwrap_or(now),
            offset: IsoDuration::from_seconds(rounded_seconds(clock.offset())),
            frozen: clock.is_frozen(),
        }
    }
}

/// `GET /_sealyard/clock`.
pub(super) async fn read(State(app): State<App>) -> Json<ClockReport> {
    Json(ClockReport::of(&app.clock))
}

/// `POST /_sealyard/clock`. Answers when the vault has done what became due, and the registries have taken new versions of
/// their keys into use and looked at their keys under the new time.
pub(super) async fn advance(
    State(app): State<App>,
    request: Result<Json<AdvanceRequest>, JsonRejection>,
) -> Result<Json<ClockReport>, AdminError> {
    let Json(AdvanceRequest { advance }) = request?;
    let by =
        advance.to_std().ok_or_else(|| AdminError::bad_request("the clock only moves forward"))?;
    if let VaultChoice::External(vault) = &app.config.vault {
        return Err(AdminError::conflict(format!(
            "the clock is moved with the embedded vault alone: {} keeps a time of its own",
            vault.url
        )));
    }
    let registries = app.registries.all();
    let mut paused = Vec::with_capacity(registries.len());
    for registry in &registries {
        paused.push(registry.key_ring().pause_following().await);
    }
    app.clock.advance(by);
    save(app.endpoints.data_dir(), &app.clock).await.map_err(|error| {
        AdminError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "Internal", error)
    })?;
    // The vault first: the registries are to see the versions that became due.
    if let Some(timekeeper) = &app.timekeeper {
        timekeeper.run_due().await.map_err(|error| {
            AdminError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "Internal", error)
        })?;
    }
    for paused in paused {
        paused.resume().await;
    }
    for registry in &registries {
        registry.key_ring().check().await;
    }
    Ok(Json(ClockReport::of(&app.clock)))
}

/// Sets the clock back to real time, and lets it go on.
pub(crate) async fn reset_clock(app: &App) -> io::Result<()> {
    app.clock.set_offset(time::Duration::ZERO);
    app.clock.resume();
    save(app.endpoints.data_dir(), &app.clock).await
}

/// Sets a clock to what it was when this data folder was last in use.
pub fn restore_clock(data_dir: &Path, clock: &Clock) -> io::Result<()> {
    let text = match fs::read(data_dir.join(CLOCK_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let kept: Kept = serde_json::from_slice(&text).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{CLOCK_FILE}: {error}"))
    })?;
    clock.set_offset(time::Duration::seconds(kept.offset.seconds()));
    Ok(())
}

async fn save(data_dir: &Path, clock: &Clock) -> io::Result<()> {
    let path: PathBuf = data_dir.join(CLOCK_FILE);
    let kept = Kept { offset: IsoDuration::from_seconds(rounded_seconds(clock.offset())) };
    tokio::task::spawn_blocking(move || {
        let text = serde_json::to_vec(&kept)?;
        let new = path.with_extension("json.new");
        fs::write(&new, text)?;
        fs::rename(&new, &path)
    })
    .await?
}

/// Between two readings of a frozen clock some nanoseconds pass.
fn rounded_seconds(span: time::Duration) -> i64 {
    (span + time::Duration::milliseconds(500))
        .whole_milliseconds()
        .div_euclid(1000)
        .try_into()
        .unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[tokio::test]
    async fn the_offset_holds_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(datetime!(2026-01-01 00:00 UTC));
        restore_clock(folder.path(), &clock).unwrap();
        clock.advance(std::time::Duration::from_hours(1));
        save(folder.path(), &clock).await.unwrap();

        let later = Clock::manual(datetime!(2026-02-01 00:00 UTC));
        restore_clock(folder.path(), &later).unwrap();

        assert_eq!(later.now(), datetime!(2026-02-01 01:00 UTC));
        assert_eq!(serde_json::to_value(ClockReport::of(&later)).unwrap()["offset"], "PT1H");
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_another_time() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CLOCK_FILE), "{").unwrap();

        assert!(restore_clock(folder.path(), &Clock::system()).is_err());
    }
}
