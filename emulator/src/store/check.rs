//! Checks the storage of the rows, for `verify`.

use azure_emulator_core::durable::Check;
use azure_emulator_core::durable::repair::RepairCommand;

use super::error::StoreError;
use super::handle::Store;

impl Store {
    /// Reads the journal and its checkpoints, and compares the index with them. Repairs damage of the journal from the
    /// index if the index is right. Writers wait while the index is read.
    pub fn check_rows(&self) -> Result<Check, StoreError> {
        Ok(self.database.integrity().check()?)
    }

    /// The command that repairs the data folder. The emulator must be stopped first.
    pub fn repair_command(&self) -> RepairCommand {
        RepairCommand::new("sealyard", self.layout.root())
    }
}
