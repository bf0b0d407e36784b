//! The rows of vaults themselves: their settings, split into rows below 4 KiB, and one row for each access policy.
//!
//! Called by [`crate::vault`] on blocking threads. Settings and policies that change together are one transaction.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::handle::Store;
use super::layout::{POLICY, PRIVATE, ROWS, VAULT, existing, json, named, parsed, prefix, row_key};
use super::load::{Loaded, LoadedVault};
use crate::model::names::VaultName;
use crate::model::policy::AccessPolicy;
use crate::model::settings::VaultSettings;
use azure_emulator_core::disk_space::Purpose;

/// The first byte of the keys of further rows, for settings that do not fit into the first row. It must not change.
const REST: u8 = b'x';
/// How many bytes of a document one row holds.
const CHUNK: usize = 3 << 10;

/// The row of an access policy. Older folders have only the permissions on keys.
#[derive(Deserialize)]
#[serde(untagged)]
enum PolicyRow {
    Old(Vec<String>),
    Current(OrderedPolicy<AccessPolicy>),
}

/// A policy with its position in the vault's list.
#[derive(Serialize, Deserialize)]
struct OrderedPolicy<P> {
    order: usize,
    policy: P,
}

impl Store {
    /// Stores the settings of a vault, and replaces its access policies if any are given.
    pub(crate) fn put_vault(
        &self,
        vault: &VaultName,
        settings: &VaultSettings,
        policies: Option<&[AccessPolicy]>,
    ) -> io::Result<()> {
        let is_deletion = settings.deletion.is_some();
        let purpose = if is_deletion { Purpose::Removal } else { Purpose::Rows };
        self.durable.change(purpose, |view| {
            view.remove_prefix(ROWS, &prefix(REST, &[vault.as_str()]))?;
            for (at, chunk) in json(settings)?.chunks(CHUNK).enumerate() {
                let key = match at {
                    0 => row_key(VAULT, &[vault.as_str()]),
                    at => row_key(REST, &[vault.as_str(), &format!("{at:08}")]),
                };
                view.put(ROWS, key, chunk);
            }
            let Some(policies) = policies else { return Ok(()) };
            view.remove_prefix(ROWS, &prefix(POLICY, &[vault.as_str()]))?;
            for (order, policy) in policies.iter().enumerate() {
                view.put(ROWS, policy_key(vault, policy), json(&OrderedPolicy { order, policy })?);
            }
            Ok(())
        })
    }

    /// Removes a vault and every row that belongs to it, of any kind.
    pub(crate) fn remove_vault(&self, vault: &VaultName) -> io::Result<()> {
        self.durable.change(Purpose::Removal, |view| {
            for tree in [ROWS, PRIVATE] {
                for kind in 0..=u8::MAX {
                    view.remove(tree, row_key(kind, &[vault.as_str()]));
                    view.remove_prefix(tree, &prefix(kind, &[vault.as_str()]))?;
                }
            }
            Ok(())
        })
    }

    pub(super) fn load_vaults(&self, loaded: &mut Loaded) -> Result<(), StoreError> {
        let mut documents: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        self.each(VAULT, |parts, value| {
            let [vault] = named(parts)?;
            documents.insert(vault, value.to_vec());
            Ok(())
        })?;
        // Rows come in the order of their keys, and so do the parts of a document.
        self.each(REST, |parts, value| {
            let [vault, _at] = named(parts)?;
            existing(documents.get_mut(&vault))?.extend_from_slice(value);
            Ok(())
        })?;
        for (vault, document) in documents {
            let settings = parsed(&document)?;
            let rows = LoadedVault { settings, policies: Vec::new(), keys: BTreeMap::new() };
            loaded.vaults.insert(vault, rows);
        }
        let mut policies: BTreeMap<String, Vec<OrderedPolicy<AccessPolicy>>> = BTreeMap::new();
        self.each(POLICY, |parts, value| {
            let [vault, identity] = named(parts)?;
            let row = match parsed(value)? {
                PolicyRow::Old(keys) => {
                    let policy = AccessPolicy::from_old_row(&identity, keys);
                    OrderedPolicy { order: 0, policy }
                }
                PolicyRow::Current(row) => row,
            };
            policies.entry(vault).or_default().push(row);
            Ok(())
        })?;
        for (vault, mut rows) in policies {
            rows.sort_by_key(|row| row.order);
            let vault = existing(loaded.vaults.get_mut(&vault))?;
            vault.policies = rows.into_iter().map(|row| row.policy).collect();
        }
        Ok(())
    }
}

