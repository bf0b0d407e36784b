//! Opening a sealed object: from its row to a reader under the lease of its data key.

use std::sync::Arc;

use fs_err::File;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::Parts;
use super::blocking::blocking;
use super::digest::Digest;
use super::error::Error;
use super::names::Reference;
use crate::envelope::{Binding, Header, ObjectKind, OpenError, Opener};
use crate::keys::KeyLease;
use crate::store::{FileId, ObjectRow, StoreError};

/// A reader whose trailer is authenticated, and the lease to read under.
pub(super) struct OpenObject {
    pub(super) opener: Opener<File>,
    pub(super) lease: KeyLease,
}

/// Opens the object of a row, which has to be the one of this digest and kind.
pub(super) async fn open(
    parts: &Arc<Parts>,
    row: ObjectRow,
    kind: ObjectKind,
    digest: Digest,
) -> Result<OpenObject, Error> {
    let file = row.file;
    let opened = open_row(parts, row, kind, digest.clone()).await;
    or_deleted(parts, file, kind, digest, opened).await
}

async fn open_row(
    parts: &Arc<Parts>,
    row: ObjectRow,
    kind: ObjectKind,
    digest: Digest,
) -> Result<OpenObject, Error> {
    let (file, header) = blocking({
        let (parts, digest) = (Arc::clone(parts), digest.clone());
        move || {
            let mut file = match parts.store.open_file(row.file) {
                Err(StoreError::NotFound(id)) if !parts.store.owns_file(id)? => {
                    return Err(deleted(kind, digest));
                }
                opened => opened?,
            };
            let header = Header::read(&mut file)?;
            // The row and the file were written together: one of them was changed since.
            if header.data_key().as_bytes() != &row.data_key {
                return Err(OpenError::Damaged.into());
            }
            Ok::<_, Error>((file, header))
        }
    })
    .await
    .inspect_err(|error| parts.broken.report(error))?;
    let lease = parts.ring.lease(header.data_key()).await?;
    let runtime = Handle::current();
    let binding = Binding::new(parts.name.as_str(), kind);
    let opened = blocking(move || {
        let opener = lease.with_renewal(&runtime, |key| {
            Opener::open(file, header, binding, key, digest.as_str())
        })??;
        Ok::<_, Error>(OpenObject { opener, lease })
    })
    .await;
    opened.inspect_err(|error| parts.broken.report(error))
}

/// What was tried with an object; if it failed because a reset took the object and its data key meanwhile, that it is
/// deleted.
async fn or_deleted<T>(
    parts: &Arc<Parts>,
    file: FileId,
    kind: ObjectKind,
    digest: Digest,
    tried: Result<T, Error>,
) -> Result<T, Error> {
    if !matches!(tried, Err(Error::Internal(_))) {
        return tried;
    }
    parts.gate.pass().await;
    let store = Arc::clone(&parts.store);
    let is_owned = blocking(move || Ok::<_, Error>(store.owns_file(file)?)).await?;
    if is_owned { tried } else { Err(deleted(kind, digest)) }
}

/// That the object was deleted between the look at its row and the look at its file.
fn deleted(kind: ObjectKind, digest: Digest) -> Error {
    match kind {
        ObjectKind::Manifest => Error::ManifestUnknown(Reference::Digest(digest)),
        ObjectKind::Blob | ObjectKind::Log | ObjectKind::Snapshot => Error::BlobUnknown(digest),
    }
}

/// The whole of a small object, such as a manifest.
pub(super) async fn read_all(
    parts: &Arc<Parts>,
    row: ObjectRow,
    kind: ObjectKind,
    digest: Digest,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let file = row.file;
    let OpenObject { mut opener, lease } = open(parts, row, kind, digest.clone()).await?;
    let runtime = Handle::current();
    let read = blocking(move || {
        let mut all =
            Zeroizing::new(Vec::with_capacity(usize::try_from(opener.len()).unwrap_or(0)));
        let mut segment = Zeroizing::new(Vec::new());
        for index in 0..opener.segment_count() {
            lease.with_renewal(&runtime, |key| opener.read_segment(key, index, &mut segment))??;
            all.extend_from_slice(&segment);
        }
        Ok::<_, Error>(all)
    })
    .await;
    let read = read.inspect_err(|error| parts.broken.report(error));
    or_deleted(parts, file, kind, digest, read).await
}
