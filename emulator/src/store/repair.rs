//! The rows of a data folder as a repair sees them, also when [`Store::open`](super::Store::open) refuses the folder.
//!
//! `azure_emulator_core::durable::repair` decides which rows are salvaged and how; this file describes the lost rows. After the
//! rows are repaired, the folder opens as usual, and content without rows is restored from the sealed files.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azure_emulator_core::disk_calls as fs;
use azure_emulator_core::durable::Durability;
use azure_emulator_core::durable::error::FormatError;
use azure_emulator_core::durable::repair::{Applied, Attachment, Earlier, LostRow, Repair};
use azure_emulator_core::lock_file::LockFile;
use mock_keyvault::repair::RowsReport;

use super::disk::make_dir;
use super::encoding::decode;
use super::error::StoreError;
use super::file_id::FileId;
use super::layout::Layout;
use super::marker::write_marker;
use super::objects::folder::{Restorer, carried_file};
use super::open::{key_for_repair, lock_for_repair};
use super::rows::TagRow;
use super::tables::Table;

/// An examined repair of the rows. It changes nothing until it is applied.
#[derive(Debug)]
pub struct RowsRepair {
    repair: Repair,
    layout: Layout,
    lacks_marker: bool,
    // Dropped last: the folder is free when the work has ended.
    _lock: LockFile,
}

/// The sizes of the sealed files of a data folder; the files are not opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealedFiles {
    /// Published files.
    pub files: u64,
    /// Their length in bytes.
    pub bytes: u64,
    /// Files in quarantine.
    pub quarantined: u64,
    /// Mirrors of rings.
    pub mirrors: u64,
}

impl RowsRepair {
    /// Examines a data folder that no process has open.
    pub fn examine(path: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(path);
        let (lock, lacks_marker) = lock_for_repair(&layout)?;
        let key = Arc::new(key_for_repair(&layout)?);
        let repair = Repair::examine(path, Table::NAMES, key)?;
        Ok(Self { repair, layout, lacks_marker, _lock: lock })
    }

    /// Whether the rows need a repair.
    pub fn is_needed(&self) -> bool {
        self.repair.is_needed()
    }

    /// The marker with the folder's format, if it is missing or damaged: [`RowsRepair::apply`] writes it again.
    pub fn marker(&self) -> Option<PathBuf> {
        self.lacks_marker.then(|| self.layout.marker())
    }

    /// Whether some changes cannot be restored.
    pub fn loses_something(&self) -> bool {
        self.repair.survey().loses_something()
    }

    /// Whether an earlier start or repair lost rows and the search for their content has not ended.
    pub fn has_loss(&self) -> bool {
        self.layout.journal().join("loss").exists()
    }

    /// The findings.
    pub fn report(&self) -> Result<RowsReport, StoreError> {
        Ok(RowsReport::new(&self.repair)?)
    }

    /// Descriptions of the lost things whose names are still known.
    pub fn lost(&self) -> Result<Vec<String>, StoreError> {
        let tables = [
            Table::Registries,
            Table::Repositories,
            Table::Tags,
            Table::Manifests,
            Table::Links,
            Table::Access,
            Table::Uploads,
            Table::TaskRuns,
            Table::Deployments,
            Table::Groups,
            Table::Identities,
        ];
        let numbers = tables.map(|table| table as u8);
        let rows = self.repair.lost_rows(&numbers).map_err(from_format)?;
        let mut lost: Vec<String> = rows.iter().filter_map(describe).collect();
        lost.dedup();
        Ok(lost)
    }

    /// The small files whose content the damaged journal still holds; [`RowsRepair::apply`] writes them. It may have been
    /// the only copy of others. None: the journal is not damaged, and has lost nothing.
    pub fn carried(&self) -> Option<HashSet<FileId>> {
        let survey = self.repair.survey();
        let attachments = survey.attachments().iter();
        let held = || attachments.filter_map(|attached| carried_file(&attached.name)).collect();
        (!survey.is_sound()).then(held)
    }

    /// The sealed files, for the plan.
    pub fn sealed_files(&self) -> Result<SealedFiles, StoreError> {
        let mut found = SealedFiles::default();
        for shard in self.layout.shards() {
            let (files, bytes) = count(&shard)?;
            found.files += files;
            found.bytes = found.bytes.saturating_add(bytes);
        }
        found.quarantined = count(&self.layout.quarantine())?.0;
        found.mirrors = count(&self.layout.rings())?.0;
        Ok(found)
    }

    /// An interrupted repair that this one has completed. Its losses were not reported.
    pub fn finished(&self) -> Option<&Earlier> {
        self.repair.finished()
    }

    /// Earlier repairs with losses, while their damaged files are kept.
    pub fn earlier(&self) -> &[Earlier] {
        self.repair.earlier()
    }

