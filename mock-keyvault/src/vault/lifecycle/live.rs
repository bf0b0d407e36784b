//! Vaults that are not deleted: created, changed, recovered, shown.

use uuid::Uuid;

use super::super::state::Vault;
use super::super::vaults::Vaults;
use super::changes::VaultChanges;
use super::error::VaultChangeError;
use crate::model::names::VaultName;
use crate::model::policy::AccessPolicy;
use crate::model::settings::{VaultPath, VaultSettings};

/// The administrator's view of a vault.
#[derive(Clone, Debug)]
pub(crate) struct VaultView {
    pub(crate) path: VaultPath,
    pub(crate) settings: VaultSettings,
    pub(crate) policies: Vec<AccessPolicy>,
}

/// The effect of a request for a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PutOutcome {
    /// A new vault was created.
    Created,
    /// An existing vault was changed, or a deleted vault was recovered.
    Updated,
}

/// The meaning of a request for a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The request describes the whole vault.
    Whole,
    /// The same, but a deleted vault with this name is recovered unchanged.
    Recover,
}

/// Whether a name is available for a new vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameState {
    Free,
    Taken,
    Deleted,
}

impl Vaults {
    /// Creates a vault, or changes the existing vault at this path to the request.
    pub(crate) fn put_vault(
        &self,
        path: &VaultPath,
        changes: &VaultChanges,
        mode: Mode,
        by: &str,
    ) -> Result<(VaultView, PutOutcome), VaultChangeError> {
        self.purge_vaults_due()?;
        let _changing = self.change();
        let found = self.at_name(&path.name);
        match (found, mode) {
            (Some(found), _) if !found.settings.is_in(path.subscription, &path.group) => {
                Err(match mode {
                    Mode::Recover if found.settings.deletion.is_some() => {
                        VaultChangeError::NothingToRecover
                    }
                    _ => VaultChangeError::NameTaken(path.spelling.clone()),
                })
            }
            (Some(found), Mode::Recover) if found.settings.deletion.is_some() => {
                let mut settings = found.settings;
                settings.deletion = None;
                self.touch(&mut settings, by);
                self.remove_late_roles(&path.name)?;
                self.begin_again(&path.name)?;
                let back = self.save(&path.name, settings, found.policies)?;
                self.schedule_changed.notify_one();
                Ok((back, PutOutcome::Updated))
            }
            (Some(found), Mode::Whole) if found.settings.deletion.is_some() => {
                Err(VaultChangeError::NameDeleted)
            }
            (Some(found), _) => {
                let needs_policies = mode == Mode::Whole;
                changes
                    .require_whole(changes.rbac.unwrap_or(found.settings.rbac), needs_policies)?;
                let (mut settings, policies) =
                    changes.applied_to(path, found.settings, found.policies)?;
                settings.tags = changes.tags.clone().unwrap_or_default();
                self.touch(&mut settings, by);
                Ok((self.save(&path.name, settings, policies)?, PutOutcome::Updated))
            }
            (None, Mode::Recover) => Err(VaultChangeError::NothingToRecover),
            (None, Mode::Whole) => {
                changes.require_whole(changes.rbac.unwrap_or_default(), true)?;
                let mut new = VaultSettings::new(path);
                if let Some(location) = &changes.location {
                    new.location.clone_from(location);
                }
                new.retention_days = changes.new_retention(new.retention_days)?;
                new.created = Some(self.clock.unix_now());
                new.created_by = Some(by.to_owned());
                let (mut settings, policies) = changes.applied_to(path, new, Vec::new())?;
                self.touch(&mut settings, by);
                Ok((self.save(&path.name, settings, policies)?, PutOutcome::Created))
            }
        }
    }

    /// Changes the named settings of a vault, and no others.
    pub(crate) fn patch_vault(
        &self,
        path: &VaultPath,
        changes: &VaultChanges,
        by: &str,
    ) -> Result<VaultView, VaultChangeError> {
        let _changing = self.change();
        let found = self.vault_at(path)?;
        let (mut settings, policies) = changes.applied_to(path, found.settings, found.policies)?;
        if let Some(tags) = &changes.tags {
            settings.tags.clone_from(tags);
        }
        self.touch(&mut settings, by);
        self.save(&path.name, settings, policies)
    }

    /// The vault at this path.
    pub(crate) fn vault_at(&self, path: &VaultPath) -> Result<VaultView, VaultChangeError> {
        self.at_name(&path.name)
            .filter(|found| found.settings.deletion.is_none())
            .filter(|found| found.settings.is_in(path.subscription, &path.group))
            .ok_or_else(|| VaultChangeError::NotFound(path.clone()))
    }

    /// The vault with this name, in any subscription.
    pub(crate) fn vault_named(&self, name: &VaultName) -> Result<VaultView, VaultChangeError> {
        self.at_name(name)
            .filter(|found| found.settings.deletion.is_none())
            .ok_or_else(|| VaultChangeError::NotFound(VaultPath::local(name)))
    }

    /// The vaults of a subscription, or of one of its resource groups, by name.
    pub(crate) fn vaults_in(&self, subscription: Uuid, group: Option<&str>) -> Vec<VaultView> {
        let vaults = self.read();
        let here = vaults.iter().filter(|(_, vault)| {
            let settings = &vault.settings;
            settings.deletion.is_none()
                && settings.is_in(subscription, group.unwrap_or(&settings.group))
        });
        here.map(|(name, vault)| vault.seen(name)).collect()
    }

    /// Whether a name is available.
    pub(crate) fn name_state(&self, name: &VaultName) -> Result<NameState, VaultChangeError> {
        self.purge_vaults_due_if_possible()?;
        Ok(match self.at_name(name) {
            None => NameState::Free,
            Some(found) if found.settings.deletion.is_some() => NameState::Deleted,
            Some(_) => NameState::Taken,
        })
    }

    /// A vault, deleted or not.
    pub(super) fn at_name(&self, name: &VaultName) -> Option<VaultView> {
        self.read().get(name).map(|vault| vault.seen(name))
    }

    pub(super) fn touch(&self, settings: &mut VaultSettings, by: &str) {
        settings.modified = Some(self.clock.unix_now());
        settings.modified_by = Some(by.to_owned());
    }

    /// Stores a vault on disk and then in memory. The change lock is held.
    pub(super) fn save(
        &self,
        name: &VaultName,
        settings: VaultSettings,
        policies: Vec<AccessPolicy>,
    ) -> Result<VaultView, VaultChangeError> {
        self.store.put_vault(name, &settings, Some(&policies))?;
        let path = settings.path(name);
        let view = VaultView { path, settings: settings.clone(), policies: policies.clone() };
        let mut vaults = self.write(name);
        if let Some(vault) = vaults.get_mut(name) {
            vault.settings = settings;
            vault.policies = policies;
        } else {
            let keys = std::collections::BTreeMap::new();
            vaults.insert(name.clone(), Vault { settings, policies, keys });
        }
        Ok(view)
    }
}

impl Vault {
    pub(super) fn seen(&self, name: &VaultName) -> VaultView {
        VaultView {
            path: self.settings.path(name),
            settings: self.settings.clone(),
            policies: self.policies.clone(),
        }
    }
}
