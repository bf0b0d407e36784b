//! Loads all rows at a start.

use std::collections::{BTreeMap, HashSet};
use std::io;

use super::error::StoreError;
use super::handle::Store;
use super::layout::{
    KEY, PRIVATE, ROWS, SCHEDULE, SEPARATOR, TAG, VERSION, existing, named, parsed, row_key, text,
};
use super::row::{KeyRow, VersionRow};
use crate::model::policy::AccessPolicy;
use crate::model::schedule::Schedule;
use crate::model::settings::VaultSettings;
use azure_emulator_core::disk_space::{Purpose, is_out_of_space};

/// All rows, as they are read at a start.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) vaults: BTreeMap<String, LoadedVault>,
}

/// A vault and everything in it.
#[derive(Debug)]
pub(crate) struct LoadedVault {
    pub(crate) settings: VaultSettings,
    /// In the order in which they were set.
    pub(crate) policies: Vec<AccessPolicy>,
    pub(crate) keys: BTreeMap<String, LoadedKey>,
}

/// A key and all its versions.
#[derive(Debug)]
pub(crate) struct LoadedKey {
    pub(crate) row: KeyRow,
    pub(crate) schedule: Schedule,
    pub(crate) versions: Vec<(String, VersionRow, BTreeMap<String, String>)>,
}

impl Store {
    /// Reads everything, and removes private parts that no version names.
    pub(crate) fn load(&self) -> Result<Loaded, StoreError> {
        // Everything read here stays in memory until the end, so it must be right.
        if self.durable.wait_for_proof().is_complete() && self.durable.has_loss()? {
            // A vault stores nothing outside its rows, and each change writes all its rows together: the rest is consistent.
            self.durable.clear_loss()?;
        }
        let mut loaded = Loaded::default();
        self.load_vaults(&mut loaded)?;
        self.each(KEY, |parts, value| {
            let [vault, key] = named(parts)?;
            let rows = LoadedKey {
                row: parsed(value)?,
                schedule: Schedule::default(),
                versions: Vec::new(),
            };
            existing(loaded.vaults.get_mut(&vault))?.keys.insert(key, rows);
            Ok(())
        })?;
        self.each(SCHEDULE, |parts, value| {
            let [vault, key] = named(parts)?;
            let Some(vault) = loaded.vaults.get_mut(&vault) else {
                return Ok(());
            };
            // The schedule of a removed key may remain; then nothing is due.
            if let Some(key) = vault.keys.get_mut(&key) {
                key.schedule = parsed(value)?;
            }
            Ok(())
        })?;
        let mut tags: BTreeMap<Vec<u8>, BTreeMap<String, String>> = BTreeMap::new();
        self.each(TAG, |parts, value| {
            let [vault, key, version, tag] = named(parts)?;
            let at = row_key(VERSION, &[&vault, &key, &version]);
            tags.entry(at).or_default().insert(tag, text(value)?);
            Ok(())
        })?;
        let mut known = HashSet::new();
        self.each(VERSION, |parts, value| {
            let [vault, key, version] = named(parts)?;
            let at = row_key(VERSION, &[&vault, &key, &version]);
            let tags = tags.remove(&at).unwrap_or_default();
            let vault = existing(loaded.vaults.get_mut(&vault))?;
            let key = existing(vault.keys.get_mut(&key))?;
            key.versions.push((version, parsed(value)?, tags));
            known.insert(at);
            Ok(())
        })?;
        self.remove_orphans(|at| known.contains(at))?;
        Ok(loaded)
    }

    /// Removes private parts that no version names: earlier versions of this program left some after a kill. They do no harm, so
    /// they stay until a later start if the disk is full or the rows are not proven.
    fn remove_orphans(&self, is_known: impl Fn(&[u8]) -> bool) -> io::Result<()> {
        if !self.durable.are_complete() {
            return Ok(());
        }
        let mut orphans = self.durable.scan_prefix(PRIVATE, b"").peekable();
        while orphans.next_if(|row| row.as_ref().is_ok_and(|(at, _)| is_known(at))).is_some() {}
        if orphans.peek().is_none() {
            return Ok(());
        }
        let removed = self.durable.change(Purpose::Removal, |view| {
            for row in orphans {
                let (at, _) = row?;
                if !is_known(&at) {
                    view.remove(PRIVATE, at.to_vec());
                }
            }
            Ok(())
        });
        removed.or_else(|error| if is_out_of_space(&error) { Ok(()) } else { Err(error) })
    }

    pub(super) fn each(
        &self,
        kind: u8,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for entry in self.durable.scan_prefix(ROWS, &[kind, SEPARATOR]) {
            let (at, value) = entry?;
            visit(at.get(2..).unwrap_or_default(), &value)?;
        }
        Ok(())
    }
}
