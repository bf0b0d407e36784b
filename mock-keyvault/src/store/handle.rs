//! The open rows of all vaults.

use std::path::Path;
use std::sync::Arc;

use super::error::StoreError;
use super::folder;
use super::layout::TREES;
use azure_emulator_core::durable::{Durability, Rows};
use azure_emulator_core::room::Room;

/// The rows of all vaults of one data folder.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) durable: Arc<Rows>,
}

impl Store {
    /// Opens the rows in the data folder, or creates them. Rows of format 1 are migrated.
    pub(crate) fn open(
        folder: &Path,
        durability: Durability,
        room: Arc<Room>,
    ) -> Result<Self, StoreError> {
        Ok(Self { durable: Arc::new(folder::open(folder, TREES, durability, room)?) })
    }

    /// The rows, for modules that have their own tree.
    pub(crate) fn durable(&self) -> &Arc<Rows> {
        &self.durable
    }
}
