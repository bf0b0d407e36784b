//! Resets a registry: removes its whole content and stores a new ring.
//!
//! The new ring comes first, in a transaction of its own. From its commit on nothing can be stored under a data key of the old
//! ring, since none is known any more: a push that began before fails, and leaves nothing. Then the content is removed, in
//! batches, and the last transaction ends the operation: after a kill before that, the operation is repeated from its begin.
//! The properties of the registry stay.

use azure_emulator_core::disk_space::Purpose;

use super::emptying::own_rows;
use super::encoding::key;
use super::error::StoreError;
use super::handle::Store;
use super::intents::End;
use super::ring::write_ring;
use super::rows::RingRow;
use super::tables::Table;
use crate::names::RegistryName;

impl Store {
    /// Replaces the ring of a registry, removes everything that is stored in the registry, and ends an
    /// operation. Durable on return. After an error or a kill, the new ring and a part of the content may exist: repeat it.
    pub fn begin_registry_again(
        &self,
        registry: &RegistryName,
        ring: &RingRow,
        end: &End,
    ) -> Result<(), StoreError> {
        self.put_ring_in_place(registry, ring)?;
        self.trim_mirror(registry, ring.generation);
        loop {
            self.empty(registry)?;
            let writer = self.database.writer()?;
            // A request that began before may have stored a row meanwhile that needs no data key, such as a tag.
            if !self.is_empty(registry)? {
                continue;
            }
            writer.transact_for(Purpose::Removal, |view| {
                own_rows(registry)
                    .into_iter()
                    .try_for_each(|(table, at)| view.remove(table, at))?;
                view.end(end)
            })?;
            drop(writer);
            return self.database.commit();
        }
    }

    fn put_ring_in_place(&self, registry: &RegistryName, ring: &RingRow) -> Result<(), StoreError> {
        let writer = self.database.writer()?;
        let mut gone = Vec::new();
        for id in self.database.last_parts::<String>(Table::RingKeys, &[registry]) {
            gone.push(key(&[registry, &id?]));
        }
        let old = self.read_ring(registry, &writer)?;
        self.mirror_new_ring(&writer, registry, ring, old, Purpose::Removal)?;
        writer.transact_for(Purpose::Removal, |view| {
            gone.iter().try_for_each(|at| view.remove(Table::RingKeys, at.clone()))?;
            write_ring(view, registry, ring, &[])
        })?;
        drop(writer);
        self.database.commit()
    }
}
