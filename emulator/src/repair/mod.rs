//! Repairing a data folder that no emulator has open: what `sealyard repair` does, without asking anybody.
//!
//! [`Repair::examine`] takes the locks and finds out what is left; [`Repair::plan`] says what would be restored and what would
//! be lost; [`Repair::run`] does it. First come the rows of the embedded vault, then the rows of the registries, each in one
//! step that keeps what was there. Then content that no row names comes back from the sealed files, with the mirrored rings
//! and the vault, and what the rows name is looked for where the damaged journal may have held it alone. Killed at any moment, the folder is as before or repaired, and the next repair goes on: what was not looked
//! at yet is kept by the mark of a loss.

mod text;

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use mock_keyvault::clock::Clock;
use mock_keyvault::durable::Durability;
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
use crate::vault_owner::VaultConnection;

/// A repair that was examined. Dropped, it has changed nothing.
#[derive(Debug)]
pub struct Repair {
    config: Config,
    clock: Clock,
    vault: Option<VaultRepair>,
    rows: RowsRepair,
    plan: Plan,
    /// The small files whose content the damaged journal still holds. None: the journal is not damaged.
    carried: Option<HashSet<FileId>>,
    /// The name of the folder that keeps what is damaged, as the plan shows it.
    aside: String,
}

/// What a repair is going to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The data folder.
    pub folder: PathBuf,
    /// The embedded vault, if it has to be repaired.
    pub vault: Option<VaultReport>,
    /// The rows of the registries, if they have to be repaired.
    pub rows: Option<RowsReport>,
    /// What is lost and has a name that something still knows.
    pub lost: Vec<String>,
    /// Files that say which format a folder has, missing or damaged. They are written again.
    pub markers: Vec<PathBuf>,
    /// Whether content is looked for in the sealed files.
    pub reads_sealed_files: bool,
    /// Whether small files that rows name are read: the damaged journal may have held their content alone.
    #[serde(default)]
    pub reads_small_files: bool,
    /// Sealed files in all.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Files in quarantine.
    pub quarantined: u64,
    /// Where what is damaged is kept. After the repair: where it is.
    pub kept_in: Vec<PathBuf>,
    /// The bytes that the new rows need.
    pub bytes_needed: u64,
    /// The bytes that are free.
    pub bytes_free: u64,
    /// Other repairs that lost something, as long as what was damaged is kept.
    pub earlier: Vec<Earlier>,
    /// Whether one of them was cut off before it could say what it lost.
    pub lost_before: bool,
}

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What it set out to do.
    #[serde(flatten)]
    pub plan: Plan,
    /// What came back from sealed files, if they were read.
    pub recovered: Option<Recovered>,
}

/// Why a folder was not repaired, or not in full.
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
    #[error("the rows are repaired, but the vault that opens the sealed files cannot be used")]
    Start(#[from] StartError),
    /// Content could not be brought back.
    #[error("the rows are repaired, but the sealed files could not be read")]
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
    /// Looks at everything that is left, and changes nothing. Blocks.
    pub fn examine(config: Config, clock: Clock) -> Result<Self, RepairFailure> {
        let aside = aside_name(clock.now());
        let folder = config.data_dir.clone();
        let rows = RowsRepair::examine(&folder)?;
        let vault_folder = vault_folder(&config).filter(|folder| folder.exists());
        let vault = match &vault_folder {
            Some(vault) => match mock_keyvault::repair::examine(vault) {
                Ok(vault) => Some(vault),
                // Nothing that a repair could help.
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
        let carried = rows.carried();
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

    /// What would be done.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Repairs. `progress` is told how far the reading of the sealed files is.
    pub async fn run(
        self,
        progress: impl FnMut(RecoveryProgress),
    ) -> Result<Report, RepairFailure> {
        let Self { config, clock, vault, rows, mut plan, carried, aside } = self;
        let lost = plan.lost_rows();
        let apply = move || -> Result<_, RepairFailure> {
            // The vault first: a registry that was repaired before its vault would be dark.
            let of_vault = vault.map(|vault| vault.apply(&aside)).transpose()?.flatten();
            Ok([rows.apply(&aside, &lost)?, of_vault])
        };
        let applied = tokio::task::spawn_blocking(apply).await.map_err(std::io::Error::other)??;
        let rows_aside = applied[0].as_ref().map(|applied| applied.aside.clone());
        // Another folder may have had the name of the plan.
        plan.kept_in = applied.into_iter().flatten().map(|applied| applied.aside).collect();
        if !plan.reads_sealed_files && !plan.reads_small_files {
            return Ok(Report { plan, recovered: None });
        }
        let search = Search {
            rowless: plan.reads_sealed_files,
            named_but: carried,
            all_strict: config.strict_parity,
        };
        let mut recovered = match read_sealed_files(config, clock, search, progress).await {
            // The rows are whole, and all that is left to say is that nobody knows it of each file.
            Err(failure) if !plan.reads_sealed_files => Recovered {
                notes: vec![format!(
                    "small files could not be read, and some may be lost: {}",
                    chain(&failure)
                )],
                ..Recovered::default()
            },
            other => other?,
        };
        if let Some(aside) = rows_aside.filter(|_| !recovered.damaged.is_empty()) {
            let lost: Vec<String> = recovered.damaged.iter().map(ToString::to_string).collect();
            let added = tokio::task::spawn_blocking(move || Earlier::add_lost(&aside, &lost));
            if let Err(error) = added.await.map_err(std::io::Error::other).flatten() {
                recovered.notes.push(format!("the list of what is lost is not complete: {error}"));
            }
        }
        Ok(Report { plan, recovered: Some(recovered) })
    }
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Brings back what no row names, and looks for what is lost of the rest, with a vault that is started for it or the one that
/// was named.
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
    // What did not come back stays in quarantine; the loss is settled.
    let swept = tokio::task::spawn_blocking(move || store.sweep_orphans());
    swept.await.map_err(std::io::Error::other)??;
    Ok(recovered)
}

/// The data folder of the embedded vault, if the registries use that.
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
    }

    /// Whether the new rows fit beside the damaged ones.
    pub fn fits(&self) -> bool {
        self.bytes_needed <= self.bytes_free
    }

    /// What the rows of the registries lack, in words.
    fn lost_rows(&self) -> Vec<String> {
        let changes = self.rows.as_ref().and_then(RowsReport::lost_changes);
        changes.into_iter().chain(self.lost.iter().cloned()).collect()
    }

    /// Whether it is known already that something is lost. Content that an earlier repair has left for this one counts with
    /// the names that the earlier one lost.
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
    /// Whether something was lost.
    pub fn lost_something(&self) -> bool {
        self.plan.loses_something()
            || self.recovered.as_ref().is_some_and(Recovered::lacks_something)
    }
}
