//! The rows that a vault stores on disk, each below 4 KiB. Only this module knows their form.
//!
//! This file has the trees, the form of row keys, and the loading of all rows at a start; the rows of vaults and of keys each have
//! a file. Called by [`crate::vault`] on blocking threads. Every write returns when it is durable. All rows of one change, with
//! the sealed private parts, are one transaction. No row holds a host or a port.
//! A write for which the disk has too little space is refused before any of it is done.

mod folder;
mod keys;
pub(crate) mod repair;
mod vaults;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::vault::Agenda;
use crate::vault::policy::AccessPolicy;
use crate::vault::settings::VaultSettings;
use azure_emulator_core::durable::{Durability, OpenError, Rows};
use azure_emulator_core::room::{Purpose, Room, is_lacking};

pub(crate) use keys::{KeyRow, PublicRow, RestoredVersion, VersionAt, VersionRow};

/// The trees of a vault. The position in the list is part of the format on disk: add a tree at the end.
pub(crate) const TREES: &[&str] = &["settings", "rows", "private", "authorization"];
const ROWS: u8 = 1;
const PRIVATE: u8 = 2;
/// The tree of the role assignments, which have their own module.
pub(crate) const AUTHORIZATION: u8 = 3;

/// The separator of the parts of a row key: a byte that no name contains.
const SEPARATOR: u8 = 0;

/// The first byte of a row key names the kind of the row. These bytes must not change: rows on disk begin with them.
const VAULT: u8 = b'v';
const POLICY: u8 = b'p';
const KEY: u8 = b'k';
const VERSION: u8 = b'n';
const TAG: u8 = b't';
const AGENDA: u8 = b'a';

/// Why the rows cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The rows cannot be read or written.
    #[error("the rows of the vault cannot be used: {0}")]
    Io(#[from] io::Error),
    /// The rows cannot be opened. The message says how to repair them.
    #[error("the rows of the vault cannot be opened: {0}")]
    Open(#[from] OpenError),
    /// The folder was written by another version of this program.
    #[error(
        "the data folder has format {found}, and this program reads formats 1 and {}",
        folder::FORMAT_VERSION
    )]
    Format {
        /// The format in the folder.
        found: String,
    },
    /// A row cannot be read.
    #[error("a row of the database of the vault is damaged: {0}")]
    Damaged(String),
}

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
    pub(crate) agenda: Agenda,
    pub(crate) versions: Vec<(String, VersionRow, BTreeMap<String, String>)>,
}

/// The rows of all vaults of one data folder.
#[derive(Debug)]
pub(crate) struct Store {
    durable: Arc<Rows>,
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

    /// Reads everything, and removes private parts that no version names.
    pub(crate) fn load(&self) -> Result<Loaded, StoreError> {
        // Everything read here stays in memory until the end, so it must be right.
        if self.durable.wait_for_proof().is_complete() && self.durable.has_loss()? {
            // A vault stores nothing outside its rows, and each change writes all its rows together: the rest is consistent.
            self.durable.loss_is_settled()?;
        }
        let mut loaded = Loaded::default();
        self.load_vaults(&mut loaded)?;
        self.each(KEY, |parts, value| {
            let [vault, key] = named(parts)?;
            let rows =
                LoadedKey { row: parsed(value)?, agenda: Agenda::default(), versions: Vec::new() };
            existing(loaded.vaults.get_mut(&vault))?.keys.insert(key, rows);
            Ok(())
        })?;
        self.each(AGENDA, |parts, value| {
            let [vault, key] = named(parts)?;
            let Some(vault) = loaded.vaults.get_mut(&vault) else {
                return Ok(());
            };
            // The agenda of a removed key may remain; then nothing is due.
            if let Some(key) = vault.keys.get_mut(&key) {
                key.agenda = parsed(value)?;
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
        let mut known = std::collections::HashSet::new();
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
        removed.or_else(|error| if is_lacking(&error) { Ok(()) } else { Err(error) })
    }

    fn each(
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

fn row_key(kind: u8, names: &[&str]) -> Vec<u8> {
    let mut at = prefix(kind, names);
    at.pop();
    at
}

/// The prefix of every row key under these names.
fn prefix(kind: u8, names: &[&str]) -> Vec<u8> {
    let mut at = vec![kind, SEPARATOR];
    for name in names {
        at.extend_from_slice(name.as_bytes());
        at.push(SEPARATOR);
    }
    at
}

/// The names in a row key. The last name may contain the separator, since tags may contain any character.
fn named<const N: usize>(parts: &[u8]) -> Result<[String; N], StoreError> {
    let names: Result<Vec<String>, StoreError> =
        parts.splitn(N, |byte| *byte == SEPARATOR).map(text).collect();
    names?.try_into().map_err(|_| StoreError::Damaged("a row key has too few parts".to_owned()))
}

fn text(bytes: &[u8]) -> Result<String, StoreError> {
    String::from_utf8(bytes.to_vec()).map_err(|error| StoreError::Damaged(error.to_string()))
}

fn existing<T>(found: Option<&mut T>) -> Result<&mut T, StoreError> {
    found.ok_or_else(|| StoreError::Damaged("a row belongs to an unknown vault or key".to_owned()))
}

fn parsed<T: DeserializeOwned>(value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

fn json(row: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(row).map_err(io::Error::other)
}
