//! The repair of a folder: examines it, plans, and repairs.

use std::collections::HashSet;
use std::path::PathBuf;

use azure_emulator_core::clock::Clock;
use mock_keyvault::repair::{Earlier, RepairError, VaultRepair, aside_name};

use super::error::RepairFailure;
use super::plan::{Plan, Report};
use super::sealed_files::read_sealed_files;
use super::unread;
use crate::config::{Config, VaultChoice};
use crate::registry::{Recovered, RecoveryProgress, Search};
use crate::store::{FileId, RowsRepair};

/// An examined folder. If this is dropped, nothing was changed.
#[derive(Debug)]
pub struct Repair {
    config: Config,
    clock: Clock,
    vault: Option<VaultRepair>,
    rows: RowsRepair,
    plan: Plan,
    /// The small files whose content the damaged journal still holds. `None`: the journal is not damaged.
    carried: Option<HashSet<FileId>>,
    /// The name of the folder for the damaged files, as the plan shows it.
    aside: String,
}

impl Repair {
    /// Examines the folder, and changes nothing. Blocks.
    pub fn examine(config: Config, clock: Clock) -> Result<Self, RepairFailure> {
        let aside = aside_name(clock.now());
        let folder = config.data_dir.clone();
        let rows = RowsRepair::examine(&folder)?;
        let vault_folder = vault_folder(&config).filter(|folder| folder.exists());
        let vault = match &vault_folder {
            Some(vault) => match mock_keyvault::repair::examine(vault) {
                Ok(vault) => Some(vault),
                // A repair cannot solve this.
                Err(RepairError::NoVault(_) | RepairError::OldFormat(_)) => None,
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        let of_vault = vault.as_ref().map(|vault| (vault.earlier(), vault.finished()));
        let (mut earlier, mut lost_before) = (Vec::new(), false);
        for (reported, finished) in of_vault.into_iter().chain([(rows.earlier(), rows.finished())])
        {
            earlier.extend(reported.iter().chain(finished).cloned());
            lost_before |= finished.is_some_and(|finished| !finished.lost.is_empty());
        }
        let vault = vault.filter(|vault| vault.is_needed() || vault.marker().is_some());
        let markers = [rows.marker(), vault.as_ref().and_then(VaultRepair::marker)];
        let files = rows.sealed_files()?;
        let report = rows.is_needed().then(|| rows.report()).transpose()?;
        let damaged_vault = vault.as_ref().filter(|vault| vault.is_needed());
        let vault_report = damaged_vault.map(VaultRepair::report).transpose()?;
        let needed = report.as_ref().map_or(0, |report| report.bytes_needed)
            + vault_report.as_ref().map_or(0, |report| report.rows.bytes_needed);
        let kept_in = [
            report.is_some().then(|| folder.join(&aside)),
            vault_folder.filter(|_| vault_report.is_some()).map(|vault| vault.join(&aside)),
        ];
        let carried = match rows.carried() {
            // Any file can be damaged.
            None if unread::is_set(&folder)? => Some(HashSet::new()),
            carried => carried,
        };
        let room = rustix::fs::statvfs(&folder).map_err(std::io::Error::from)?;
        let plan = Plan {
            vault: vault_report,
            lost: if report.is_some() { rows.lost()? } else { Vec::new() },
            reads_sealed_files: rows.loses_something() || rows.has_loss() || files.quarantined > 0,
            reads_small_files: carried.is_some(),
            rows: report,
            markers: markers.into_iter().flatten().collect(),
            files: files.files,
            file_bytes: files.bytes,
            quarantined: files.quarantined,
            kept_in: kept_in.into_iter().flatten().collect(),
            bytes_needed: needed,
            bytes_free: room.f_bavail.saturating_mul(room.f_frsize),
            folder,
            earlier,
            lost_before,
        };
        Ok(Self { config, clock, vault, rows, plan, carried, aside })
    }

    /// The plan of the repair.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Repairs the folder. Calls `progress` while it reads the sealed files.
    pub async fn run(
        self,
        progress: impl FnMut(RecoveryProgress),
    ) -> Result<Report, RepairFailure> {
        let Self { config, clock, vault, rows, mut plan, carried, aside } = self;
        let lost = plan.lost_rows();
        let (folder, reads_small_files) = (config.data_dir.clone(), plan.reads_small_files);
        let apply = move || -> Result<_, RepairFailure> {
            if reads_small_files {
                unread::set(&folder)?;
            }
            // The vault comes first, because a registry without its vault would be unavailable.
            let of_vault = vault.map(|vault| vault.apply(&aside)).transpose()?.flatten();
            Ok([rows.apply(&aside, &lost)?, of_vault])
        };
        let applied = tokio::task::spawn_blocking(apply).await.map_err(std::io::Error::other)??;
        let rows_aside = applied[0].as_ref().map(|applied| applied.aside.clone());
        // The folder name of the plan may be in use by now.
        plan.kept_in = applied.into_iter().flatten().map(|applied| applied.aside).collect();
        if !plan.reads_sealed_files && !plan.reads_small_files {
            return Ok(Report { plan, recovered: None });
        }
        let search = Search {
            orphans: plan.reads_sealed_files,
            named_except: carried,
            all_strict: config.strict_parity,
        };
        let folder = config.data_dir.clone();
        let mut is_read = plan.reads_small_files;
        let mut recovered = match read_sealed_files(config, clock, search, progress).await {
            // The rows are repaired. Only the check of the small files failed, so a note is enough.
            Err(failure) if !plan.reads_sealed_files => {
                is_read = false;
                let note = "small files could not be read, and some may be lost; the next repair reads them";
                Recovered {
                    notes: vec![format!("{note}: {}", chain(&failure))],
                    ..Recovered::default()
                }
            }
            other => other?,
        };
        if let Some(aside) = rows_aside.filter(|_| !recovered.damaged.is_empty()) {
            let lost: Vec<String> = recovered.damaged.iter().map(ToString::to_string).collect();
            let added = tokio::task::spawn_blocking(move || Earlier::add_lost(&aside, &lost));
            if let Err(error) = added.await.map_err(std::io::Error::other).flatten() {
                recovered.notes.push(format!("the list of lost content is incomplete: {error}"));
                is_read = false;
            }
        }
        if is_read {
            // All were read. Each loss is printed, and marked so that `verify` and `GET` report it.
            tokio::task::spawn_blocking(move || unread::clear(&folder))
                .await
                .map_err(std::io::Error::other)??;
        }
        Ok(Report { plan, recovered: Some(recovered) })
    }
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The data folder of the embedded vault, if the registries use this vault.
fn vault_folder(config: &Config) -> Option<PathBuf> {
    match config.vault {
        VaultChoice::External(_) => None,
        VaultChoice::Embedded => {
            let beside = || config.data_dir.join("vault");
            Some(config.vault_data_dir.clone().unwrap_or_else(beside))
        }
    }
}
