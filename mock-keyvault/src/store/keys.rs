//! The rows of keys: each key, its versions, their tags, and the sealed private parts in a separate tree.

use std::collections::BTreeMap;
use std::io;

use super::handle::Store;
use super::layout::{KEY, PRIVATE, ROWS, SCHEDULE, TAG, VERSION, json, prefix, row_key};
use super::row::{KeyRow, RestoredVersion, VersionAt, VersionRow};
use crate::model::names::{KeyName, VaultName};
use crate::model::schedule::Schedule;
use azure_emulator_core::disk_space::Purpose;
use azure_emulator_core::durable::View;

impl Store {
    /// Stores a new version of a key. The first version also creates the row of the key.
    pub(crate) fn add_version(
        &self,
        at: VersionAt<'_>,
        key: &KeyRow,
        version: &VersionRow,
        tags: &BTreeMap<String, String>,
        sealed: &[u8],
    ) -> io::Result<()> {
        self.durable.change(Purpose::Rows, |view| {
            view.put(PRIVATE, at.row(VERSION), sealed);
            view.put(ROWS, row_key(KEY, &[at.vault.as_str(), at.key.folded()]), json(key)?);
            write_version(view, at, version, tags)
        })
    }

    /// Stores a key with all its versions, in one step.
    pub(crate) fn add_key(
        &self,
        vault: &VaultName,
        key: &KeyName,
        row: &KeyRow,
        schedule: &Schedule,
        versions: &[RestoredVersion<'_>],
    ) -> io::Result<()> {
        self.durable.change(Purpose::Rows, |view| {
            view.put(ROWS, row_key(KEY, &[vault.as_str(), key.folded()]), json(row)?);
            view.put(ROWS, row_key(SCHEDULE, &[vault.as_str(), key.folded()]), json(schedule)?);
            for version in versions {
                view.put(PRIVATE, version.at.row(VERSION), version.sealed.as_slice());
                write_version(view, version.at, &version.row, version.tags)?;
            }
            Ok(())
        })
    }

    /// Stores the changed attributes, operations and tags of a version.
    pub(crate) fn put_version(
        &self,
        at: VersionAt<'_>,
        version: &VersionRow,
        tags: &BTreeMap<String, String>,
    ) -> io::Result<()> {
        self.durable.change(Purpose::Rows, |view| write_version(view, at, version, tags))
    }

    /// Stores whether a key is deleted.
    pub(crate) fn put_key(&self, vault: &VaultName, key: &KeyName, row: &KeyRow) -> io::Result<()> {
        let purpose = if row.deletion.is_some() { Purpose::Removal } else { Purpose::Rows };
        self.durable.change(purpose, |view| {
            view.put(ROWS, row_key(KEY, &[vault.as_str(), key.folded()]), json(row)?);
            Ok(())
        })
    }

    /// Stores the scheduled actions of a key, and the notices that were sent.
    pub(crate) fn put_schedule(
        &self,
        vault: &VaultName,
        key: &KeyName,
        schedule: &Schedule,
    ) -> io::Result<()> {
        self.put_schedules(vault, &[(key.clone(), schedule.clone())])
    }

    /// Stores the same for many keys of a vault, in one step.
    pub(crate) fn put_schedules(
        &self,
        vault: &VaultName,
        schedules: &[(KeyName, Schedule)],
    ) -> io::Result<()> {
        self.durable.change(Purpose::Rows, |view| {
            for (key, schedule) in schedules {
                view.put(ROWS, row_key(SCHEDULE, &[vault.as_str(), key.folded()]), json(schedule)?);
            }
            Ok(())
        })
    }

    /// Removes a key with all its versions.
    pub(crate) fn remove_key(&self, vault: &VaultName, key: &KeyName) -> io::Result<()> {
        let names = [vault.as_str(), key.folded()];
        self.durable.change(Purpose::Removal, |view| {
            view.remove(ROWS, row_key(KEY, &names));
            view.remove(ROWS, row_key(SCHEDULE, &names));
            for kind in [VERSION, TAG] {
                view.remove_prefix(ROWS, &prefix(kind, &names))?;
            }
            view.remove_prefix(PRIVATE, &prefix(VERSION, &names))
        })
    }

    /// The sealed private part of a version.
    pub(crate) fn private(&self, at: VersionAt<'_>) -> io::Result<Option<Vec<u8>>> {
        Ok(self.durable.get(PRIVATE, &at.row(VERSION))?.map(|sealed| sealed.to_vec()))
    }
}

/// Writes a version, and replaces its tags.
fn write_version(
    view: &View<'_>,
    at: VersionAt<'_>,
    version: &VersionRow,
    tags: &BTreeMap<String, String>,
) -> io::Result<()> {
    view.put(ROWS, at.row(VERSION), json(version)?);
    let names = [at.vault.as_str(), at.key.folded(), at.version.as_str()];
    view.remove_prefix(ROWS, &prefix(TAG, &names))?;
    for (tag, value) in tags {
        let [vault, key, version] = names;
        view.put(ROWS, row_key(TAG, &[vault, key, version, tag]), value.as_bytes());
    }
    Ok(())
}
