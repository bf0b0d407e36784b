//! A check of everything that the rows are stored in, for `verify`.

use azure_emulator_core::durable::Check;
use azure_emulator_core::durable::repair::RepairCommand;

use super::error::StoreError;
use super::open::Store;

impl Store {
    /// Reads the journal and its checkpoints, and compares the index with them. Damage of the journal is repaired from the
    /// index if that is right. Writers wait while the index is read.
    pub fn check_rows(&self) -> Result<Check, StoreError> {
        Ok(self.database.durable().check(&mut |_| ())?)
    }

    /// The command that repairs the data folder. The emulator has to be stopped before.
    pub fn repair_command(&self) -> RepairCommand {
        RepairCommand::of("sealyard", self.layout.root())
    }
}
