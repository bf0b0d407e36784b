//! The steps of a reset, from the faults to the registries.

use std::io;
use std::sync::Arc;

use azure_emulator_core::disk_space::Purpose;

use super::error::{ResetError, local_error, registry_error};
use super::vault;
use crate::app::App;
use crate::config::VaultChoice;
use crate::registry::{Error, Intent, Kind, RegistryName};

/// The minimum bytes that a reset needs: for its rows, and for the files that it replaces.
const MIN_DISK_SPACE: u64 = 256 << 10;

/// The result of a reset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    /// The items that could not be reset, a sentence each.
    pub left: Vec<String>,
}

/// Resets the emulator. Only one reset runs at a time; a second one waits, and then finds little to do.
pub async fn reset(app: &App) -> Result<Reset, ResetError> {
    let _alone = app.resetting.lock().await;
    app.faults.clear(app.owner()).await?;
    if let VaultChoice::External(_) = app.config.vault {
        // Nothing is removed unless the key for new content can be used.
        for registry in app.registries.all() {
            app.revocations.restore(&registry, app.revocation_context(), None, false).await?;
        }
        if let Some(local) = app.registry(RegistryName::LOCAL) {
            local.key_ring().dry_run_rotation().await.map_err(|error| local_error(error.into()))?;
        }
    }
    ensure_disk_space(app).await?;
    // A failure here has removed nothing.
    app.scheduler.reset().await?;
    let intents = app.registries.intents();
    let intent = intents.begin(Kind::Reset, &()).await;
    let intent = intent.map_err(local_error)?;
    if let Err(error) = intents.replace_for_reset(&intent).await {
        intent.failed(&error);
        return Err(local_error(error));
    }
    carry_out(app, intent).await
}

/// Resumes an interrupted reset.
pub async fn resume(app: &App, intent: Intent) -> Result<(), ResetError> {
    let _alone = app.resetting.lock().await;
    if intent.is_replaced() {
        return Ok(());
    }
    let prepared = async {
        app.faults.clear(app.owner()).await?;
        app.scheduler.reset().await?;
        app.registries.intents().replace_for_reset(&intent).await.map_err(local_error)
    };
    prepared.await.inspect_err(|error| intent.failed(error))?;
    carry_out(app, intent).await.map(drop)
}

/// Performs all steps from the first. Each step detects what it has done before.
async fn carry_out(app: &App, intent: Intent) -> Result<Reset, ResetError> {
    match steps(app, &intent).await {
        Ok(left) => {
            intent.ended().await;
            tracing::info!("the emulator is reset to a fresh state");
            Ok(Reset { left })
        }
        Err(error) => {
            // An intent that is dropped without an end is tried again.
            intent.failed(&error);
            Err(error)
        }
    }
}

async fn steps(app: &App, intent: &Intent) -> Result<Vec<String>, ResetError> {
    let mut left = Vec::new();
    let mut revocations = app.revocations.lock().await;
    match (&app.config.vault, app.owner()) {
        (VaultChoice::Embedded, Some(owner)) => {
            vault::reset_vault(owner, &app.config, intent, &mut left).await?;
            intent.passed().await.map_err(local_error)?;
            app.registries.delete_all_but_local().await?;
            // Vaults that were created meanwhile are kept, and so are their groups.
            let kept = vault::groups(owner).await?;
            app.registries.reset_groups(&kept).await?;
            intent.passed().await.map_err(local_error)?;
            revocations.clear().await?;
        }
        (VaultChoice::External(external), _) => {
            for registry in app.registries.all() {
                revocations.restore(&registry, app.revocation_context()).await?;
            }
            intent.passed().await.map_err(local_error)?;
            app.registries.delete_all_but_local().await?;
            app.registries.reset_groups(&[]).await?;
            left.push(format!(
                "the vault at {} is in another process: its keys, policies and clock are not reset",
                external.url
            ));
        }
        (VaultChoice::Embedded, None) => (),
    }
    intent.passed().await.map_err(local_error)?;
    // An operation that began before its registry was removed, and failed then, must not continue after the reset.
    app.registries.intents().replace_for_reset(intent).await.map_err(local_error)?;
    // Only `local` is left. Its new ring and the end of the reset are one commit.
    for registry in app.registries.all() {
        let name = registry.name();
        registry.reset(intent).await.map_err(|error| registry_error(name, error))?;
    }
    Ok(left)
}

/// Refuses a reset that a full disk would stop halfway. Removals may use the reserve, but a new vault with a new key may
/// not.
async fn ensure_disk_space(app: &App) -> Result<(), ResetError> {
    let disk_space = Arc::clone(app.registries.disk_space());
    let measured = tokio::task::spawn_blocking(move || {
        disk_space.spend(MIN_DISK_SPACE, Purpose::Removal).map(|()| disk_space.is_low())
    });
    let measured = measured.await.map_err(io::Error::other).and_then(|measured| measured);
    let is_low = measured.map_err(|error| local_error(error.into()))?;
    match app.owner() {
        Some(owner)
            if is_low
                && app.config.vault == VaultChoice::Embedded
                && !vault::is_in_initial_state(owner, &app.config).await? =>
        {
            Err(local_error(Error::DiskFull))
        }
        _ => Ok(()),
    }
}
