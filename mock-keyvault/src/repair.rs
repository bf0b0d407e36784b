//! Repairs the data folder of a vault, for `mock-keyvault repair` and for `sealyard repair` with its embedded vault.
//!
//! [`examine`] locks the folder and reads everything that is left; [`VaultRepair::report`] says what would be restored and which
//! keys would be lost; [`VaultRepair::apply`] repairs the folder. This module asks no person: its callers do. If a private key
//! is not restored, all data that was wrapped with it is lost.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::folder::Folder;
use crate::store::StoreError;
use crate::store::repair as rows;
use azure_emulator_core::durable::error::FormatError;
pub use azure_emulator_core::durable::repair::{Applied, Earlier};
use azure_emulator_core::durable::repair::{IndexLook, Repair, Source};

/// An examined folder with its planned repair. Dropping it changes nothing.
#[derive(Debug)]
pub struct VaultRepair {
    repair: Repair,
    /// Whether the file that names the format of the folder is missing or damaged.
    lacks_marker: bool,
    // Dropped last: the lock is released after the repair has ended.
    folder: Folder,
}

/// Why a folder cannot be repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// A process has the folder open.
    #[error("{} is in use: stop the vault first", .0.display())]
    InUse(PathBuf),
    /// The folder holds no vault.
    #[error("{} is not a data folder of a vault", .0.display())]
    NoVault(PathBuf),
    /// The folder has no journal yet.
    #[error("{} has the format of an older version: start the vault once to convert it", .0.display())]
    OldFormat(PathBuf),
    /// A newer program wrote the folder, or its files cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file without which the journal cannot be verified is missing.
    #[error("{} is missing: without it the rows cannot be verified. Restore it from a backup", .0.display())]
    NoKey(PathBuf),
    /// A file of the journal cannot be read or written.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The state of the rows of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RowsReport {
    /// The damage of each file.
    pub faults: Vec<String>,
    /// The source from which the rows are restored, as text.
    pub source: String,
    /// Changes up to this number are restored.
    pub restored_through: u64,
    /// Changes up to this number are known to have been made.
    pub known_through: u64,
    /// The most bytes that the new journal needs. It is written next to the damaged one.
    pub bytes_needed: u64,
    /// The free bytes of the disk where it is written.
    pub bytes_free: u64,
}

/// The report of a repair that would be done, or was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultReport {
    /// The report on the rows.
    #[serde(flatten)]
    pub rows: RowsReport,
    /// Key versions that cannot be restored, as vault/name/version.
    pub lost_keys: Vec<String>,
    /// Other losses, as text.
    pub lost: Vec<String>,
}

/// The start of the text of a source if there is none.
const NOTHING: &str = "nothing";

/// Examines the data folder of a vault that no process has open.
pub fn examine(folder: &Path) -> Result<VaultRepair, RepairError> {
    let state = rows::examine(folder)?;
    if !state.has_journal {
        return Err(if folder.join("vaults").exists() {
            RepairError::OldFormat(folder.to_owned())
        } else {
            RepairError::NoVault(folder.to_owned())
        });
    }
    let locked = Folder::lock_existing(folder).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => RepairError::InUse(folder.to_owned()),
        _ => error.into(),
    })?;
    let key = rows::journal_key(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => RepairError::NoKey(folder.join("journal.key")),
        _ => error.into(),
    })?;
    let repair = Repair::examine(folder, rows::TREES, key)?;
    Ok(VaultRepair { repair, lacks_marker: state.lacks_marker, folder: locked })
}

/// The name of the folder for the damaged files, with the present time.
pub fn aside_name(now: OffsetDateTime) -> String {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    format!("damaged-{}", now.format(&format).unwrap_or_default())
}

impl RowsReport {
    /// Creates the report on a repair of any service.
    pub fn new(repair: &Repair) -> io::Result<Self> {
        let survey = repair.survey();
        let mut faults: Vec<String> = survey.faults.iter().map(|fault| fault.0.clone()).collect();
        faults.extend(match repair.index() {
            IndexLook::Unreadable(why) => Some(why.clone()),
            IndexLook::Unproven { .. } => {
                Some("the rows of the index do not match their sum: they are not used".to_owned())
            }
            IndexLook::None | IndexLook::Proven(_) => None,
        });
        let source = match &survey.source {
            Some(Source::Checkpoint(path)) => {
                let name = path.file_name().unwrap_or_default();
                format!("the checkpoint {} and the journal after it", name.display())
            }
            Some(Source::Index(_)) => {
                "the index, whose rows match their sum, and the journal after it".to_owned()
            }
            Some(Source::Beginning) => "the whole journal".to_owned(),
            None => format!("{NOTHING}: neither journal nor index can be used"),
        };
        Ok(Self {
            faults,
            source,
            restored_through: survey.position.generation,
            known_through: survey.expected,
            bytes_needed: repair.bytes_needed()?,
            bytes_free: repair.bytes_free()?,
        })
    }

