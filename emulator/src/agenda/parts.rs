//! The parts that a move works with.

use std::path::PathBuf;

use azure_emulator_core::clock::Clock;
use tokio_util::sync::CancellationToken;

use super::error::AgendaError;
use super::kept;
use super::vault_time::VaultTime;
use crate::registry::Registries;

/// The clock, and everything whose work becomes due.
pub(super) struct Parts {
    pub(super) clock: Clock,
    pub(super) vault: VaultTime,
    pub(super) registries: Registries,
    /// The folder of the file that saves the clock.
    pub(super) data_dir: PathBuf,
    /// Cancelled when the emulator ends.
    pub(super) stop: CancellationToken,
}

impl Parts {
    /// Saves the state of the clock.
    pub(super) async fn keep(&self) -> Result<(), AgendaError> {
        Ok(kept::save(&self.data_dir, &self.clock).await?)
    }
}
