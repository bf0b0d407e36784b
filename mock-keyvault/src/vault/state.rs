//! One vault in memory.

use std::collections::BTreeMap;

use crate::model::names::KeyName;
use crate::model::policy::AccessPolicy;
use crate::model::settings::VaultSettings;
use crate::model::version::Key;

/// One vault in memory.
#[derive(Debug)]
pub(super) struct Vault {
    pub(super) settings: VaultSettings,
    pub(super) policies: Vec<AccessPolicy>,
    /// By the name in upper case, which is the order of Azure's lists.
    pub(super) keys: BTreeMap<String, Key>,
}

impl Vault {
    /// A key that is not deleted.
    pub(super) fn live(&self, name: &KeyName) -> Option<&Key> {
        self.keys.get(name.folded()).filter(|key| key.deletion.is_none())
    }
}
