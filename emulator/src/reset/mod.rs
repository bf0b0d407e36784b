//! The emulator as it was at its first start: content, uploads, tokens with their scope maps, registries but `local`, keys,
//! faults, the clock and what was revoked go.
//!
//! `admin/reset.rs` and the library's handle call [`reset`]. The vault comes first, so that its key can be used; then the
//! registries, each in one commit. A vault that is as at a fresh start is left alone, which makes a reset a matter of
//! milliseconds; else it is made anew with a new key, which takes as long as finding two primes. A vault in another
//! process serves others as well: there only what this emulator changed is undone, and the rest is said in a sentence.

mod vault;

use thiserror::Error;

use crate::agenda::AgendaError;
use crate::app::App;
use crate::config::VaultChoice;
use crate::faults::FaultDeskError;
use crate::keys::VaultError;
use crate::registry::{Error, ManageError};
use crate::revocation::RevocationError;

/// What a reset left as it was, in a sentence each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    /// What is not as at a fresh start.
    pub left: Vec<String>,
}

/// Why a reset did not come to its end. What went before is gone; it can be asked for again.
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
    let mut left = Vec::new();
    app.faults.clear(app.owner()).await?;
    app.agenda.reset().await?;
    match (&app.config.vault, app.owner()) {
        (VaultChoice::Embedded, Some(owner)) => {
            // A vault can be deleted as long as its group is there.
            vault::make_fresh(owner, &app.config, &mut left).await?;
            app.registries.leave_local().await?;
            app.revocations.forget_all().await?;
        }
        (VaultChoice::External(external), _) => {
            for registry in app.registries.all() {
                app.revocations.restore(&registry, app.hand(), None, false).await?;
            }
            app.registries.leave_local().await?;
            left.push(format!(
                "the vault at {} is in another process: its keys, policies and clock stay as they are",
                external.url
            ));
        }
        (VaultChoice::Embedded, None) => (),
    }
    for registry in app.registries.all() {
        let name = registry.name().to_owned();
        registry.reset().await.map_err(|source| ResetError::Registry { name, source })?;
    }
    tracing::info!("the emulator is as at a fresh start");
    Ok(Reset { left })
}
