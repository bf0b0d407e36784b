//! Deleted vaults: listed, purged on demand, and purged by the clock.
//!
//! Called by the routes, the handle, and the scheduled actions. The data plane of a deleted vault answers no request.

use std::io;

use uuid::Uuid;

use super::super::vaults::Vaults;
use super::error::VaultChangeError;
use super::live::VaultView;
use crate::model::key::Deletion;
use crate::model::names::{KeyName, VaultName};
use crate::model::schedule::Schedule;
use crate::model::settings::{VaultPath, VaultSettings};
use azure_emulator_core::disk_space;

const SECONDS_PER_DAY: i64 = 86_400;

impl Vaults {
    /// Deletes a vault; it can be recovered until its retention ends. Returns false if it did not exist.
    pub(crate) fn delete_vault(&self, path: &VaultPath) -> Result<bool, VaultChangeError> {
        let _changing = self.change();
        let found = match self.vault_at(path) {
            Ok(found) => found,
            Err(VaultChangeError::NotFound(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut settings = found.settings;
        settings.deletion = Some(deletion_of(&settings, self.clock.unix_now()));
        let scope = settings.scope(&path.name, None);
        self.save(&path.name, settings, found.policies)?;
        if let Some(scope) = scope {
            self.authorization.remove_under(&scope)?;
        }
        self.schedule_changed.notify_one();
        Ok(true)
    }

    /// Marks that nothing was due in a vault while it was deleted. This comes before the recovery of the vault, so that a kill
    /// between the two loses nothing. The change lock is held.
    pub(super) fn begin_again(&self, name: &VaultName) -> io::Result<()> {
        let since = Some(self.clock.unix_now());
        let begun: Vec<(KeyName, Schedule)> = match self.read().get(name) {
            None => return Ok(()),
            Some(vault) => {
                let live = vault.keys.values().filter(|key| key.deletion.is_none());
                let begun = live.filter(|key| Self::has_scheduled_action(key));
                begun
                    .map(|key| (key.name.clone(), Schedule { since, ..key.schedule.clone() }))
                    .collect()
            }
        };
        // All in one step: a vault may have thousands of keys, and readers do not wait for the disk.
        self.store.put_schedules(name, &begun)?;
        if let Some(vault) = self.write(name).get_mut(name) {
            for (key, schedule) in begun {
                if let Some(key) = vault.keys.get_mut(key.folded()) {
                    key.schedule = schedule;
                }
            }
        }
        Ok(())
    }

    /// The deleted vaults of a subscription, by name.
    pub(crate) fn deleted_vaults(
        &self,
        subscription: Uuid,
    ) -> Result<Vec<VaultView>, VaultChangeError> {
        self.purge_vaults_due_if_possible()?;
        let vaults = self.read();
        let deleted = vaults.iter().filter(|(_, vault)| {
            vault.settings.deletion.is_some() && vault.settings.subscription == subscription
        });
        Ok(deleted.map(|(name, vault)| vault.seen(name)).collect())
    }

    /// The deleted vault with this name, in any subscription.
    pub(crate) fn deleted_named(&self, name: &VaultName) -> Result<VaultView, VaultChangeError> {
        self.purge_vaults_due_if_possible()?;
        self.at_name(name)
            .filter(|found| found.settings.deletion.is_some())
            .ok_or_else(|| VaultChangeError::DeletedNotFound(name.to_string()))
    }

    /// A deleted vault of a subscription, in a location.
    pub(crate) fn deleted_vault(
        &self,
        subscription: Uuid,
        location: &str,
        name: &VaultName,
    ) -> Result<VaultView, VaultChangeError> {
        self.purge_vaults_due_if_possible()?;
        self.deleted_at(subscription, location, name)
    }

    fn deleted_at(
        &self,
        subscription: Uuid,
        location: &str,
        name: &VaultName,
    ) -> Result<VaultView, VaultChangeError> {
        self.at_name(name)
            .filter(|found| {
                let settings = &found.settings;
                settings.deletion.is_some()
                    && settings.subscription == subscription
                    && settings.location == location
            })
            .ok_or_else(|| VaultChangeError::DeletedNotFound(name.to_string()))
    }

    /// Purges a deleted vault with all its keys, for good.
    pub(crate) fn purge_vault(
        &self,
        subscription: Uuid,
        location: &str,
        name: &VaultName,
    ) -> Result<(), VaultChangeError> {
        self.purge_vaults_due()?;
        let _changing = self.change();
        let found = self.deleted_at(subscription, location, name)?;
        if found.settings.purge_protection {
            return Err(VaultChangeError::PurgeProtected);
        }
        self.remove_vault(name)?;
        Ok(())
    }

    /// When the next deleted vault must be purged, in seconds since 1970.
    pub(crate) fn next_vault_due(&self) -> Option<i64> {
        let vaults = self.read();
        vaults.values().filter_map(|vault| Some(vault.settings.deletion?.scheduled_purge)).min()
    }

    /// Purges every deleted vault that is due by the clock, and returns their names.
    pub(crate) fn purge_vaults_due(&self) -> io::Result<Vec<VaultName>> {
        let now = self.clock.unix_now();
        if self.next_vault_due().is_none_or(|due| due > now) {
            return Ok(Vec::new());
        }
        let _changing = self.change();
        let names: Vec<VaultName> = self
            .read()
            .iter()
            .filter(|(_, vault)| {
                vault.settings.deletion.is_some_and(|deletion| deletion.scheduled_purge <= now)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in &names {
            self.remove_vault(name)?;
        }
        Ok(names)
    }

    /// Does the same before a read: on a full disk nothing is purged, and the read sees the existing vaults.
    pub(super) fn purge_vaults_due_if_possible(&self) -> io::Result<()> {
        match self.purge_vaults_due() {
            Err(error) if disk_space::is_out_of_space(&error) => Ok(()),
            done => done.map(drop),
        }
    }

    /// Removes the roles of deleted vaults: a deletion before this start may have been interrupted.
    pub(in crate::vault) fn remove_roles_of_deleted_vaults(&self) -> io::Result<()> {
        let scopes: Vec<_> = self
            .read()
            .iter()
            .filter(|(_, vault)| vault.settings.deletion.is_some())
            .filter_map(|(name, vault)| vault.settings.scope(name, None))
            .collect();
        for scope in scopes {
            self.authorization.remove_under(&scope)?;
        }
        Ok(())
    }

    /// Removes the roles that were assigned to a deleted vault after its deletion: the vault may be deleted between the check
    /// that it exists and the assignment. Such roles must not apply to a recovered vault, or to a new vault with the same name.
    pub(super) fn remove_late_roles(&self, name: &VaultName) -> io::Result<()> {
        let scope = self.read().get(name).and_then(|vault| vault.settings.scope(name, None));
        match scope {
            Some(scope) => Ok(self.authorization.remove_under(&scope)?),
            None => Ok(()),
        }
    }

    /// Removes a vault from memory and disk. The change lock is held.
    fn remove_vault(&self, name: &VaultName) -> io::Result<()> {
        self.remove_late_roles(name)?;
        self.store.remove_vault(name)?;
        self.write(name).remove(name);
        Ok(())
    }
}

/// The deletion of a vault that is deleted now, with the time of its purge.
fn deletion_of(settings: &VaultSettings, now: i64) -> Deletion {
    let retention = i64::from(settings.retention_days) * SECONDS_PER_DAY;
    Deletion { deleted: now, scheduled_purge: now.saturating_add(retention) }
}
