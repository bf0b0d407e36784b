//! The writer of an upload: the state between two batches.

use tokio::task::JoinHandle;

use crate::keys::KeyLease;
use crate::names::Hasher;
use crate::registry::error::Error;
use crate::store::{EarlySync, ObjectWriter};
use sealed_envelope::Sealer;

/// How many bytes are written before they are sent to the disk early, so that the sync at the end is short.
const WRITE_BACK_LEN: u64 = 32 << 20;

/// The two halves of the pass, which work on the same batch at the same time.
pub(in crate::registry) struct Writer {
    pub(in crate::registry) sealer: Sealer<ObjectWriter>,
    pub(in crate::registry) hasher: Hasher,
    pub(in crate::registry) lease: KeyLease,
    pub(in crate::registry) write_back: WriteBack,
}

/// Sends written bytes to the disk early.
pub(in crate::registry) struct WriteBack {
    /// `None`: it is not wanted, or the engine of objects has none.
    sync: Option<EarlySync>,
    asked_at: u64,
    running: Option<JoinHandle<()>>,
}

impl WriteBack {
    pub(in crate::registry) fn new(object: &ObjectWriter, wanted: bool) -> Result<Self, Error> {
        let sync = if wanted { object.early_sync()? } else { None };
        Ok(Self { sync, asked_at: 0, running: None })
    }

    /// Starts a sync of its own if enough was written since the last one and none is running. Its result is ignored:
    /// the sync before the answer decides, and it also reports earlier errors.
    pub(in crate::registry) fn after(&mut self, written: u64) {
        let idle = self.running.as_ref().is_none_or(JoinHandle::is_finished);
        if let Some(sync) = &self.sync
            && idle
            && written - self.asked_at.min(written) >= WRITE_BACK_LEN
        {
            self.asked_at = written;
            let sync = sync.clone();
            self.running = Some(tokio::task::spawn_blocking(move || sync.run()));
        }
    }
}
