//! Reads keys: one version, all versions, all keys, in pages.
//!
//! Called by the routes, which render a [`KeyView`] for the address that the client used.

use std::sync::Arc;

use super::state::Vault;
use super::vaults::Vaults;
use crate::model::KeyReference;
use crate::model::error::VaultError;
use crate::model::key::Deletion;
use crate::model::names::{KeyName, KeyVersion, VaultName};
use crate::model::settings::VaultPath;
use crate::model::version::Version;

/// One version of a key with the facts that responses contain.
#[derive(Clone, Debug)]
pub(crate) struct KeyView {
    pub(crate) vault: VaultName,
    pub(crate) name: KeyName,
    pub(crate) version: Arc<Version>,
    pub(crate) deletion: Option<Deletion>,
    pub(crate) recovery_level: &'static str,
    pub(crate) recoverable_days: u16,
}

impl KeyView {
    /// The version, in the form in which refusals name it.
    pub(crate) fn reference(&self) -> KeyReference {
        KeyReference { name: self.name.clone(), version: Some(self.version.id.clone()) }
    }
}

/// The requested part of a list.
#[derive(Clone, Debug)]
pub(crate) struct PageRequest {
    /// The maximum number of entries.
    pub(crate) limit: usize,
    /// The last entry of the previous page.
    pub(crate) after: Option<String>,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<KeyView>,
    /// The marker of the next page, if there is one.
    pub(crate) next: Option<String>,
}

impl Vaults {
    /// The resource id of a vault for the control plane and the logs. A vault that no longer exists gets a local path.
    pub(crate) fn resource_id(&self, vault: &VaultName) -> String {
        let known = self.with_vault(vault, |found| Ok(found.settings.path(vault)));
        known.unwrap_or_else(|_| VaultPath::local(vault)).to_string()
    }

    /// A version of a key, or the newest. Disabled ones are shown.
    pub(crate) fn key(&self, vault: &VaultName, at: &KeyReference) -> Result<KeyView, VaultError> {
        self.with_vault(vault, |found| {
            let key = found.live(&at.name);
            let version = key.and_then(|key| key.version(at.version.as_ref()));
            match (key, version) {
                (Some(key), Some(version)) => Ok(found.view(vault, &key.name, version, None)),
                _ => Err(VaultError::KeyNotFound(at.clone())),
            }
        })
    }

    /// The newest version of each key that is not deleted, by name.
    pub(crate) fn keys(&self, vault: &VaultName, page: &PageRequest) -> Result<Page, VaultError> {
        self.list(vault, page, false)
    }

    /// The newest version of each deleted key, by name.
    pub(crate) fn deleted_keys(
        &self,
        vault: &VaultName,
        page: &PageRequest,
    ) -> Result<Page, VaultError> {
        self.purge_due_if_possible(vault)?;
        self.list(vault, page, true)
    }

    /// A deleted key.
    pub(crate) fn deleted_key(
        &self,
        vault: &VaultName,
        name: &KeyName,
    ) -> Result<KeyView, VaultError> {
        self.purge_due_if_possible(vault)?;
        self.with_vault(vault, |found| {
            let key = found.keys.get(name.folded());
            let parts = key.and_then(|key| Some((key, key.deletion?, key.versions.last()?)));
            let Some((key, deletion, version)) = parts else {
                return Err(VaultError::DeletedKeyNotFound(name.clone()));
            };
            Ok(found.view(vault, &key.name, version, Some(deletion)))
        })
    }

    /// The versions of a key, by version. A key that does not exist, or is deleted, has none: Azure answers with an empty list.
    pub(crate) fn versions(
        &self,
        vault: &VaultName,
        name: &KeyName,
        page: &PageRequest,
    ) -> Result<Page, VaultError> {
        self.with_vault(vault, |found| {
            let Some(key) = found.live(name) else {
                return Ok(Page { items: Vec::new(), next: None });
            };
            let mut versions: Vec<&Arc<Version>> = key.versions.iter().collect();
            versions.sort_by(|a, b| a.id.cmp(&b.id));
            let after = page.after.as_ref().and_then(|after| after.parse::<KeyVersion>().ok());
            let items = versions
                .into_iter()
                .filter(|version| after.as_ref().is_none_or(|after| version.id > *after))
                .map(|version| found.view(vault, &key.name, version, None));
            Ok(page_of(items, page.limit, |view| view.version.id.to_string()))
        })
    }

    fn list(
        &self,
        vault: &VaultName,
        page: &PageRequest,
        deleted: bool,
    ) -> Result<Page, VaultError> {
        self.with_vault(vault, |found| {
            let after = page.after.as_deref().unwrap_or_default();
            let beyond = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
            let items = found
                .keys
                .range::<str, _>(beyond)
                .filter(|(_, key)| key.deletion.is_some() == deleted)
                .filter_map(|(_, key)| {
                    Some(found.view(vault, &key.name, key.versions.last()?, key.deletion))
                });
            Ok(page_of(items, page.limit, |view| view.name.folded().to_owned()))
        })
    }
}

impl Vault {
    pub(super) fn view(
        &self,
        vault: &VaultName,
        name: &KeyName,
        version: &Arc<Version>,
        deletion: Option<Deletion>,
    ) -> KeyView {
        let customized = self.settings.retention_days < 90;
        KeyView {
            vault: vault.clone(),
            name: name.clone(),
            version: Arc::clone(version),
            deletion,
            recovery_level: match (customized, self.settings.purge_protection) {
                (false, false) => "Recoverable+Purgeable",
                (false, true) => "Recoverable",
                (true, false) => "CustomizedRecoverable+Purgeable",
                (true, true) => "CustomizedRecoverable",
            },
            recoverable_days: self.settings.retention_days,
        }
    }
}

fn page_of(
    items: impl Iterator<Item = KeyView>,
    limit: usize,
    marker: impl Fn(&KeyView) -> String,
) -> Page {
    let mut items: Vec<KeyView> = items.take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(marker) } else { None };
    Page { items, next }
}
