//! Reads a sealed file without a row.

use std::sync::Arc;

use tokio::runtime::Handle;
use zeroize::{Zeroize as _, Zeroizing};

use super::recovered::LostFile;
use super::rings::{OpenRing, Rings};
use crate::keys::{KeyError, KeyLease};
use crate::names::{Digest, Hasher, RegistryName};
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::manifest::MAX_MANIFEST_LEN;
use crate::store::{FileId, ObjectRow, Store};
use sealed_envelope::{Binding, Header, ObjectKind, OpenError, Opener, scrubbed};

/// How many files are read at the same time.
pub(super) const PARALLEL: usize = 2;

/// A file that no row names, with its header.
pub(super) struct OrphanFile {
    pub(super) id: FileId,
    /// The error says why the header cannot be read.
    pub(super) header: Result<Header, String>,
}

/// A file after it was read.
pub(super) struct SealedFile {
    pub(super) id: FileId,
    pub(super) outcome: Result<IntactFile, LostFile>,
}

/// The content of an intact file.
pub(super) struct IntactFile {
    pub(super) registry: RegistryName,
    pub(super) digest: Digest,
    pub(super) object: ObjectRow,
    pub(super) content: Content,
}

/// The content, if it is needed.
pub(super) enum Content {
    Blob,
    Manifest(Zeroizing<Vec<u8>>),
}

/// The files that no row names. Files in quarantine first get their published name back.
pub(super) fn orphan_files(store: &Store) -> Result<Vec<OrphanFile>, Error> {
    for id in store.quarantined()? {
        store.bring_back(id)?;
        // A file that a row names was in use all the time.
        if store.owns_file(id)? {
            store.leave_quarantine(id)?;
        }
    }
    let mut files = Vec::new();
    for id in store.orphans()? {
        let header = store
            .open_object(id)
            .map_err(Error::from)
            .and_then(|mut reader| Ok(Header::of_file(&mut reader)?))
            .map_err(|error| describe(&error));
        files.push(OrphanFile { id, header });
    }
    Ok(files)
}

impl SealedFile {
    /// Reads a whole file. It fails only with errors that every other file would cause too.
    pub(super) async fn read(
        store: &Arc<Store>,
        rings: &Arc<Rings>,
        file: OrphanFile,
    ) -> Result<Self, Error> {
        let OrphanFile { id, header } = file;
        let lost = move |registry: Option<&RegistryName>, message: String| LostFile {
            file: id.to_string(),
            registry: registry.map(ToString::to_string),
            digest: None,
            can_be_tried_again: false,
            message,
        };
        let header = match header {
            Ok(header) => header,
            Err(message) => return Ok(Self { id, outcome: Err(lost(None, message)) }),
        };
        let Some(ring) = rings.ring_with(header.data_key()) else {
            let message = format!("no ring has its data key {}", header.data_key());
            return Ok(Self { id, outcome: Err(lost(None, message)) });
        };
        let registry = ring.registry().clone();
        if !matches!(header.kind(), ObjectKind::Blob | ObjectKind::Manifest) {
            let message = "it is the log of a task run, and the run is not known".to_owned();
            return Ok(Self { id, outcome: Err(lost(Some(&registry), message)) });
        }
        let lease = match lease(ring, &header).await {
            Ok(lease) => lease,
            Err((message, can_be_tried_again)) => {
                let lost = LostFile { can_be_tried_again, ..lost(Some(&registry), message) };
                return Ok(Self { id, outcome: Err(lost) });
            }
        };
        let store = Arc::clone(store);
        let runtime = Handle::current();
        let read = blocking(move || {
            let mut digest = None;
            let found = open(&store, id, header, &registry, &lease, &runtime, &mut digest);
            let outcome = found.map_err(|error| LostFile {
                digest: digest.map(|digest: Digest| digest.to_string()),
                can_be_tried_again: matches!(error, Error::Refused(_)),
                ..lost(Some(&registry), describe(&error))
            });
            Ok::<_, Error>(Self { id, outcome })
        });
        read.await
    }
}

/// A lease on the data key of a file, or why there is none, and whether a retry may get one.
async fn lease(ring: &OpenRing, header: &Header) -> Result<KeyLease, (String, bool)> {
    let ring = ring.open().map_err(|message| (message.to_owned(), true))?;
    ring.lease(header.data_key()).await.map_err(|error| {
        let again = matches!(error, KeyError::Refused(_));
        (error.to_string(), again)
    })
}

fn open(
    store: &Store,
    id: FileId,
    header: Header,
    registry: &RegistryName,
    lease: &KeyLease,
    runtime: &Handle,
    digest: &mut Option<Digest>,
) -> Result<IntactFile, Error> {
    let reader = store.open_object(id)?;
    let binding = Binding::new(registry.as_str(), header.kind());
    let (mut opener, identity) =
        lease.with_renewal(runtime, |key| Opener::open_unnamed(reader, header, binding, key))??;
    let named: Digest = identity.parse()?;
    *digest = Some(named.clone());
    let keeps = header.kind() == ObjectKind::Manifest;
    if keeps && (MAX_MANIFEST_LEN as u64) < opener.len() {
        return Err(Error::ManifestTooLarge(MAX_MANIFEST_LEN));
    }
    let mut hasher = Hasher::new(named.algorithm());
    let mut manifest = Zeroizing::new(Vec::with_capacity(if keeps {
        usize::try_from(opener.len()).unwrap_or_default()
    } else {
        0
    }));
    let mut segment = Zeroizing::new(Vec::new());
    for index in 0..opener.segment_count() {
        lease.with_renewal(runtime, |key| opener.read_segment(key, index, &mut segment))??;
        scrubbed(|| hasher.update(&segment));
        if keeps {
            manifest.extend_from_slice(&segment);
        }
        segment.zeroize();
    }
    let actual = scrubbed(|| hasher.finish());
    if actual != named {
        return Err(Error::DigestMismatch { named, actual });
    }
    let object = ObjectRow {
        file: id,
        size: opener.len(),
        data_key: *header.data_key().as_bytes(),
        created: 0,
        sealed_len: None,
    };
    let content = if keeps { Content::Manifest(manifest) } else { Content::Blob };
    Ok(IntactFile { registry: registry.clone(), digest: named, object, content })
}

/// The problem with a file, which is the cause of the error.
fn describe(error: &Error) -> String {
    match error {
        Error::Damaged(OpenError::Damaged) => "it does not authenticate".to_owned(),
        Error::Damaged(cause) => cause.to_string(),
        Error::Internal(cause) => cause.to_string(),
        other => other.to_string(),
    }
}
