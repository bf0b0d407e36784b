//! Opens the store and the embedded vault.

use std::path::Path;
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use mock_keyvault::MockKeyVault;

use super::error::StartError;
use crate::config::{Config, VaultChoice};
use crate::scheduler;
use crate::store::{LockedFolder, Store, StoreError};

/// Opens the store and the embedded vault, if there is one, at the same time, because each waits for its disk.
///
/// The lock comes before the vault: that the folder is in use is the most helpful error. Rows of an earlier format also come before
/// it: a folder that cannot be migrated stays unchanged. So do all rows on a nearly full disk.
pub(super) async fn open_folder(
    config: &mut Config,
    data_dir: &Path,
    clock: &Clock,
) -> Result<(Arc<Store>, Option<MockKeyVault>), StartError> {
    let (path, durability) = (data_dir.to_owned(), config.durability);
    let command = config.repair_command(data_dir).to_string();
    let locked = blocking(&command, move || LockedFolder::lock(&path, durability)).await?;
    let must_open_first = locked.must_open_first();
    scheduler::restore_clock(data_dir, clock)?;
    let store = blocking(&command, move || locked.open());
    let has_vault = matches!(config.vault, VaultChoice::Embedded);
    let vault = async {
        if has_vault { start_vault(config, data_dir, clock).await.map(Some) } else { Ok(None) }
    };
    let (store, vault) =
        if must_open_first { (Ok(store.await?), vault.await) } else { tokio::join!(store, vault) };
    match (store, vault) {
        (Ok(store), vault) => Ok((Arc::new(store), vault?)),
        (Err(error), Ok(Some(vault))) => {
            vault.shutdown().await;
            Err(error)
        }
        (Err(error), _) => Err(error),
    }
}

/// Runs a step of the opening. An error about refused rows names the command that repairs the folder and its vault.
async fn blocking<A: Send + 'static>(
    command: &str,
    step: impl FnOnce() -> Result<A, StoreError> + Send + 'static,
) -> Result<A, StartError> {
    match tokio::task::spawn_blocking(step).await.map_err(std::io::Error::other)? {
        Err(StoreError::Rows(error)) => Err(StoreError::Rows(error.repaired_by(command)).into()),
        done => Ok(done?),
    }
}

/// Starts the embedded vault on its own listener.
pub(crate) async fn start_vault(
    config: &mut Config,
    data_dir: &Path,
    clock: &Clock,
) -> Result<MockKeyVault, StartError> {
    let folder = config.vault_data_dir.clone().filter(|_| !config.ephemeral);
    let mut builder = MockKeyVault::builder()
        .data_dir(folder.unwrap_or_else(|| data_dir.join("vault")))
        .listen(config.azure_listen)
        .clock(clock.clone())
        .trusted_network(config.trusted_network)
        .legacy_access_policies(config.legacy_access_policies)
        .durability(config.durability);
    for alias in &config.hostname_alias {
        builder = builder.hostname_alias(alias);
    }
    let vault = builder.start().await;
    let command = config.repair_command(data_dir).to_string();
    let vault = vault.map_err(|error| error.repaired_by(&command))?;
    config.azure_listen = vault.address();
    Ok(vault)
}
