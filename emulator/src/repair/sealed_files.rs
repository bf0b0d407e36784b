//! Reads the sealed files of a folder whose rows are repaired.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::durable::Durability;

use super::error::RepairFailure;
use crate::config::{Config, VaultChoice};
use crate::platform::LocalPlatform;
use crate::registry::{Platform, Recovered, RecoveryProgress, Search, recover};
use crate::scheduler;
use crate::serve::start_vault;
use crate::store::Store;
use crate::vault::VaultConnection;

/// Recovers content that no row names, and finds the losses of the rest, with a vault that is started for it, or with the
/// named vault.
pub(super) async fn read_sealed_files(
    mut config: Config,
    clock: Clock,
    search: Search,
    progress: impl FnMut(RecoveryProgress),
) -> Result<Recovered, RepairFailure> {
    let folder = config.data_dir.clone();
    let path = folder.clone();
    let store = tokio::task::spawn_blocking(move || Store::open(&path, Durability::Full));
    let store = Arc::new(store.await.map_err(std::io::Error::other)??);
    scheduler::restore_clock(&folder, &clock)?;
    config.azure_listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let vault = match config.vault {
        VaultChoice::Embedded => Some(start_vault(&mut config, &folder, &clock).await?),
        VaultChoice::External(_) => None,
    };
    let access = VaultConnection::from_config(&config, vault.as_ref(), &clock)?;
    let owner = access.owner()?;
    let platform = LocalPlatform::new(access, owner, vault.as_ref(), config.key_size)?;
    let platform: Arc<dyn Platform> = Arc::new(platform);
    let is_final = search.orphans;
    let recovered = recover(Arc::clone(&store), platform, clock, search, progress).await;
    if let Some(vault) = vault {
        vault.shutdown().await;
    }
    let recovered = recovered?;
    if !is_final {
        return Ok(recovered);
    }
    // Content that was not recovered stays in quarantine; the loss is final.
    let swept = tokio::task::spawn_blocking(move || store.sweep_orphans());
    swept.await.map_err(std::io::Error::other)??;
    Ok(recovered)
}
