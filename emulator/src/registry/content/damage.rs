//! Stored objects that cannot be served: the damage, and the registry's reaction.
//!
//! [`object`](super::object) calls this when an object cannot be opened, and `verify` when it finds a damaged one. The
//! object's file then gets a mark (`store/damage.rs`). From then on the object counts as missing: `HEAD` and `GET`
//! answer 404 with the cause, a mount finds nothing, and a manifest that refers to it is refused. So clients push it
//! again, and a push replaces the file.
//!
//! Before an object is served, [`sound_row`] checks for a mark and checks the length of the file. It reads no content.

use std::io;
use std::sync::{Arc, Weak};

use rustix::io::Errno;

use super::damage_report::report;
use crate::keys::KeyError;
use crate::names::Reference;
use crate::registry::Parts;
use crate::registry::blocking::blocking;
use crate::registry::error::{Error, errno_of};
use crate::registry::object_name::{DamagedObject, ObjectName};
use crate::store::Damage;
use crate::store::{ObjectRow, StoreError};
use sealed_envelope::OpenError;

/// The maximum number of lookups of an object that is being replaced meanwhile.
pub(in crate::registry) const TRIES: usize = 10;

/// The object behind a stream, to mark it if it is damaged. It does not keep the registry open.
#[derive(Clone)]
pub(in crate::registry) struct StreamSource {
    parts: Weak<Parts>,
    object: ObjectName,
    row: ObjectRow,
}

impl ObjectName {
    /// The error for a missing object.
    pub(in crate::registry) fn unknown(&self) -> Error {
        match self {
            Self::Blob(digest) => Error::BlobUnknown(digest.clone()),
            Self::Manifest(_, digest) => Error::ManifestUnknown(Reference::Digest(digest.clone())),
            Self::Log(run, _) => Error::TaskRunUnknown(*run),
        }
    }

    /// The row of the object, as it is now.
    fn row(&self, parts: &Parts) -> Result<Option<ObjectRow>, StoreError> {
        let (store, registry) = (&parts.store, &parts.name);
        Ok(match self {
            Self::Blob(digest) => store.registry_blob(registry, digest)?,
            Self::Manifest(repository, digest) => {
                let row = store.manifest(registry, repository, digest)?;
                row.map(|row| row.object)
            }
            Self::Log(run, _) => store.task_run(registry, run.number())?.map(|row| row.run.log),
        })
    }
}

/// The damage that an error shows. `None`: the key was refused, or the object is not at fault.
pub(in crate::registry) fn damage_of(error: &Error) -> Option<Damage> {
    match error {
        Error::Damaged(OpenError::NoSuchSegment(_)) => None,
        Error::Damaged(_) | Error::DigestMismatch { .. } => Some(Damage::Damaged),
        Error::DamagedObject(object) => Some(object.damage),
        Error::Internal(cause) => {
            if let Some(StoreError::NotFound(_)) = cause.downcast_ref() {
                return Some(Damage::Missing);
            }
            match cause.downcast_ref() {
                Some(KeyError::NoSuchDataKey(_) | KeyError::DamagedDataKey(_)) => {
                    return Some(Damage::KeyLost);
                }
                Some(KeyError::Refused(_)) | None => (),
            }
            cause.downcast_ref().filter(|error| is_read_fault(error)).map(|_| Damage::Unreadable)
        }
        _ => None,
    }
}

/// Whether the device or the file system failed to read a file. Other errors, such as a refused permission or a limit
/// of the process, say nothing about the file.
fn is_read_fault(error: &io::Error) -> bool {
    const FAULTS: [Errno; 6] =
        [Errno::IO, Errno::ISDIR, Errno::BADMSG, Errno::UCLEAN, Errno::NXIO, Errno::NODATA];
    error.kind() == io::ErrorKind::IsADirectory
        || errno_of(error).is_some_and(|errno| FAULTS.contains(&errno))
}

/// The current row of an object that may be served. `row` is its row a moment ago.
///
/// [`Error::DamagedObject`] if it has a mark, or if its file is missing or has another length.
pub(in crate::registry) fn sound_row(
    parts: &Parts,
    object: &ObjectName,
    mut row: ObjectRow,
) -> Result<ObjectRow, Error> {
    for _ in 0..TRIES {
        if let Some(mark) = parts.store.damage(&parts.name, &row)? {
            return Err(damaged(object, mark.damage));
        }
        let (damage, message) = match parts.store.look_at_file(&row) {
            Ok(None) => return Ok(row),
            Ok(Some(damage)) => (damage, damage.to_string()),
            Err(error) => {
                let error = Error::from(error);
                let Some(damage) = damage_of(&error) else { return Err(error) };
                (damage, cause_of(&error))
            }
        };
        match object.row(parts)? {
            None => return Err(object.unknown()),
            Some(now) if now.file != row.file => row = now,
            Some(_) => {
                note(parts, object, &row, damage, &message);
                return Err(damaged(object, damage));
            }
        }
    }
    Err(Error::internal("the object is being replaced faster than it can be looked up"))
}