    /// Whether the new journal fits on the disk in addition to the damaged one. If not, a repair fails and changes nothing.
    pub fn fits(&self) -> bool {
        self.bytes_needed <= self.bytes_free
    }

    /// Whether changes are not restored.
    pub fn loses_something(&self) -> bool {
        self.restored_through < self.known_through || self.source.starts_with(NOTHING)
    }

    /// How many changes are not restored, if any.
    pub fn lost_changes(&self) -> Option<String> {
        let Self { restored_through, known_through, .. } = self;
        if restored_through < known_through {
            let (first, count) = (restored_through + 1, known_through - restored_through);
            Some(format!("{count} changes, with the numbers {first} to {known_through}"))
        } else {
            self.loses_something().then(|| "all changes".to_owned())
        }
    }
}

impl VaultRepair {
    /// Whether the rows must be repaired.
    pub fn is_needed(&self) -> bool {
        self.repair.is_needed()
    }

    /// The file that names the format of the folder, if it is missing or damaged: [`VaultRepair::apply`] writes it again.
    pub fn marker(&self) -> Option<PathBuf> {
        self.lacks_marker.then(|| rows::marker_path(self.folder.path()))
    }

    /// Whether a repair loses anything.
    pub fn loses_something(&self) -> bool {
        self.repair.survey().loses_something()
    }

    /// The report of the repair that [`VaultRepair::apply`] would do.
    pub fn report(&self) -> Result<VaultReport, RepairError> {
        let (lost_keys, lost) = rows::lost(&self.repair)?;
        Ok(VaultReport { rows: RowsReport::new(&self.repair)?, lost_keys, lost })
    }

    /// An interrupted repair that this one has completed. Nothing has reported its losses yet.
    pub fn finished(&self) -> Option<&Earlier> {
        self.repair.finished()
    }

    /// Earlier repairs that lost something, as long as their damaged files are kept.
    pub fn earlier(&self) -> &[Earlier] {
        self.repair.earlier()
    }

    /// Repairs the folder. If it is interrupted, the folder is either unchanged or repaired. `aside` names the folder that keeps
    /// the damaged files, with a list of the losses. Returns `None` if the rows were whole.
    pub fn apply(self, aside: &str) -> Result<Option<Applied>, RepairError> {
        let Self { lacks_marker, .. } = self;
        let applied = if self.is_needed() {
            let lost = self.report()?.losses();
            Some(self.repair.apply(aside, &lost)?)
        } else {
            None
        };
        if lacks_marker {
            rows::write_marker(self.folder.path())?;
        }
        Ok(applied)
    }
}

impl VaultReport {
    /// All losses, as text.
    pub fn losses(&self) -> Vec<String> {
        let keys = self
            .lost_keys
            .iter()
            .map(|key| format!("the key version {key}, with everything that was wrapped with it"));
        self.rows.lost_changes().into_iter().chain(keys).chain(self.lost.iter().cloned()).collect()
    }
}

/// Prints the losses of other repairs.
pub fn write_earlier<'a>(
    f: &mut impl fmt::Write,
    earlier: impl IntoIterator<Item = &'a Earlier>,
) -> fmt::Result {
    for Earlier { kept, lost } in earlier {
        writeln!(f, "An earlier repair kept the damaged files in {}:", kept.display())?;
        if lost.is_empty() {
            writeln!(f, "  nothing was lost")?;
        }
        lost.iter().try_for_each(|lost| writeln!(f, "  lost: {lost}"))?;
    }
    Ok(())
}

impl fmt::Display for VaultReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.fmt(f)?;
        if !self.lost_keys.is_empty() {
            writeln!(f, "lost keys, with everything that was wrapped with them:")?;
            self.lost_keys.iter().try_for_each(|key| writeln!(f, "  {key}"))?;
            writeln!(
                f,
                "  A registry whose data keys were wrapped with one of them stays unavailable (keyPurged): push its content again."
            )?;
        }
        self.lost.iter().try_for_each(|lost| writeln!(f, "lost: {lost}"))
    }
}

impl fmt::Display for RowsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { faults, source, bytes_needed, bytes_free, .. } = self;
        faults.iter().try_for_each(|fault| writeln!(f, "damaged: {fault}"))?;
        writeln!(f, "rows are restored from {source}")?;
        match self.lost_changes() {
            Some(lost) => writeln!(f, "lost: {lost}")?,
            None => writeln!(f, "lost changes: none")?,
        }
        writeln!(
            f,
            "The repair writes new rows next to the damaged ones and replaces them in one step: {} MiB are needed, {} MiB are free",
            bytes_needed.div_ceil(1 << 20),
            bytes_free >> 20
        )
    }
}
