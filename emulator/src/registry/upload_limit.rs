//! The limit of open uploads, and which of them makes room for a new one.
//!
//! Clients leave uploads behind: one that is killed says nothing. Such an upload expires after a day, which is too late for
//! the next push when the limit is reached. So the registry drops the oldest one that was idle for a while of real time: a
//! short while if it has no byte yet, a long one otherwise. It never drops an upload that a request holds.

use std::time::Duration;

use super::Parts;
use super::error::Error;
use sealed_envelope::SEGMENT_LEN;

/// How long an upload without a byte is idle before it makes room, in real time.
const EMPTY_IDLE: Duration = Duration::from_secs(10);
/// How long any upload is idle before it makes room, in real time.
const IDLE: Duration = Duration::from_mins(10);

/// Drops one upload, if one may go. Blocks.
pub(super) fn make_room(parts: &Parts) -> Result<bool, Error> {
    let now = parts.clock.elapsed();
    let mut uploads = parts.store.uploads(&parts.name)?;
    // Those of one second of emulator time, which may stand still, in the order of their last use.
    uploads.sort_by_key(|row| (row.started, parts.sessions.last_used(&row.id)));
    for (idle, needs_empty) in [(EMPTY_IDLE, true), (IDLE, false)] {
        for row in &uploads {
            let may_go = |used, bytes: Option<u64>| {
                // A file that is shorter than a segment has no whole one, and so no byte that could be read back.
                let is_empty = || match bytes {
                    Some(bytes) => bytes == 0,
                    None => parts.store.upload_file_len(row) < u64::from(SEGMENT_LEN),
                };
                idle <= now.saturating_sub(used) && (!needs_empty || is_empty())
            };
            if parts.sessions.retire_if(&row.id, may_go)
                && parts.store.remove_upload(&parts.name, &row.id)?
            {
                tracing::info!(
                    registry.name = parts.name,
                    upload.id = row.id,
                    repo.name = row.repository,
                    "dropped an idle upload: the limit of open uploads was reached"
                );
                return Ok(true);
            }
        }
    }
    Ok(false)
}
