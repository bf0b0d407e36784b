//! Opens a sealed object: from its row to a reader under the lease of its data key.
//!
//! An object can be replaced or deleted between the read of its row and the opening of its file: then it is looked up
//! again. An object that cannot be opened is marked as damaged; `damage.rs` describes the consequences.

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::damage::{TRIES, after_failure, damage_of};
use crate::keys::{KeyLease, LeaseEnded, RenewalWait};
use crate::registry::Parts;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::object_name::ObjectName;
use crate::store::{Damage, ObjectReader, ObjectRow};
use sealed_envelope::{Binding, Header, OpenError, Opener, ReadRange};

/// A reader whose trailer is authenticated, and the lease to read under.
pub(in crate::registry) struct OpenObject {
    pub(in crate::registry) opener: Opener<ObjectReader>,
    pub(in crate::registry) lease: KeyLease,
    /// The row that it was opened from.
    pub(in crate::registry) row: ObjectRow,
}

/// Opens an object whose row was read a moment ago.
pub(in crate::registry) async fn open(
    parts: &Arc<Parts>,
    object: &ObjectName,
    mut row: ObjectRow,
) -> Result<OpenObject, Error> {
    let mut has_failed = false;
    for _ in 0..TRIES {
        match open_row(parts, object, row.clone()).await {
            Ok(opened) => return Ok(opened),
            Err(error) if may_pass(&error) && !has_failed => has_failed = true,
            Err(error) => row = after_failure(parts, object, &row, error).await?,
        }
    }
    Err(too_fast())
}

async fn open_row(
    parts: &Arc<Parts>,
    object: &ObjectName,
    row: ObjectRow,
) -> Result<OpenObject, Error> {
    let (reader, header) = blocking({
        let (parts, row) = (Arc::clone(parts), row.clone());
        move || {
            let mut reader = parts.store.open_object(row.file)?;
            let header = Header::of_file(&mut reader)?;
            // The row and the object were written together, so one of them was changed since.
            if header.data_key().as_bytes() != &row.data_key {
                return Err(OpenError::Damaged.into());
            }
            Ok::<_, Error>((reader, header))
        }
    })
    .await?;
    let lease = parts.ring.lease(header.data_key()).await?;
    let runtime = Handle::current();
    let binding = Binding::new(parts.name.as_str(), object.kind());
    let digest = object.digest().clone();
    blocking(move || {
        let opener = lease.with_renewal(&runtime, |key| {
            Opener::open(reader, header, binding, key, digest.as_str())
        })??;
        Ok::<_, Error>(OpenObject { opener, lease, row })
    })
    .await
}

/// Whether the next try may succeed: the device can fail once. Only a second failure makes the content count as missing.
fn may_pass(error: &Error) -> bool {
    damage_of(error) == Some(Damage::Unreadable)
}

/// The whole of a small object, such as a manifest.
pub(in crate::registry) async fn read_all(
    parts: &Arc<Parts>,
    object: &ObjectName,
    mut row: ObjectRow,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut has_failed = false;
    for _ in 0..TRIES {
        let opened = open(parts, object, row).await?;
        let opened_from = opened.row.clone();
        match read_opened(opened).await {
            Ok(all) => return Ok(all),
            Err(error) if may_pass(&error) && !has_failed => {
                has_failed = true;
                row = opened_from;
            }
            Err(error) => row = after_failure(parts, object, &opened_from, error).await?,
        }
    }
    Err(too_fast())
}

/// Reads all bytes of an open object. If its lease ends meanwhile, the bytes are dropped, and read again when the vault
/// has answered.
async fn read_opened(mut opened: OpenObject) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut wait = RenewalWait::default();
    loop {
        let lease = opened.lease.clone();
        let tried = blocking(move || {
            let all = read_under(&mut opened)?;
            Ok::<_, Error>((opened, all))
        });
        match tried.await? {
            (_, Some(all)) => return Ok(all),
            (again, None) => opened = again,
        }
        lease.renewed(&mut wait).await?;
    }
}

/// Reads all bytes of an object. `None`: the lease has ended first.
fn read_under(opened: &mut OpenObject) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let OpenObject { opener, lease, .. } = opened;
    let mut all = Zeroizing::new(Vec::with_capacity(usize::try_from(opener.len()).unwrap_or(0)));
    let mut segment = Zeroizing::new(Vec::new());
    for index in 0..opener.segment_count() {
        let read = lease.with(|key| {
            opener.read_segment(key, index, &mut segment)?;
            all.extend_from_slice(&segment);
            Ok::<_, OpenError>(())
        });
        match read {
            Ok(read) => read?,
            Err(LeaseEnded) => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// The sealed format reads the objects of the store in ranges.
impl ReadRange for ObjectReader {
    fn total_len(&mut self) -> io::Result<u64> {
        self.object_len()
    }

    fn read_range(&mut self, offset: u64, len: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.read_at(offset, len, bytes)
    }
}

fn too_fast() -> Error {
    Error::internal("the object is being replaced faster than it can be read")
}
