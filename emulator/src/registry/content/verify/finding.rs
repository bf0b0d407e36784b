//! The result of a verification, in a form that can be sent to the command line.

use serde::{Deserialize, Serialize};

use crate::registry::content::damage::{damage_of, io_message};
use crate::registry::error::Error;
use crate::registry::object_name::ObjectName;
use crate::store::Damage;
use crate::store::{FileId, ListFault};

/// The result of a verification.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Blobs that were read.
    pub blobs: u64,
    /// Manifests that were read.
    pub manifests: u64,
    /// Logs of task runs that were read.
    #[serde(default)]
    pub logs: u64,
    /// Bytes of content that were authenticated and hashed.
    pub bytes: u64,
    /// Open uploads. They are not verified: they are read when they are resumed.
    #[serde(default)]
    pub uploads: u64,
    /// Bytes of the files of open uploads.
    #[serde(default)]
    pub upload_bytes: u64,
    /// All problems; empty if there are none.
    pub findings: Vec<Finding>,
    /// Why the key was refused before everything was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Objects that were not read because the key was refused: their files exist and have the right length.
    #[serde(default)]
    pub unchecked: u64,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The kind of problem.
    pub kind: FindingKind,
    /// The blob, manifest, log, row or folder, or the file that no row names.
    pub object: String,
    /// Details, as a sentence.
    #[serde(rename = "words")] // prose: the name in JSON
    pub message: String,
    /// The repositories that it affects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// The tags that it affects, each with its repository: `app:v1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The action of a repair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    /// Whether that has fixed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub healed: bool,
    /// The object, if there is one.
    #[serde(skip)]
    pub(crate) name: Option<ObjectName>,
}

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    /// It does not authenticate, has another length or digest, or its data key is lost.
    Damaged,
    /// Its file is missing.
    Missing,
    /// The system cannot read it: a file, or a folder of files.
    Unreadable,
    /// A row cannot be read, or the storage of the rows is damaged.
    Row,
    /// A file that no row names; `sealyard gc` removes it.
    Unreferenced,
    /// A file in quarantine, which a repair of the data folder checks.
    Quarantined,
}

impl Verified {
    /// The most serious kind of problem that is left, as far as was checked. A file that no row names does no harm.
    #[cfg(any(feature = "command-line", feature = "internals"))]
    pub fn worst(&self) -> Option<FindingKind> {
        let left = self.findings.iter().filter(|finding| finding.needs_work());
        left.map(|finding| finding.kind).min()
    }

    pub(super) fn count(&mut self, name: &ObjectName, len: u64) {
        self.bytes = self.bytes.saturating_add(len);
        match name {
            ObjectName::Blob(_) => self.blobs += 1,
            ObjectName::Manifest(..) => self.manifests += 1,
            ObjectName::Log(..) => self.logs += 1,
        }
    }
}

impl Finding {
    /// Whether it still has to be fixed.
    pub fn needs_work(&self) -> bool {
        !matches!(self.kind, FindingKind::Unreferenced | FindingKind::Quarantined) && !self.healed
    }

    pub(in crate::registry) fn for_object(
        name: &ObjectName,
        error: &Error,
        message: String,
    ) -> Self {
        let kind = match damage_of(error) {
            Some(Damage::Damaged | Damage::KeyLost) => FindingKind::Damaged,
            Some(Damage::Missing) => FindingKind::Missing,
            Some(Damage::Unreadable) | None => FindingKind::Unreadable,
        };
        Self { name: Some(name.clone()), ..Self::new(kind, name.to_string(), message) }
    }

    pub(super) fn for_row(message: String) -> Self {
        Self::new(FindingKind::Row, "row".to_owned(), message)
    }

    pub(super) fn for_orphan(file: FileId) -> Self {
        let message = "no row names this file".to_owned();
        Self::new(FindingKind::Unreferenced, file.to_string(), message)
    }

    pub(super) fn for_fault(fault: &ListFault) -> Self {
        let message = format!("cannot list it: {}", io_message(&fault.error));
        Self::new(FindingKind::Unreadable, fault.place.clone(), message)
    }

    /// A problem.
    pub fn new(kind: FindingKind, object: String, message: String) -> Self {
        let (repositories, tags) = (Vec::new(), Vec::new());
        Self { kind, object, message, repositories, tags, done: None, healed: false, name: None }
    }
}
