//! Opening a sealed object: from its row to a reader under the lease of its data key.

use fs_err::File;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::Parts;
use super::blocking::blocking;
use super::digest::Digest;
use super::error::Error;
use crate::envelope::{Binding, Header, ObjectKind, Opener};
use crate::keys::KeyLease;
use crate::store::ObjectRow;
use std::sync::Arc;

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
    let (file, header) = blocking({
        let parts = Arc::clone(parts);
        move || {
            let mut file = parts.store.open_file(row.file)?;
            let header = Header::read(&mut file)?;
            Ok::<_, Error>((file, header))
        }
    })
    .await?;
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

/// The whole of a small object, such as a manifest.
pub(super) async fn read_all(
    parts: &Arc<Parts>,
    row: ObjectRow,
    kind: ObjectKind,
    digest: Digest,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let OpenObject { mut opener, lease } = open(parts, row, kind, digest).await?;
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
    read.inspect_err(|error| parts.broken.report(error))
}
