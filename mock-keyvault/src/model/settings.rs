//! The settings of a vault itself: its path, its protection, and its network rules.
//!
//! [`crate::store`] stores them as one document in rows below 4 KiB. A field that older folders do not have has a default, so that
//! they open. No setting holds a host or a port.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

use super::key::Deletion;
use super::names::VaultName;
use super::network::NetworkRules;
use azure_emulator_core::authorization::Scope;

/// The subscription of all local resources.
pub const LOCAL_SUBSCRIPTION: Uuid = uuid!("00000000-0000-4000-8000-00000000a002");
/// The resource group of the vault called `local`.
pub const LOCAL_GROUP: &str = "sealyard";

/// The current meaning of the settings: the price class has an effect.
const REVISION: u8 = 1;
/// The default location of a vault.
const DEFAULT_LOCATION: &str = "eastus";
/// How many days a deleted key or vault can be recovered by default. Azure's default.
const DEFAULT_RETENTION_DAYS: u16 = 90;

/// The price class, which decides whether hardware keys may be created. Hardware keys are software here as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Sku {
    /// Keys in software.
    #[default]
    Standard,
    /// Keys in hardware as well.
    Premium,
}

/// The path of a vault among the resources of a subscription.
#[derive(Clone, Debug)]
pub struct VaultPath {
    /// The subscription.
    pub subscription: Uuid,
    /// The resource group, as the client wrote it.
    pub group: String,
    /// The vault.
    pub name: VaultName,
    /// The vault's name, as the client wrote it.
    pub spelling: String,
}

/// The settings of a vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VaultSettings {
    #[serde(default = "local_subscription")]
    pub(crate) subscription: Uuid,
    #[serde(default = "local_group")]
    pub(crate) group: String,
    /// The name as it was first written, if it was not in lower case.
    #[serde(default)]
    pub(crate) spelling: Option<String>,
    pub(crate) location: String,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) sku: Sku,
    /// The revision of the meaning. 0 is that of older folders, where the price class had no effect.
    #[serde(default)]
    pub(crate) revision: u8,
    pub(crate) retention_days: u16,
    pub(crate) purge_protection: bool,
    /// Whether roles decide about access, and access policies do not.
    #[serde(default)]
    pub(crate) rbac: bool,
    /// `None` as long as no client has set any: then every client is admitted.
    #[serde(default)]
    pub(crate) network: Option<NetworkRules>,
    #[serde(default = "yes")]
    pub(crate) public_network_access: bool,
    #[serde(default)]
    pub(crate) enabled_for_deployment: Option<bool>,
    #[serde(default)]
    pub(crate) enabled_for_disk_encryption: Option<bool>,
    #[serde(default)]
    pub(crate) enabled_for_template_deployment: Option<bool>,
    /// In seconds since 1970; `None` for a vault of an older folder.
    #[serde(default)]
    pub(crate) created: Option<i64>,
    /// By object id.
    #[serde(default)]
    pub(crate) created_by: Option<String>,
    #[serde(default)]
    pub(crate) modified: Option<i64>,
    #[serde(default)]
    pub(crate) modified_by: Option<String>,
    /// Set while the vault is deleted and can be recovered.
    #[serde(default)]
    pub(crate) deletion: Option<Deletion>,
}

impl Sku {
    /// The default price class of a vault with this name.
    fn default_for(name: &VaultName) -> Self {
        if name.as_str() == VaultName::LOCAL { Self::Premium } else { Self::Standard }
    }

    /// Azure's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Premium => "premium",
        }
    }
}

impl VaultPath {
    /// The path of a vault with this name in the local resource group.
    pub fn local(name: &VaultName) -> Self {
        Self {
            subscription: LOCAL_SUBSCRIPTION,
            group: LOCAL_GROUP.to_owned(),
            name: name.clone(),
            spelling: name.to_string(),
        }
    }
}

impl fmt::Display for VaultPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subscription, group, spelling, .. } = self;
        write!(
            f,
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{spelling}"
        )
    }
}

impl VaultSettings {
    /// A vault at this path with Azure's defaults; the vault `local` is premium, so that it supports every type of key.
    pub(crate) fn new(path: &VaultPath) -> Self {
        Self {
            subscription: path.subscription,
            group: path.group.clone(),
            spelling: (path.spelling != path.name.as_str()).then(|| path.spelling.clone()),
            location: DEFAULT_LOCATION.to_owned(),
            tags: BTreeMap::new(),
            sku: Sku::default_for(&path.name),
            revision: REVISION,
            retention_days: DEFAULT_RETENTION_DAYS,
            purge_protection: false,
            rbac: false,
            network: None,
            public_network_access: true,
            enabled_for_deployment: None,
            enabled_for_disk_encryption: None,
            enabled_for_template_deployment: None,
            created: None,
            created_by: None,
            modified: None,
            modified_by: None,
            deletion: None,
        }
    }

    /// Converts the settings of a vault with this name to the current revision.
    pub(crate) fn brought_up(mut self, name: &VaultName) -> Self {
        if self.revision == 0 {
            self.sku = self.sku.max(Sku::default_for(name));
            self.revision = REVISION;
        }
        self
    }

    /// The path of the vault with this name.
    pub(crate) fn path(&self, name: &VaultName) -> VaultPath {
        VaultPath {
            subscription: self.subscription,
            group: self.group.clone(),
            name: name.clone(),
            spelling: self.spelling.clone().unwrap_or_else(|| name.to_string()),
        }
    }

    /// Whether the vault belongs to this subscription and resource group.
    pub(crate) fn is_in(&self, subscription: Uuid, group: &str) -> bool {
        self.subscription == subscription && self.group.eq_ignore_ascii_case(group)
    }

    /// The scope of roles on the vault, or on a key in it.
    pub(crate) fn scope(&self, name: &VaultName, key: Option<&str>) -> Option<Scope> {
        let path = self.path(name);
        match key {
            // The name of a group was a segment of a parsed path.
            None => path.to_string().parse().ok(),
            Some(key) => format!("{path}/keys/{key}").parse().ok(),
        }
    }
}

fn local_subscription() -> Uuid {
    LOCAL_SUBSCRIPTION
}

fn local_group() -> String {
    LOCAL_GROUP.to_owned()
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_of_an_older_version_make_local_premium_and_keep_a_chosen_class() {
        let opened = |name: &str, sku: &str, revision: Option<u8>| {
            let mut row = json!({
                "location": "eastus", "sku": sku, "retention_days": 90, "purge_protection": false,
            });
            if let Some(revision) = revision {
                row["revision"] = json!(revision);
            }
            let settings: VaultSettings = serde_json::from_value(row).unwrap();
            settings.brought_up(&name.parse().unwrap()).sku
        };

        assert_eq!(opened("local", "standard", None), Sku::Premium);
        assert_eq!(opened("kv1", "standard", None), Sku::Standard);
        assert_eq!(opened("kv1", "premium", None), Sku::Premium);
        assert_eq!(opened("local", "standard", Some(REVISION)), Sku::Standard);
        assert_eq!(VaultSettings::new(&VaultPath::local(&VaultName::local())).sku, Sku::Premium);
    }
}
