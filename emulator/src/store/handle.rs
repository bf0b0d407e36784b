//! The open data folder: the rows, the paths and the space on the device that all methods of the store share.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_emulator_core::disk_space::DiskSpace;
use azure_emulator_core::durable::{Durability, Listener};
use azure_emulator_core::lock_file::LockFile;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::database::Database;
use super::layout::Layout;
use super::new_object::Claims;
use super::objects::ObjectEngine;
use super::rows::UploadRow;
use crate::names::RegistryName;

/// The open data folder. Share it in an `Arc`; all methods block.
#[derive(Debug)]
pub struct Store {
    pub(super) database: Database,
    /// The sealed objects.
    pub(super) objects: Box<dyn ObjectEngine>,
    pub(super) layout: Layout,
    pub(super) durability: Durability,
    /// The free space of the device, and the reserve for a full disk.
    pub(super) disk_space: Arc<DiskSpace>,
    /// Objects that will be published and that no row names yet.
    pub(super) claims: Claims,
    /// Rows of uploads that had no object at the opening and were not checked again yet.
    pub(super) without_file: Mutex<Vec<(RegistryName, UploadRow)>>,
    /// Held until the database is closed: fields are dropped in this order.
    pub(super) _lock: LockFile,
    /// Reports that the folder is free, after the lock.
    pub(super) released: DropGuard,
}

impl Store {
    /// The free space of the device, and the reserve for a full disk.
    pub fn disk_space(&self) -> &Arc<DiskSpace> {
        &self.disk_space
    }

    /// Sends all notices to a listener: the earlier ones at once, then each new one. It must not use the store.
    pub fn listen_to_notices(&self, listener: Listener) {
        self.database.integrity().listen(listener);
    }

    /// From now on a change waits no longer than this for the check of the rows: [`StoreError::NotProven`](super::StoreError::NotProven) then.
    pub fn set_proof_timeout(&self, limit: Duration) {
        self.database.integrity().set_proof_timeout(limit);
    }

    /// Ends the check of the rows, and all waits for it: the program stops.
    pub fn stop_soon(&self) {
        self.database.integrity().stop_soon();
    }

    /// Marks the rows as checked or not: for tests.
    #[cfg(feature = "internals")]
    pub fn pretend_proven(&self, proven: bool) {
        use azure_emulator_core::durable::Proof;

        self.database.journal().simulate_proof(if proven {
            Proof::Matched
        } else {
            Proof::Pending
        });
    }

    /// Adds rows of a registry whose name need not be valid, as in a damaged folder: an upload without a file, the mark of a
    /// deletion, and copies of two rows of `local`, if it has them.
    #[cfg(test)]
    pub(crate) fn add_rows_of(&self, registry: &str) {
        use super::encoding::key;
        use super::file_id::FileId;
        use super::tables::Table;

        let id = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
        let upload = UploadRow {
            id: id.to_owned(),
            repository: "app".to_owned(),
            file: FileId::random(),
            data_key: [7; 16],
            algorithm: "sha256".to_owned(),
            started: 0,
            touched: 0,
        };
        let added = self.database.transact(|view| {
            for table in [Table::Registries, Table::Rings] {
                if let Some(row) = self.database.bytes(table, &key(&[&RegistryName::LOCAL]))? {
                    view.put_bytes(table, key(&[&registry]), row.to_vec())?;
                }
            }
            view.put_bytes(Table::Leaving, key(&[&registry]), Vec::new())?;
            view.put(Table::Uploads, key(&[&registry, &id]), &upload)
        });
        added.unwrap();
        self.database.commit().unwrap();
    }

    /// Cancelled when the folder is free for another process. It does not keep the store open.
    pub fn released(&self) -> CancellationToken {
        self.released.token().clone()
    }
}
