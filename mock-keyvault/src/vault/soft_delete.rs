//! Deletes, recovers and purges keys, each with all its versions.
//!
//! Called by the routes and the fixture. Keys whose purge is due by the clock are purged before any read can see them.

use super::vaults::Vaults;
use super::view::KeyView;
use crate::model::KeyReference;
use crate::model::error::VaultError;
use crate::model::key::Deletion;
use crate::model::names::{KeyName, VaultName};
use crate::store::KeyRow;

const SECONDS_PER_DAY: i64 = 86_400;

impl Vaults {
    /// Deletes a key; it can be recovered until the vault's retention ends.
    pub(crate) fn delete(&self, vault: &VaultName, name: &KeyName) -> Result<KeyView, VaultError> {
        let _changing = self.change();
        let view = self.key(vault, &KeyReference { name: name.clone(), version: None })?;
        let deleted = self.clock.unix_now();
        let retention = i64::from(view.recoverable_days) * SECONDS_PER_DAY;
        let deletion = Deletion { deleted, scheduled_purge: deleted.saturating_add(retention) };
        self.save_deletion(vault, &view.name, Some(deletion))?;
        Ok(KeyView { deletion: Some(deletion), ..view })
    }

    /// Recovers a deleted key.
    pub(crate) fn recover(&self, vault: &VaultName, name: &KeyName) -> Result<KeyView, VaultError> {
        self.purge_due(vault)?;
        let _changing = self.change();
        let view = self.deleted(vault, name)?;
        // First, so that no other caller sees the key without it and rotates it with a time in the past.
        let now = self.clock.unix_now();
        self.change_schedule(vault, &view.name, |schedule| schedule.since = Some(now))?;
        self.save_deletion(vault, &view.name, None)?;
        Ok(KeyView { deletion: None, ..view })
    }

    /// Purges a deleted key for good.
    pub(crate) fn purge(&self, vault: &VaultName, name: &KeyName) -> Result<(), VaultError> {
        let _changing = self.change();
        let view = self.deleted(vault, name)?;
        self.with_vault(vault, |found| {
            if found.settings.purge_protection {
                return Err(VaultError::PurgeProtected {
                    vault: vault.clone(),
                    location: found.settings.location.clone(),
                });
            }
            Ok(())
        })?;
        self.forget(vault, &view.name)
    }

    /// Purges the keys that are due by the clock.
    pub(super) fn purge_due(&self, vault: &VaultName) -> Result<(), VaultError> {
        let now = self.clock.unix_now();
        let due = |deletion: Option<Deletion>| deletion.is_some_and(|d| d.scheduled_purge <= now);
        let any =
            self.with_vault(vault, |found| Ok(found.keys.values().any(|key| due(key.deletion))))?;
        if !any {
            return Ok(());
        }
        let _changing = self.change();
        let names: Vec<KeyName> = self.with_vault(vault, |found| {
            let keys = found.keys.values().filter(|key| due(key.deletion));
            Ok(keys.map(|key| key.name.clone()).collect())
        })?;
        for name in &names {
            self.forget(vault, name)?;
        }
        Ok(())
    }

    /// Does the same before a read: on a full disk nothing is purged, and the read sees the existing keys.
    pub(super) fn purge_due_if_possible(&self, vault: &VaultName) -> Result<(), VaultError> {
        match self.purge_due(vault) {
            Err(VaultError::DiskFull) => Ok(()),
            done => done,
        }
    }

    fn deleted(&self, vault: &VaultName, name: &KeyName) -> Result<KeyView, VaultError> {
        self.with_vault(vault, |found| {
            let key = found.keys.get(name.folded());
            let parts = key.and_then(|key| Some((key, key.deletion?, key.versions.last()?)));
            let Some((key, deletion, version)) = parts else {
                return Err(VaultError::DeletedKeyNotFound(name.clone()));
            };
            Ok(found.view(vault, &key.name, version, Some(deletion)))
        })
    }

    /// Stores on disk and in memory whether a key is deleted. The change lock is held.
    fn save_deletion(
        &self,
        vault: &VaultName,
        name: &KeyName,
        deletion: Option<Deletion>,
    ) -> Result<(), VaultError> {
        let row = KeyRow { name: name.as_str().to_owned(), deletion };
        self.store.put_key(vault, name, &row)?;
        self.with_vault_mut(vault, |found| {
            if let Some(key) = found.keys.get_mut(name.folded()) {
                key.deletion = deletion;
            }
        })?;
        self.schedule_changed.notify_one();
        Ok(())
    }

    /// Removes a key from disk and memory. The change lock is held.
    fn forget(&self, vault: &VaultName, name: &KeyName) -> Result<(), VaultError> {
        self.store.remove_key(vault, name)?;
        self.with_vault_mut(vault, |found| {
            found.keys.remove(name.folded());
        })
    }
}