    /// Replaces damaged rows by the restored ones, in one step, and writes the marker if necessary. The
    /// files in the journal are written first: the repair removes their content from it. `lost` is the text of the report and of
    /// [`RowsRepair::lost`]. Returns `None` if the rows were intact.
    pub fn apply(self, aside: &str, lost: &[String]) -> Result<Option<Applied>, StoreError> {
        let applied = if self.is_needed() {
            self.restore_files()?;
            Some(self.repair.apply(aside, lost).map_err(from_format)?)
        } else {
            None
        };
        if self.lacks_marker {
            write_marker(&self.layout, false, Durability::Full)?;
        }
        Ok(applied)
    }

    /// Writes the files that the journal has and the folder lacks, and syncs all of them: the existing ones were not synced.
    ///
    /// A file that the restored rows do not name was deleted, unless they end before it was made.
    fn restore_files(&self) -> Result<(), StoreError> {
        let survey = self.repair.survey();
        if survey.attachments().is_empty() {
            return Ok(());
        }
        let mut named: HashSet<Vec<u8>> = HashSet::new();
        let each = survey.each_row(self.repair.key(), |row| {
            if row.tree == Table::Files as u8 {
                named.insert(row.key.to_vec());
            }
            Ok(())
        });
        each.map_err(from_format)?;
        let restorer = Restorer::new(&self.layout);
        for Attachment { name, content, is_restored } in survey.attachments() {
            // A file of unknown purpose must not stop the repair of the others.
            let Some(id) = carried_file(name) else { continue };
            if !is_restored || named.contains(&id.as_bytes()[..]) {
                make_dir(&self.layout.files())?;
                make_dir(&self.layout.shard(id))?;
                restorer.restore(id, content)?;
            }
        }
        let root = fs::File::open(self.layout.root())?;
        Ok(fs::syncfs(&root)?)
    }
}

/// Describes a lost row for people. `None` for rows that only support others.
fn describe(row: &LostRow) -> Option<String> {
    let LostRow { tree, key, known, restored } = row;
    let table = *Table::ALL.get(usize::from(*tree))?;
    let key = std::str::from_utf8(key).ok()?;
    let parts: Vec<&str> = key.split('\0').collect();
    let what = match (table, &parts[..]) {
        (Table::Registries, [registry]) => format!("the registry {registry}"),
        (Table::Repositories, [registry, repository]) => {
            // Its counters change with each push.
            if known.is_some() && restored.is_some() {
                return None;
            }
            format!("the repository {repository} in {registry}")
        }
        (Table::Tags, [registry, repository, tag]) => {
            let digest =
                |row: &Option<Vec<u8>>| Some(decode::<TagRow>(row.as_deref()?).ok()?.digest);
            let (new, old) = (digest(known), digest(restored));
            let name = format!("the tag {repository}:{tag} in {registry}");
            return match (new, old) {
                (Some(new), Some(old)) if new == old => None,
                (Some(new), Some(old)) => Some(format!("{name} is {old} again, and was {new}")),
                (Some(new), None) => Some(format!("{name}, which was {new}")),
                (None, _) if known.is_none() => Some(format!("the deletion of {name}")),
                (None, _) => Some(format!("a change of {name}")),
            };
        }
        (Table::Manifests, [registry, repository, digest]) => {
            format!("the manifest {repository}@{digest} in {registry}")
        }
        (Table::Links, [registry, repository, digest]) => {
            // Only the link to the repository matters.
            if known.is_some() && restored.is_some() {
                return None;
            }
            format!("the blob {digest} in {repository} in {registry}")
        }
        (Table::Access, [registry, kind, name, ..]) => {
            format!("a setting of who may log in to {registry} ({kind} {name})")
        }
        (Table::Uploads, [registry, upload]) => {
            if known.is_some() && restored.is_some() {
                return None;
            }
            format!("the upload {upload} in {registry}")
        }
        (Table::TaskRuns, [registry, run]) => format!("the task run {run} in {registry}"),
        (Table::Deployments, [group, name, ..]) => {
            format!("the deployment {name} in the resource group {group}")
        }
        (Table::Groups, [group]) => format!("the resource group {group}"),
        (Table::Identities, [group, name]) => {
            format!("the identity {name} in the resource group {group}")
        }
        _ => return None,
    };
    Some(match (known, restored) {
        (Some(_), Some(_)) => format!("a change of {what}"),
        (None, _) => format!("the deletion of {what}"),
        (Some(_), None) => what,
    })
}

fn count(folder: &Path) -> Result<(u64, u64), StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        Err(error) => return Err(error.into()),
    };
    let (mut files, mut bytes) = (0, 0_u64);
    for entry in entries {
        files += 1;
        bytes = bytes.saturating_add(entry?.metadata()?.len());
    }
    Ok((files, bytes))
}

fn from_format(error: FormatError) -> StoreError {
    match error {
        FormatError::Io(error) => error.into(),
        damaged @ FormatError::Damaged { .. } => StoreError::Damaged(damaged.to_string()),
    }
}
