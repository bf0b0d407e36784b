//! The writer of an upload: hashes, seals and writes, and reads an unfinished file back.

use std::io::{Seek as _, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use fs_err::File;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use zeroize::{Zeroize as _, Zeroizing};

use crate::keys::KeyLease;
use crate::registry::Parts;
use crate::registry::blocking::{blocking, key_place};
use crate::registry::digest::Hasher;
use crate::registry::error::Error;
use crate::store::{StoreError, UploadRow};
use sealed_envelope::{Binding, ObjectKind, Scanner, Sealer};

/// How many bytes are written before they are sent to the disk early, so that the sync at the end is short.
const WRITE_BACK_LEN: u64 = 32 << 20;

/// The two halves of the pass, which work on the same batch at the same time.
pub(super) struct Writer {
    pub(super) sealer: Sealer<File>,
    pub(super) hasher: Hasher,
    pub(super) lease: KeyLease,
    pub(super) write_back: WriteBack,
}

/// Sends written bytes to the disk early.
pub(super) struct WriteBack {
    file: Arc<File>,
    asked_at: u64,
    running: Option<JoinHandle<()>>,
    wanted: bool,
}

/// The error that the upload of this row has ended.
pub(super) fn unknown(row: &UploadRow) -> Error {
    row.id.parse().map_or_else(Error::internal, Error::UploadUnknown)
}

impl Writer {
    /// Writes a batch: one thread hashes it while another seals and writes it.
    pub(super) async fn absorb(self, parts: Arc<Parts>, chunks: Vec<Bytes>) -> Result<Self, Error> {
        let Self { mut sealer, mut hasher, lease, mut write_back } = self;
        let place = key_place(&lease).await?;
        let hashed = tokio::task::spawn_blocking({
            let chunks = chunks.clone();
            move || {
                for chunk in &chunks {
                    hasher.update(chunk);
                }
                hasher
            }
        });
        let runtime = Handle::current();
        let sealed = blocking(move || {
            let _place = place;
            // sled does not recover from a full disk: stop while there is room for its rows.
            parts.store.ensure_space()?;
            for chunk in &chunks {
                lease.with_renewal(&runtime, |key| sealer.append(key, chunk))??;
            }
            Ok::<_, Error>((sealer, lease))
        });
        let (sealed, hashed) = tokio::join!(sealed, hashed);
        let (sealer, lease) = sealed?;
        write_back.after(sealer.file_len());
        Ok(Self { sealer, hasher: hashed?, lease, write_back })
    }

    /// Reads an unfinished file back, hashes it again and cuts off the incomplete end.
    pub(super) fn recover(
        parts: &Parts,
        row: &UploadRow,
        lease: KeyLease,
        runtime: &Handle,
    ) -> Result<Self, Error> {
        let mut file = match parts.store.open_upload(row) {
            // Finished, cancelled or expired since its row was read.
            Err(StoreError::NotFound(_)) => return Err(unknown(row)),
            opened => opened?,
        };
        let binding = Binding::new(parts.name.as_str(), ObjectKind::Blob);
        let mut hasher = Hasher::new(row.algorithm.parse().unwrap_or_default());
        let mut scanner = Scanner::new(file.try_clone()?, binding)?;
        let mut segment = Zeroizing::new(Vec::new());
        while lease.with_renewal(runtime, |key| scanner.next(key, &mut segment))?? {
            hasher.update(&segment);
            segment.zeroize();
        }
        let recovered = scanner.finish();
        file.set_len(recovered.file_len())?;
        file.seek(SeekFrom::Start(recovered.file_len()))?;
        let write_back = WriteBack::new(&file, parts.settings.write_back)?;
        Ok(Self { sealer: Sealer::resume(file, recovered), hasher, lease, write_back })
    }
}

impl WriteBack {
    pub(super) fn new(file: &File, wanted: bool) -> Result<Self, Error> {
        Ok(Self { file: Arc::new(file.try_clone()?), asked_at: 0, running: None, wanted })
    }

    /// Starts a sync of its own if enough was written since the last one and none is running. Its result is ignored:
    /// the sync before the answer decides, and it also reports earlier errors.
    fn after(&mut self, written: u64) {
        let idle = self.running.as_ref().is_none_or(JoinHandle::is_finished);
        if self.wanted && idle && written - self.asked_at.min(written) >= WRITE_BACK_LEN {
            self.asked_at = written;
            let file = Arc::clone(&self.file);
            self.running = Some(tokio::task::spawn_blocking(move || drop(file.sync_data())));
        }
    }
}
