//! The content of a registry goes as a whole, and a new ring comes: one transaction.
//!
//! From its commit on nothing can be stored under a data key of the old ring, since none is known any more: a push that
//! began before fails, and nothing of it is left. What the registry itself is stays. Files go after the commit; those
//! that a kill leaves are swept at the next opening.

use super::error::StoreError;
use super::layout::Table;
use super::open::Store;
use super::registries::{own_rows, used_file};
use super::ring::write_ring;
use super::rows::{FileId, RingRow, prefix};

impl Store {
    /// Takes everything away that is stored in a registry, and gives it this ring in place of the one that it has: all of
    /// it or nothing. Durable on return.
    pub fn begin_registry_again(&self, registry: &str, ring: &RingRow) -> Result<(), StoreError> {
        let writer = self.database.writer();
        let mut gone = Vec::from(own_rows(registry));
        let mut files: Vec<FileId> = Vec::new();
        for table in Table::ALL.into_iter().filter(|table| table.is_content()) {
            for row in self.database.scan(table, &prefix(&[registry])) {
                let (at, _) = row?;
                if table == Table::Uses {
                    let file = used_file(&at)?;
                    gone.push((Table::Files, file.as_bytes().to_vec()));
                    files.push(file);
                }
                gone.push((table, at.to_vec()));
            }
        }
        writer.transact(|view| {
            gone.iter().try_for_each(|(table, at)| view.remove(*table, at.clone()))?;
            write_ring(view, registry, ring, &[])
        })?;
        drop(writer);
        self.database.commit()?;
        self.unlink_all(files)
    }
}
