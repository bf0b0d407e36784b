//! The file that saves the clock for a restart: its offset, and the time at which it is frozen.

use std::io;
use std::path::Path;

use azure_emulator_core::clock::{Clock, SavedClock};
use azure_emulator_core::files::{Access, read_if_there, write_whole};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::duration::{IsoDuration, rounded_seconds};

/// The file in the data folder.
const CLOCK_FILE: &str = "clock.json";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClockFile {
    offset: IsoDuration,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    frozen_at: Option<OffsetDateTime>,
}

/// Restores a clock to its state when this data folder was last in use.
pub fn restore_clock(data_dir: &Path, clock: &Clock) -> io::Result<()> {
    let Some(text) = read_if_there(&data_dir.join(CLOCK_FILE))? else { return Ok(()) };
    let saved: ClockFile = serde_json::from_slice(&text).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{CLOCK_FILE}: {error}"))
    })?;
    let offset = time::Duration::seconds(saved.offset.seconds());
    clock.restore(SavedClock { offset, frozen_at: saved.frozen_at });
    Ok(())
}

/// Saves the state of a clock. On return it survives a power cut.
pub(super) async fn save(data_dir: &Path, clock: &Clock) -> io::Result<()> {
    let path = data_dir.join(CLOCK_FILE);
    let SavedClock { offset, frozen_at } = clock.saved();
    let saved = ClockFile { offset: IsoDuration::from_seconds(rounded_seconds(offset)), frozen_at };
    tokio::task::spawn_blocking(move || {
        write_whole(&path, &serde_json::to_vec(&saved)?, Access::Private)
    })
    .await?
}

#[cfg(test)]
mod tests {
    use fs_err as fs;
    use time::macros::datetime;

    use super::*;

    #[tokio::test]
    async fn the_offset_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(datetime!(2026-01-01 00:00 UTC));
        restore_clock(folder.path(), &clock).unwrap();
        clock.advance(std::time::Duration::from_hours(1));
        save(folder.path(), &clock).await.unwrap();

        let later = Clock::manual(datetime!(2026-02-01 00:00 UTC));
        restore_clock(folder.path(), &later).unwrap();

        assert_eq!(later.now(), datetime!(2026-02-01 01:00 UTC));
        assert!(!later.is_frozen());
    }

    #[tokio::test]
    async fn a_frozen_clock_has_the_same_time_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(datetime!(2026-01-01 00:00 UTC));
        clock.freeze();
        save(folder.path(), &clock).await.unwrap();

        let later = Clock::manual(datetime!(2026-02-01 00:00 UTC));
        restore_clock(folder.path(), &later).unwrap();

        assert_eq!(later.now(), datetime!(2026-01-01 00:00 UTC));
        assert!(later.is_frozen());
    }

    #[test]
    fn a_damaged_clock_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CLOCK_FILE), "{").unwrap();

        assert!(restore_clock(folder.path(), &Clock::system()).is_err());
    }
}
