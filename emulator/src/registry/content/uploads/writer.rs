//! The work of an upload's writer: hashes, seals and writes, and reads an unfinished object back.

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use zeroize::{Zeroize as _, Zeroizing};

use crate::keys::KeyLease;
use crate::names::Hasher;
use crate::registry::Parts;
use crate::registry::blocking::{blocking, key_place};
use crate::registry::error::Error;
use crate::registry::parts::{WriteBack, Writer};
use crate::store::{StoreError, UploadRow};
use sealed_envelope::{Binding, ObjectKind, Scanner, Sealer, scrubbed};

/// The error that the upload of this row has ended.
fn unknown(row: &UploadRow) -> Error {
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
                scrubbed(|| chunks.iter().for_each(|chunk| hasher.update(chunk)));
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

    /// Reads an unfinished object back, hashes it again and cuts off the incomplete end.
    pub(super) fn recover(
        parts: &Parts,
        row: &UploadRow,
        lease: KeyLease,
        runtime: &Handle,
    ) -> Result<Self, Error> {
        let in_time = |error| match error {
            // Finished, cancelled or expired since its row was read.
            StoreError::NotFound(_) => unknown(row),
            error => error.into(),
        };
        let reader = parts.store.read_upload(row).map_err(in_time)?;
        let binding = Binding::new(parts.name.as_str(), ObjectKind::Blob);
        let mut hasher = Hasher::new(row.algorithm.parse().unwrap_or_default());
        let mut scanner = Scanner::new(reader, binding)?;
        let mut segment = Zeroizing::new(Vec::new());
        while lease.with_renewal(runtime, |key| scanner.next(key, &mut segment))?? {
            scrubbed(|| hasher.update(&segment));
            segment.zeroize();
        }
        let recovered = scanner.finish();
        let object = parts.store.resume_upload(row, recovered.file_len()).map_err(in_time)?;
        let write_back = WriteBack::new(&object, parts.settings.write_back)?;
        Ok(Self { sealer: Sealer::resume(object, recovered), hasher, lease, write_back })
    }
}
