//! The ring of wrapped data keys: one row for its head, one for each entry, replaced together by compare-and-swap.
//!
//! One row for all would be larger than sled keeps durably. A data key is in use while a file is sealed under it; there
//! is one row for each use. No transaction removes a data key that is in use from the ring, or adds a use of a data key
//! that is not in it. Heads and entries are opaque: `keys/` wraps and seals them.

use std::collections::HashSet;

use azure_emulator_core::disk_space::Purpose;

use super::database::Writer;
use super::encoding::{key, last_part, prefix};
use super::error::StoreError;
use super::handle::Store;
use super::rows::RingRow;
use super::tables::Table;
use super::view::View;
use crate::names::RegistryName;

/// Head row: the generation, then the head.
const GENERATION_LEN: usize = size_of::<u64>();
/// Entry row: the place in the ring, then the entry.
const PLACE_LEN: usize = size_of::<u32>();

impl Store {
    /// The ring of a registry, if it has one.
    pub fn ring(&self, registry: &RegistryName) -> Result<Option<RingRow>, StoreError> {
        let _still = self.database.hold_still();
        self.ring_rows(registry)
    }

    /// Replaces the ring in one transaction if its generation is `expected` (`None`: if there is no ring). Durable on
    /// return. Returns false, and changes nothing, if it has another generation.
    ///
    /// [`StoreError::DataKeyInUse`] if the new ring lacks a data key that something is sealed under.
    pub fn replace_ring(
        &self,
        registry: &RegistryName,
        expected: Option<u64>,
        ring: &RingRow,
    ) -> Result<bool, StoreError> {
        let writer = self.database.writer()?;
        let old = self.read_ring(registry, &writer)?;
        if old.as_ref().map(|old| old.generation) != expected {
            return Ok(false);
        }
        let kept: HashSet<&[u8; 16]> = ring.entries.iter().map(|(id, _)| id).collect();
        let mut dropped = Vec::new();
        for (id, _) in old.iter().flat_map(|old| &old.entries) {
            let id = *id;
            if kept.contains(&id) {
                continue;
            }
            if self.data_key_in_use(registry, id)? {
                return Err(StoreError::DataKeyInUse);
            }
            dropped.push(id);
        }
        self.mirror_new_ring(&writer, registry, ring, old, Purpose::Rows)?;
        writer.transact(|view| write_ring(view, registry, ring, &dropped))?;
        drop(writer);
        self.database.commit()?;
        self.trim_mirror(registry, ring.generation);
        Ok(true)
    }

    /// Whether a blob, a manifest, an upload or a log is sealed under a data key.
    pub fn data_key_in_use(
        &self,
        registry: &RegistryName,
        data_key: [u8; 16],
    ) -> Result<bool, StoreError> {
        let uses = prefix(&[registry, &hex::encode(data_key)]);
        Ok(self.database.scan(Table::Uses, &uses).next().transpose()?.is_some())
    }

    /// Removes those of these data keys that seal nothing from the ring, and returns them. Durable. If it removes any, the
    /// generation grows by one. Returns `None`, and changes nothing, if the ring has another generation.
    ///
    /// Removes none while a file without a row may be sealed under one of them: see [`Store::is_whole`].
    pub fn remove_unused_data_keys(
        &self,
        registry: &RegistryName,
        expected: u64,
        data_keys: &[[u8; 16]],
    ) -> Result<Option<Vec<[u8; 16]>>, StoreError> {
        let writer = self.database.writer()?;
        let Some(mut ring) = self.read_ring(registry, &writer)? else {
            return Ok(None);
        };
        if ring.generation != expected {
            return Ok(None);
        }
        let old = ring.clone();
        let mut removed = Vec::new();
        for (id, _) in &ring.entries {
            if data_keys.contains(id) && !self.data_key_in_use(registry, *id)? {
                removed.push(*id);
            }
        }
        if removed.is_empty() {
            return Ok(Some(removed));
        }
        if !self.is_whole()? {
            let data_keys = removed.len();
            tracing::info!(
                registry.name = registry.as_str(),
                data_keys,
                "unused data keys stay: files in quarantine may be sealed under them"
            );
            return Ok(Some(Vec::new()));
        }
        ring.entries.retain(|(id, _)| !removed.contains(id));
        ring.generation += 1;
        self.mirror_new_ring(&writer, registry, &ring, Some(old), Purpose::Removal)?;
        writer
            .transact_for(Purpose::Removal, |view| write_ring(view, registry, &ring, &removed))?;
        drop(writer);
        self.database.commit()?;
        self.trim_mirror(registry, ring.generation);
        Ok(Some(removed))
    }

    /// Reads head and entries; they are consistent under the writer's lock.
    pub(super) fn read_ring(
        &self,
        registry: &RegistryName,
        _writer: &Writer<'_>,
    ) -> Result<Option<RingRow>, StoreError> {
        self.ring_rows(registry)
    }

    fn ring_rows(&self, registry: &RegistryName) -> Result<Option<RingRow>, StoreError> {
        let Some(head) = self.database.bytes(Table::Rings, &key(&[registry]))? else {
            return Ok(None);
        };
        let (generation, head) = split::<GENERATION_LEN>(&head)?;
        let mut entries = Vec::new();
        for row in self.database.scan(Table::RingKeys, &prefix(&[registry])) {
            let (key, bytes) = row?;
            let mut id = [0; 16];
            hex::decode_to_slice(last_part::<String>(&key)?, &mut id).map_err(|_| damaged())?;
            let (place, entry) = split::<PLACE_LEN>(&bytes)?;
            entries.push((u32::from_be_bytes(place), id, entry.to_vec()));
        }
        entries.sort_unstable_by_key(|(place, _, _)| *place);
        Ok(Some(RingRow {
            generation: u64::from_be_bytes(generation),
            head: head.to_vec(),
            entries: entries.into_iter().map(|(_, id, entry)| (id, entry)).collect(),
        }))
    }
}

pub(super) fn write_ring(
    view: &View<'_>,
    registry: &RegistryName,
    ring: &RingRow,
    dropped: &[[u8; 16]],
) -> Result<(), StoreError> {
    for id in dropped {
        view.remove(Table::RingKeys, key(&[registry, &hex::encode(id)]))?;
    }
    for (place, (id, entry)) in (0_u32..).zip(&ring.entries) {
        let value = [&place.to_be_bytes()[..], entry].concat();
        view.put_bytes(Table::RingKeys, key(&[registry, &hex::encode(id)]), value)?;
    }
    let head = [&ring.generation.to_be_bytes()[..], &ring.head].concat();
    view.put_bytes(Table::Rings, key(&[registry]), head)
}

fn split<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), StoreError> {
    let (first, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
    Ok((*first, rest))
}

fn damaged() -> StoreError {
    StoreError::Damaged("a row of the ring of data keys is too short".to_owned())
}