/// Handles a failed read of an object: returns a newer row to read again, because the object was replaced meanwhile, or
/// the error for the client. A damaged object is marked.
pub(in crate::registry) async fn after_failure(
    parts: &Arc<Parts>,
    object: &ObjectName,
    row: &ObjectRow,
    error: Error,
) -> Result<ObjectRow, Error> {
    let damage = damage_of(&error);
    if damage.is_none() && !matches!(error, Error::Internal(_)) {
        return Err(error);
    }
    // A reset may have removed the object and its data key meanwhile.
    parts.gate.pass().await;
    let (work, object, row) = (Arc::clone(parts), object.clone(), row.clone());
    blocking(move || {
        let parts = work;
        match object.row(&parts)? {
            None => Err(object.unknown()),
            Some(now) if now.file != row.file => Ok(now),
            Some(_) => {
                let Some(damage) = damage else { return Err(error) };
                note(&parts, &object, &row, damage, &cause_of(&error));
                Err(damaged(&object, damage))
            }
        }
    })
    .await
}

/// Marks an object as damaged and sends an event. If the mark cannot be written, as on a full disk, this is only
/// logged: the next read finds the damage again.
pub(in crate::registry) fn note(
    parts: &Parts,
    object: &ObjectName,
    row: &ObjectRow,
    damage: Damage,
    message: &str,
) {
    let now = parts.clock.unix_now();
    match parts.store.mark_damaged(&parts.name, row, damage, message, now) {
        Ok(true) => report(parts, object, damage, message),
        Ok(false) => (),
        Err(error) => {
            tracing::warn!(%object, %damage, %error, "cannot mark an object as damaged");
        }
    }
}

/// Removes the mark of an object after it was read to its end. A failure, as on a full disk, says nothing about the
/// object.
pub(in crate::registry) fn clear(parts: &Parts, object: &ObjectName, row: &ObjectRow) {
    match parts.store.clear_damage(&parts.name, row) {
        Ok(false) => (),
        Ok(true) => {
            tracing::info!(registry.name = parts.name.as_str(), %object, "an object can be read again");
        }
        Err(error) => {
            tracing::warn!(%object, %error, "cannot remove the mark of an object that can be read");
        }
    }
}

pub(in crate::registry) fn damaged(object: &ObjectName, damage: Damage) -> Error {
    Error::DamagedObject(Box::new(DamagedObject { object: object.clone(), damage }))
}

/// The innermost message of an error, without local paths.
pub(in crate::registry) fn cause_of(error: &Error) -> String {
    match error {
        Error::Damaged(cause) => cause.to_string(),
        Error::Internal(cause) => match cause.downcast_ref::<io::Error>() {
            Some(error) => io_message(error),
            None => cause.to_string(),
        },
        other => other.to_string(),
    }
}

/// The system's message, without the path.
pub(in crate::registry) fn io_message(error: &io::Error) -> String {
    match errno_of(error) {
        Some(errno) => io::Error::from(errno).to_string(),
        None => error.kind().to_string(),
    }
}

impl StreamSource {
    pub(in crate::registry) fn new(parts: &Arc<Parts>, object: ObjectName, row: ObjectRow) -> Self {
        Self { parts: Arc::downgrade(parts), object, row }
    }

    /// Marks the object if its damage broke the stream.
    pub(in crate::registry) async fn broke(&self, error: Error) -> Error {
        let (Some(parts), Some(damage)) = (self.parts.upgrade(), damage_of(&error)) else {
            return error;
        };
        let (source, message) = (self.clone(), cause_of(&error));
        let noted = blocking(move || {
            let now = source.object.row(&parts)?;
            if now.is_some_and(|now| now.file == source.row.file) {
                note(&parts, &source.object, &source.row, damage, &message);
            }
            Ok::<_, Error>(())
        });
        if let Err(error) = noted.await {
            tracing::warn!(%error, "cannot record that a stream broke");
        }
        error
    }
}
