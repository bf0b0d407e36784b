//! The parts that a move works with.

use std::path::PathBuf;

use azure_emulator_core::clock::Clock;
use tokio_util::sync::CancellationToken;

use super::error::SchedulerError;
use super::saved_clock;
use super::vault_time::VaultTime;
use crate::registry::Registries;

/// The clock, and everything whose work becomes due.
pub(super) struct SchedulerContext {
    pub(super) clock: Clock,
    pub(super) vault: VaultTime,
    pub(super) registries: Registries,
    /// The folder of the file that saves the clock.
    pub(super) data_dir: PathBuf,
    /// Cancelled when the emulator ends.
    pub(super) stop: CancellationToken,
}

impl SchedulerContext {
    /// Saves the state of the clock.
    pub(super) async fn save_clock(&self) -> Result<(), SchedulerError> {
        Ok(saved_clock::save(&self.data_dir, &self.clock).await?)
    }
}
