//! An object to verify, and the check of all its bytes.

use tokio::runtime::Handle;
use zeroize::{Zeroize as _, Zeroizing};

use crate::names::{Digest, Hasher, TaskRunId};
use crate::registry::content::object::OpenObject;
use crate::registry::error::Error;
use crate::registry::object_name::ObjectName;
use crate::store::{ObjectRow, StoredObject};
use sealed_envelope::scrubbed;

/// An object to verify.
#[derive(Clone)]
pub(in crate::registry) struct Task {
    pub(in crate::registry) name: ObjectName,
    pub(in crate::registry) row: ObjectRow,
}

impl From<StoredObject> for Task {
    fn from(stored: StoredObject) -> Self {
        match stored {
            StoredObject::Blob { digest, object } => {
                Self { name: ObjectName::Blob(digest), row: object }
            }
            StoredObject::Manifest { repository, digest, object } => {
                Self { name: ObjectName::Manifest(repository, digest), row: object }
            }
            StoredObject::Log { run, digest, object } => {
                Self { name: ObjectName::Log(TaskRunId::from_number(run), digest), row: object }
            }
        }
    }
}

/// Authenticates and hashes an object, and returns its number of bytes. Blocks.
pub(in crate::registry) fn read_through(
    opened: OpenObject,
    digest: &Digest,
    runtime: &Handle,
) -> Result<u64, Error> {
    let OpenObject { mut opener, lease, .. } = opened;
    let mut hasher = Hasher::new(digest.algorithm());
    let mut segment = Zeroizing::new(Vec::new());
    for index in 0..opener.segment_count() {
        lease.with_renewal(runtime, |key| opener.read_segment(key, index, &mut segment))??;
        scrubbed(|| hasher.update(&segment));
        // This comes before the next segment may wait for the vault.
        segment.zeroize();
    }
    let actual = scrubbed(|| hasher.finish());
    if actual == *digest {
        Ok(opener.len())
    } else {
        Err(Error::DigestMismatch { named: digest.clone(), actual })
    }
}
