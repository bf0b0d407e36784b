//! The emulator as it was at its first start: content, uploads, tokens with their scope maps, registries but `local`, keys,
//! faults, the clock and what was revoked go.
//!
//! `admin/reset.rs` and the library's handle call [`reset`]. The vault comes first, so that its key can be used; then the
//! registries, each in one commit. A vault that is as at a fresh start is left alone, which makes a reset a matter of
//! milliseconds; else it is made anew with a new key, which takes as long as finding two primes. A vault in another
//! process serves others as well: there only what this emulator changed is undone, and the rest is said in a sentence.
//!
//! Before its first step a reset ends the operations that it replaces, and waits for the step that each of them is in. From
//! then on it holds the lock of the revocations: none takes from the vault what the reset has just made.
//!
//! A reset keeps an intent from its first step that cannot be undone to the commit that gives `local` its new ring. If a
//! kill or a failure cuts it short between, it begins again until it has ended, and `local` serves no content meanwhile:
//! what was pushed now would be removed.

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
use crate::registry::{Error, Intent, Kind, ManageError};
use crate::revocation::RevocationError;
use crate::serve::LOCAL;

/// Bytes that a reset needs at least: its rows, and the files that it replaces.
const ROOM: u64 = 256 << 10;

/// What a reset left as it was, in a sentence each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    /// What is not as at a fresh start.
    pub left: Vec<String>,
}

/// Why a reset did not come to its end. Once it has begun to remove, it goes on by itself until it has ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResetError {
    /// The faults could not be cleared.
    #[error("the faults could not be cleared: {0}")]
    Faults(#[from] FaultDeskError),
    /// What was revoked could not be given back.
    #[error("what was revoked could not be given back: {0}")]
    Revocation(#[from] RevocationError),
    /// The vault could not be made anew.
    #[error("the vault could not be reset: {0}")]
    Vault(#[from] VaultError),
    /// The other registries and identities could not be taken away.
    #[error("the registries could not be taken away: {0}")]
    Registries(#[from] ManageError),
    /// The clock could not be set back.
    #[error("the clock could not be set back: {0}")]
    Clock(#[from] AgendaError),
    /// A registry could not begin again.
    #[error("the registry {name} could not be reset: {source}")]
    Registry {
        /// Its name.
        name: String,
        /// Why.
        source: Error,
    },
}

/// Resets the emulator. One reset is under way at a time; a second one waits, and then finds little to do.
pub async fn reset(app: &App) -> Result<Reset, ResetError> {
    let _alone = app.resetting.lock().await;
    app.faults.clear(app.owner()).await?;
    if let VaultChoice::External(_) = app.config.vault {
        // Nothing is removed as long as the key of the new content could not be used.
        for registry in app.registries.all() {
            app.revocations.restore(&registry, app.hand(), None, false).await?;
        }
        if let Some(local) = app.registry(LOCAL) {
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

/// Goes on with a reset that was cut short.
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

/// All steps from the first. Each finds what it has done before.
async fn carry_out(app: &App, intent: Intent) -> Result<Reset, ResetError> {
    match steps(app, &intent).await {
        Ok(left) => {
            intent.ended().await;
            tracing::info!("the emulator is as at a fresh start");
            Ok(Reset { left })
        }
        Err(error) => {
            // Dropped without an end, it is tried again.
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
            // Vaults that were made meanwhile stay, and so do their groups.
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
                "the vault at {} is in another process: its keys, policies and clock stay as they are",
                external.url
            ));
        }
        (VaultChoice::Embedded, None) => (),
    }
    intent.passed().await.map_err(of_local)?;
    // What began before its registry was removed, and failed then, must not go on after the reset.
    app.registries.intents().replace_for_reset(intent).await.map_err(of_local)?;
    // `local` is the only one that is left. Its new ring and the end of the reset are one commit.
    for registry in app.registries.all() {
        let name = registry.name();
        registry.reset(intent).await.map_err(|error| of_registry(name, error))?;
    }
    Ok(left)
}

/// Refuses a reset that a full disk would stop half way. What it removes may use the reserve; a new vault with a new key may
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
    of_registry(LOCAL, source)
}

fn of_registry(name: &str, source: Error) -> ResetError {
    ResetError::Registry { name: name.to_owned(), source }
}
