//! The plan of a repair, and the report of its result.

use std::path::PathBuf;

use mock_keyvault::repair::{Earlier, RowsReport, VaultReport};
use serde::{Deserialize, Serialize};

use crate::registry::Recovered;

/// The plan of a repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The data folder.
    pub folder: PathBuf,
    /// The embedded vault, if it has to be repaired.
    pub vault: Option<VaultReport>,
    /// The rows of the registries, if they have to be repaired.
    pub rows: Option<RowsReport>,
    /// The losses whose names are still known.
    pub lost: Vec<String>,
    /// The missing or damaged files that state the format of a folder. They are written again.
    pub markers: Vec<PathBuf>,
    /// Whether the repair searches the sealed files for content.
    pub reads_sealed_files: bool,
    /// Whether small files that rows name are read: the damaged journal may have held the only copy of their content.
    #[serde(default)]
    pub reads_small_files: bool,
    /// The number of all sealed files.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// The number of files in quarantine.
    pub quarantined: u64,
    /// The folders for the damaged files; after the repair, their actual folders.
    pub kept_in: Vec<PathBuf>,
    /// The bytes that the new rows need.
    pub bytes_needed: u64,
    /// The bytes that are free.
    pub bytes_free: u64,
    /// Other repairs with losses, as long as their damaged files are kept.
    pub earlier: Vec<Earlier>,
    /// Whether one of them was interrupted before it could list its losses.
    pub lost_before: bool,
}

/// The result of a repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The plan.
    #[serde(flatten)]
    pub plan: Plan,
    /// The content that was recovered from sealed files, if they were read.
    pub recovered: Option<Recovered>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.vault.is_none()
            && self.rows.is_none()
            && self.markers.is_empty()
            && !self.reads_sealed_files
            && !self.reads_small_files
    }

    /// Whether the disk has space for the new rows in addition to the damaged ones.
    pub fn fits(&self) -> bool {
        self.bytes_needed <= self.bytes_free
    }

    /// The losses of the registries' rows, as sentences.
    pub(super) fn lost_rows(&self) -> Vec<String> {
        let changes = self.rows.as_ref().and_then(RowsReport::lost_changes);
        changes.into_iter().chain(self.lost.iter().cloned()).collect()
    }

    /// Whether a loss is known already. For content that an earlier repair has left for this one, the names that
    /// the earlier repair lost count as losses.
    pub fn loses_something(&self) -> bool {
        self.lost_before
            || self.reads_sealed_files
                && self.earlier.iter().any(|earlier| !earlier.lost.is_empty())
            || !self.lost.is_empty()
            || self.rows.as_ref().is_some_and(RowsReport::loses_something)
            || self.vault.as_ref().is_some_and(|vault| !vault.losses().is_empty())
    }
}

impl Report {
    /// Whether the repair had losses.
    pub fn lost_something(&self) -> bool {
        self.plan.loses_something() || self.recovered.as_ref().is_some_and(Recovered::is_incomplete)
    }
}
