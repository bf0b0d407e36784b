//! Repairs a data folder that no emulator has open. `sealyard repair` calls this, and asks the user for confirmation.
//!
//! [`Repair::examine`] takes the locks and examines the folder; [`Repair::plan`] lists what would be restored and what would
//! be lost; [`Repair::run`] repairs. It repairs the rows of the embedded vault first, then the rows of the registries, each in
//! one step that keeps the damaged files. Then it recovers content that no row names from the sealed files, with the mirrored
//! rings and the vault, and checks small files whose only copy the damaged journal may have held. After a kill at any moment,
//! the folder is unchanged or repaired, and the next repair continues: the mark of a loss keeps the files that were not
//! examined yet.

mod text;
mod unread;

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::durable::Durability;
use mock_keyvault::repair::{
    Earlier, RepairError, RowsReport, VaultRepair, VaultReport, aside_name,
};
use serde::{Deserialize, Serialize};

use crate::agenda;
use crate::config::{Config, VaultChoice};
use crate::platform::LocalPlatform;
use crate::registry::{Platform, Recovered, RecoveryProgress, Search, recover};
use crate::serve::{StartError, start_vault};
use crate::store::{FileId, RowsRepair, Store, StoreError};
use crate::vault::{ConnectionError, VaultConnection};

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

/// The reason why a folder was not repaired, or not completely.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairFailure {
    /// The rows of the registries, or the folder itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of the embedded vault.
    #[error(transparent)]
    Vault(#[from] RepairError),
    /// The vault did not start, or cannot be reached.
    #[error(
        "the rows are repaired, but the sealed files cannot be opened: the vault cannot be used"
    )]
    Start(#[from] StartError),
    /// The vault cannot be reached with the given settings.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// Content could not be recovered.
    #[error("the rows are repaired, but the sealed files cannot be read")]
    Recovery(#[from] crate::registry::Error),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl RepairFailure {
    /// Whether a process has the folder open.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Store(StoreError::InUse { .. }) | Self::Vault(RepairError::InUse(_)))
    }
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
        for (told, untold) in of_vault.into_iter().chain([(rows.earlier(), rows.finished())]) {
            earlier.extend(told.iter().chain(untold).cloned());
            lost_before |= untold.is_some_and(|untold| !untold.lost.is_empty());
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
            // No file is known to be sound.
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
            rowless: plan.reads_sealed_files,
            named_but: carried,
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

/// Recovers content that no row names, and finds the losses of the rest, with a vault that is started for it, or with the
/// named vault.
async fn read_sealed_files(
    mut config: Config,
    clock: Clock,
    search: Search,
    progress: impl FnMut(RecoveryProgress),
) -> Result<Recovered, RepairFailure> {
    let folder = config.data_dir.clone();
    let path = folder.clone();
    let store = tokio::task::spawn_blocking(move || Store::open(&path, Durability::Full));
    let store = Arc::new(store.await.map_err(std::io::Error::other)??);
    agenda::restore_clock(&folder, &clock)?;
    config.azure_listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let vault = match config.vault {
        VaultChoice::Embedded => Some(start_vault(&mut config, &folder, &clock).await?),
        VaultChoice::External(_) => None,
    };
    let access = VaultConnection::of(&config, vault.as_ref(), &clock)?;
    let owner = access.owner()?;
    let platform = LocalPlatform::new(access, owner, vault.as_ref(), config.key_size)?;
    let platform: Arc<dyn Platform> = Arc::new(platform);
    let settles = search.rowless;
    let recovered = recover(Arc::clone(&store), platform, clock, search, progress).await;
    if let Some(vault) = vault {
        vault.shutdown().await;
    }
    let recovered = recovered?;
    if !settles {
        return Ok(recovered);
    }
    // Content that was not recovered stays in quarantine; the loss is final.
    let swept = tokio::task::spawn_blocking(move || store.sweep_orphans());
    swept.await.map_err(std::io::Error::other)??;
    Ok(recovered)
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
    fn lost_rows(&self) -> Vec<String> {
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
        self.plan.loses_something()
            || self.recovered.as_ref().is_some_and(Recovered::lacks_something)
    }
}