/// The row key of a policy. Older folders have only the object id; the optional parts follow it.
fn policy_key(vault: &VaultName, policy: &AccessPolicy) -> Vec<u8> {
    let mut identity = policy.object_id.clone();
    if let Some(application) = &policy.application_id {
        identity = format!("{identity}/{application}");
    }
    if !policy.tenant_id.eq_ignore_ascii_case(azure_emulator_core::identity::TENANT) {
        identity = format!("{identity}@{}", policy.tenant_id.to_ascii_lowercase());
    }
    row_key(POLICY, &[vault.as_str(), &identity])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::permission::KeyPermission;
    use crate::model::settings::{LOCAL_GROUP, LOCAL_SUBSCRIPTION};
    use azure_emulator_core::durable::{Durability, View};

    fn opened(folder: &std::path::Path) -> Store {
        let disk_space = std::sync::Arc::new(
            azure_emulator_core::disk_space::DiskSpace::without_reserve(folder),
        );
        Store::open(folder, Durability::Relaxed, disk_space).unwrap()
    }

    const OBJECT: &str = "00000000-0000-4000-8000-00000000a0a4";

    fn put(store: &Store, key: Vec<u8>, value: &[u8]) {
        let put = |view: &View<'_>| {
            view.put(ROWS, key, value);
            Ok(())
        };
        store.durable.change(Purpose::Rows, put).unwrap();
    }

    #[test]
    fn a_folder_from_before_vaults_were_managed_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(folder.path());
        let row = br#"{"location":"eastus","retention_days":90,"purge_protection":false}"#;
        put(&store, row_key(VAULT, &["local"]), &row[..]);
        let row = br#"["get","unwrapKey","getRotationPolicy"]"#;
        put(&store, row_key(POLICY, &["local", OBJECT]), &row[..]);

        let loaded = store.load().unwrap();

        let vault = &loaded.vaults["local"];
        assert!(vault.settings.is_in(LOCAL_SUBSCRIPTION, LOCAL_GROUP));
        assert!(!vault.settings.rbac && vault.settings.public_network_access);
        let policy = vault.policies.first().unwrap();
        assert!(policy.is_for(OBJECT, "any"));
        assert!(policy.allows(KeyPermission::UnwrapKey));
        assert!(policy.allows(KeyPermission::GetRotationPolicy));
        assert!(!policy.allows(KeyPermission::WrapKey));
    }

    #[test]
    fn a_vault_that_lost_rows_is_complete_after_its_next_start() {
        let folder = tempfile::tempdir().unwrap();
        drop(opened(folder.path()));
        fs_err::write(folder.path().join("journal/loss"), b"").unwrap();
        let store = opened(folder.path());
        let before = store.durable.are_complete();

        store.load().unwrap();

        assert!(!before && store.durable.are_complete());
    }

    #[test]
    fn every_row_of_a_large_vault_is_below_four_kibibytes_and_is_removed_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(folder.path());
        let name: VaultName = "kv1".parse().unwrap();
        let mut settings = VaultSettings::new(&crate::model::settings::VaultPath::local(&name));
        settings.tags = (0..50).map(|at| (format!("{at}"), "é".repeat(256))).collect();
        let policies: Vec<AccessPolicy> = (0..1024)
            .map(|at| {
                let id = format!("00000000-0000-4000-8000-{at:012}");
                AccessPolicy::new(&id, KeyPermission::ALL)
            })
            .collect();

        store.put_vault(&name, &settings, Some(&policies)).unwrap();
        let rows = || store.durable.scan_prefix(ROWS, b"").map(|row| row.unwrap().1.len());
        let longest = rows().max().unwrap();
        let loaded = store.load().unwrap();
        store.remove_vault(&name).unwrap();

        assert!(longest < 4096, "{longest}");
        let vault = &loaded.vaults["kv1"];
        assert_eq!(vault.settings.tags, settings.tags);
        assert_eq!(vault.policies, policies);
        assert_eq!(rows().count(), 0);
    }
}
