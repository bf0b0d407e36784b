//! The open rows of all vaults.

use std::path::Path;
use std::sync::Arc;

use super::error::StoreError;
use super::folder;
use super::layout::TREES;
use azure_emulator_core::disk_space::DiskSpace;
use azure_emulator_core::durable::{Durability, Rows};

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
        disk_space: Arc<DiskSpace>,
    ) -> Result<Self, StoreError> {
        Ok(Self { durable: Arc::new(folder::open(folder, TREES, durability, disk_space)?) })
    }

    /// The rows, for modules that have their own tree.
    pub(crate) fn durable(&self) -> &Arc<Rows> {
        &self.durable
    }
}
