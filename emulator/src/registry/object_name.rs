//! The names of stored objects, for errors, findings and marks.

use std::fmt;

use crate::names::{Digest, RepositoryName, TaskRunId};
use crate::store::Damage;
use sealed_envelope::ObjectKind;

/// The name of a stored object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectName {
    /// A blob of the registry.
    Blob(Digest),
    /// A manifest of one repository.
    Manifest(RepositoryName, Digest),
    /// The log of a task run.
    Log(TaskRunId, Digest),
}

/// An object that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedObject {
    /// The object.
    pub object: ObjectName,
    /// The damage.
    pub damage: Damage,
}

impl ObjectName {
    /// Its digest.
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Blob(digest) | Self::Manifest(_, digest) | Self::Log(_, digest) => digest,
        }
    }

    /// The kind of its sealed file.
    pub(super) fn kind(&self) -> ObjectKind {
        match self {
            Self::Blob(_) => ObjectKind::Blob,
            Self::Manifest(..) => ObjectKind::Manifest,
            Self::Log(..) => ObjectKind::Log,
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(digest) => write!(f, "blob {digest}"),
            Self::Manifest(repository, digest) => write!(f, "manifest {repository}@{digest}"),
            Self::Log(run, _) => write!(f, "log of run {run}"),
        }
    }
}

impl fmt::Display for DamagedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot serve the {}: {}", self.object, self.damage)?;
        match self.object {
            ObjectName::Blob(_) | ObjectName::Manifest(..) => f.write_str("; push it again"),
            ObjectName::Log(..) => Ok(()),
        }
    }
}
