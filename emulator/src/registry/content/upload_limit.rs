//! The limit of open uploads, and the choice of an upload to drop for a new one.
//!
//! Clients abandon uploads: a client that is killed sends nothing. Such an upload expires after a day, which is too
//! late for the next push when the limit is reached. So the registry drops the oldest upload that was idle for a while
//! of real time: a short while if it has no byte yet, a long one otherwise. It never drops an upload that a request
//! holds.

use std::time::Duration;

use crate::registry::Parts;
use crate::registry::error::Error;
use sealed_envelope::SEGMENT_LEN;

/// How long an upload without a byte must be idle before it can be dropped, in real time.
const EMPTY_IDLE: Duration = Duration::from_secs(10);
/// How long any upload must be idle before it can be dropped, in real time.
const IDLE: Duration = Duration::from_mins(10);

/// Drops one upload, if one can be dropped. Blocks.
pub(in crate::registry) fn make_room(parts: &Parts) -> Result<bool, Error> {
    let now = parts.clock.elapsed();
    let mut uploads = parts.store.uploads(&parts.name)?;
    // Uploads of the same second of emulator time, which may stand still, are sorted by their last use.
    uploads.sort_by_key(|row| (row.started, parts.sessions.last_used(&row.id)));
    for (idle, needs_empty) in [(EMPTY_IDLE, true), (IDLE, false)] {
        for row in &uploads {
            let may_go = |used, bytes: Option<u64>| {
                // A file shorter than a segment has no complete segment, and so no byte that could be read back.
                let is_empty = || match bytes {
                    Some(bytes) => bytes == 0,
                    None => parts.store.upload_len(row) < u64::from(SEGMENT_LEN),
                };
                idle <= now.saturating_sub(used) && (!needs_empty || is_empty())
            };
            if parts.sessions.retire_if(&row.id, may_go)
                && parts.store.remove_upload(&parts.name, row.upload_id()?)?
            {
                tracing::info!(
                    registry.name = parts.name.as_str(),
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
