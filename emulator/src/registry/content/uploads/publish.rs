//! Finishes an upload: checks its digest and makes it a blob.

use std::sync::Arc;

use tokio::runtime::Handle;
use zeroize::{Zeroize as _, Zeroizing};

use crate::keys::KeyLease;
use crate::names::{Algorithm, Digest, Hasher, RepositoryName, UploadId};
use crate::registry::blocking::blocking_with_key;
use crate::registry::error::Error;
use crate::registry::parts::Writer;
use crate::registry::{Content, Parts};
use crate::store::{ObjectRow, ObjectWriter, StoreError, UploadRow};
use sealed_envelope::{Binding, ObjectKind, Scanner, Sealer, scrubbed};

impl Content {
    pub(super) async fn publish(
        &self,
        row: &UploadRow,
        repository: &RepositoryName,
        id: UploadId,
        writer: Writer,
        digest: &Digest,
    ) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        let (row, repository, named) = (row.clone(), repository.clone(), digest.clone());
        let runtime = Handle::current();
        let Writer { sealer, hasher, lease, write_back } = writer;
        drop(write_back);
        let borrowed = lease.clone();
        blocking_with_key(&borrowed, move || {
            let actual = if hasher.algorithm() == named.algorithm() {
                scrubbed(|| hasher.finish())
            } else {
                rehash(&parts, &row, &sealer, named.algorithm(), &lease, &runtime)?
            };
            if actual != named {
                return Err(Error::DigestMismatch { named, actual });
            }
            let (writer, finished) =
                lease.with_renewal(&runtime, |key| sealer.finish(key, named.as_str()))??;
            let object = ObjectRow {
                file: row.file,
                size: finished.plaintext_len,
                data_key: row.data_key,
                created: parts.clock.unix_now(),
                sealed_len: Some(finished.file_len),
            };
            match parts.store.publish_blob(&parts.name, &repository, &named, id, &object, writer) {
                // It expired while its last bytes arrived.
                Err(StoreError::UnknownUpload) => Err(Error::UploadUnknown(id)),
                published => Ok(published?),
            }
        })
        .await
    }
}

/// The digest of an upload under another algorithm than at its beginning: its object is read again.
fn rehash(
    parts: &Parts,
    row: &UploadRow,
    sealer: &Sealer<ObjectWriter>,
    algorithm: Algorithm,
    lease: &KeyLease,
    runtime: &Handle,
) -> Result<Digest, Error> {
    let mut hasher = Hasher::new(algorithm);
    let binding = Binding::new(parts.name.as_str(), ObjectKind::Blob);
    let mut scanner = Scanner::new(parts.store.read_upload(row)?, binding)?;
    let mut segment = Zeroizing::new(Vec::new());
    while lease.with_renewal(runtime, |key| scanner.next(key, &mut segment))?? {
        scrubbed(|| hasher.update(&segment));
        segment.zeroize();
    }
    Ok(scrubbed(|| {
        hasher.update(sealer.tail());
        hasher.finish()
    }))
}
