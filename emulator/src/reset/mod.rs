//! Resets the emulator to the state of its first start: content, uploads, tokens with their scope maps, registries except
//! `local`, keys, faults, the clock and revocations.
//!
//! `admin/reset.rs` and the library call [`reset`]. It resets the vault first, so that its key can be used, and then the
//! registries, each in one commit. A vault that is in a fresh state already is left unchanged, so that such a reset takes
//! milliseconds; otherwise it is created anew with a new key, which takes as long as finding two primes. A vault in another
//! process has other users as well: there only the changes of this emulator are undone, and a message lists the rest.
//!
//! Before its first step a reset ends the operations that it replaces, and waits for the current step of each. From
//! then on it holds the lock of the revocations, so that no revocation removes access that the reset has just created.
//!
//! A reset has an intent from its first step that cannot be undone until the commit that gives `local` its new ring. If a
//! kill or a failure interrupts it in between, it starts again until it completes. Meanwhile `local` serves no content, because
//! the reset would remove newly pushed content.

mod vault;

use std::io;
use std::sync::Arc;

use azure_emulator_core::room::Purpose;
use thiserror::Error;

use crate::agenda::AgendaError;
use crate::app::App;
use crate::config::VaultChoice;
use crate::faults::FaultDeskError;
use crate::keys::VaultError;
use crate::registry::{Error, Intent, Kind, ManageError, RegistryName};
use crate::revocation::RevocationError;

/// The minimum bytes that a reset needs: for its rows, and for the files that it replaces.
const ROOM: u64 = 256 << 10;

/// The result of a reset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    /// The items that could not be reset, a sentence each.
    pub left: Vec<String>,
}

/// The reason why a reset did not complete. Once it has begun to remove, it continues by itself until it completes.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResetError {
    /// The faults could not be cleared.
    #[error("cannot clear the fault rules: {0}")]
    Faults(#[from] FaultDeskError),
    /// Revocations could not be undone.
    #[error("cannot restore revoked access: {0}")]
    Revocation(#[from] RevocationError),
    /// The vault could not be created anew.
    #[error("cannot reset the vault: {0}")]
    Vault(#[from] VaultError),
    /// The other registries and identities could not be deleted.
    #[error("cannot delete the registries: {0}")]
    Registries(#[from] ManageError),
    /// The clock could not be set back.
    #[error("cannot set the clock back: {0}")]
    Clock(#[from] AgendaError),
    /// A registry could not be reset.
    #[error("cannot reset the registry {name}: {source}")]
    Registry {
        /// Its name.
        name: String,
        /// The reason.
        source: Error,
    },
}

/// Resets the emulator. Only one reset runs at a time; a second one waits, and then finds little to do.
pub async fn reset(app: &App) -> Result<Reset, ResetError> {
    let _alone = app.resetting.lock().await;
    app.faults.clear(app.owner()).await?;
    if let VaultChoice::External(_) = app.config.vault {
        // Nothing is removed unless the key for new content can be used.
        for registry in app.registries.all() {
            app.revocations.restore(&registry, app.hand(), None, false).await?;
        }
        if let Some(local) = app.registry(RegistryName::LOCAL) {
            local.key_ring().rehearse().await.map_err(|error| of_local(error.into()))?;
        }
    }
    ensure_room(app).await?;
    // A failure here has removed nothing.
    app.agenda.reset().await?;
    let intents = app.registries.intents();
    let intent = intents.begin(Kind::Reset, &()).await;
    let intent = intent.map_err(of_local)?;
    if let Err(error) = intents.replace_for_reset(&intent).await {
        intent.failed(&error);
        return Err(of_local(error));
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
        app.agenda.reset().await?;
        app.registries.intents().replace_for_reset(&intent).await.map_err(of_local)
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
    let mut revocations = app.revocations.hold().await;
    match (&app.config.vault, app.owner()) {
        (VaultChoice::Embedded, Some(owner)) => {
            vault::make_fresh(owner, &app.config, intent, &mut left).await?;
            intent.passed().await.map_err(of_local)?;
            app.registries.leave_local().await?;
            // Vaults that were created meanwhile are kept, and so are their groups.
            let kept = vault::groups(owner).await?;
            app.registries.leave_first_group(&kept).await?;
            intent.passed().await.map_err(of_local)?;
            revocations.forget_all().await?;
        }
        (VaultChoice::External(external), _) => {
            for registry in app.registries.all() {
                revocations.restore(&registry, app.hand()).await?;
            }
            intent.passed().await.map_err(of_local)?;
            app.registries.leave_local().await?;
            app.registries.leave_first_group(&[]).await?;
            left.push(format!(
                "the vault at {} is in another process: its keys, policies and clock are not reset",
                external.url
            ));
        }
        (VaultChoice::Embedded, None) => (),
    }
    intent.passed().await.map_err(of_local)?;
    // An operation that began before its registry was removed, and failed then, must not continue after the reset.
    app.registries.intents().replace_for_reset(intent).await.map_err(of_local)?;
    // Only `local` is left. Its new ring and the end of the reset are one commit.
    for registry in app.registries.all() {
        let name = registry.name();
        registry.reset(intent).await.map_err(|error| of_registry(name, error))?;
    }
    Ok(left)
}

/// Refuses a reset that a full disk would stop halfway. Removals may use the reserve, but a new vault with a new key may
/// not.
async fn ensure_room(app: &App) -> Result<(), ResetError> {
    let room = Arc::clone(app.registries.room());
    let asked = tokio::task::spawn_blocking(move || {
        room.spend(ROOM, Purpose::Removal).map(|()| room.is_tight())
    });
    let asked = asked.await.map_err(io::Error::other).and_then(|asked| asked);
    let is_tight = asked.map_err(|error| of_local(error.into()))?;
    match app.owner() {
        Some(owner)
            if is_tight
                && app.config.vault == VaultChoice::Embedded
                && !vault::is_as_made(owner, &app.config).await? =>
        {
            Err(of_local(Error::DiskFull))
        }
        _ => Ok(()),
    }
}

fn of_local(source: Error) -> ResetError {
    of_registry(RegistryName::LOCAL, source)
}

fn of_registry(name: &str, source: Error) -> ResetError {
    ResetError::Registry { name: name.to_owned(), source }
}
