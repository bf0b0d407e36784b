//! The vaults of one data folder, and the lock that serializes all changes.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::Notify;

use super::rows::damaged;
use super::state::Vault;
use crate::model::error::VaultError;
use crate::model::names::VaultName;
use crate::model::permission::KeyPermission;
use crate::model::policy::AccessPolicy;
use crate::model::settings::{LOCAL_SUBSCRIPTION, VaultPath, VaultSettings};
use crate::store::{AUTHORIZATION, Store, StoreError};
use azure_emulator_core::authorization::{Authorization, Scope};
use azure_emulator_core::changes::{ChangeKind, Changes, NotifyingGuard};
use azure_emulator_core::clock::Clock;
use azure_emulator_core::disk_space::DiskSpace;
use azure_emulator_core::durable::{Check, Listener};
use azure_emulator_core::events::EventLog;
use azure_emulator_core::sealing::SealingKey;

/// The vaults of one data folder.
pub(crate) struct Vaults {
    pub(super) store: Store,
    pub(super) sealing: Arc<SealingKey>,
    pub(super) clock: Clock,
    /// The role assignments, for vaults of the role-based model and for administrators of vaults.
    pub(super) authorization: Arc<Authorization>,
    /// All vaults, including deleted ones until they are purged.
    vaults: RwLock<BTreeMap<VaultName, Vault>>,
    /// Held during each change, from the check until memory shows the change.
    changing: Mutex<()>,
    pub(super) events: EventLog,
    /// Held while scheduled actions are performed, so that two callers do not mix up the order.
    pub(super) running_due: Mutex<()>,
    /// Notified when something may be due earlier than before.
    pub(super) schedule_changed: Notify,
    /// Reports every change of `vaults`.
    changes: Changes,
}

impl Vaults {
    /// Notices about the stored rows since the start, as sentences for people.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.store.durable().notices().iter().map(ToString::to_string).collect()
    }

    /// Registers a listener for notices: it gets the existing ones at once, and later ones as they come.
    pub(crate) fn listen_to_notices(&self, listener: Listener) {
        self.store.durable().listen(listener);
    }

    /// Reads the vaults in a store. At the first start, `owner` gets the role of owner of their subscription.
    pub(crate) fn open(
        store: Store,
        sealing: Arc<SealingKey>,
        clock: &Clock,
        events: EventLog,
        owner: &str,
        changes: &Changes,
    ) -> Result<Self, StoreError> {
        let subscription = Scope::subscription(LOCAL_SUBSCRIPTION);
        let rows = store.durable();
        let authorization =
            Authorization::open(rows, AUTHORIZATION, clock, owner, &subscription, changes)?;
        let mut vaults = BTreeMap::new();
        for (name, rows) in store.load()?.vaults {
            let name = name.parse::<VaultName>().map_err(damaged)?;
            let vault = Vault::from_rows(&name, rows)?;
            vaults.insert(name, vault);
        }
        let opened = Self {
            store,
            sealing,
            clock: clock.clone(),
            authorization: Arc::new(authorization),
            vaults: RwLock::new(vaults),
            changing: Mutex::new(()),
            events,
            running_due: Mutex::new(()),
            schedule_changed: Notify::new(),
            changes: changes.clone(),
        };
        opened.remove_roles_of_deleted_vaults()?;
        Ok(opened)
    }

    /// The role assignments.
    pub(crate) fn authorization(&self) -> &Arc<Authorization> {
        &self.authorization
    }

    /// Creates a vault with these access policies, unless a vault or a deleted vault has this name.
    pub(crate) fn ensure_vault(
        &self,
        name: &VaultName,
        policies: &[(&str, &[KeyPermission])],
    ) -> io::Result<()> {
        let _changing = self.change();
        if self.read().contains_key(name) {
            return Ok(());
        }
        let settings = VaultSettings::new(&VaultPath::local(name));
        let policies: Vec<AccessPolicy> = policies
            .iter()
            .map(|(object_id, permissions)| AccessPolicy::new(object_id, permissions))
            .collect();
        self.store.put_vault(name, &settings, Some(&policies))?;
        let vault = Vault { settings, policies, keys: BTreeMap::new() };
        self.write(name).insert(name.clone(), vault);
        Ok(())
    }

    /// Whether a vault has this name and is not deleted.
    pub(crate) fn contains(&self, name: &VaultName) -> bool {
        self.read().get(name).is_some_and(|vault| vault.settings.deletion.is_none())
    }

    /// The free space on the device of the data folder.
    pub(crate) fn disk_space(&self) -> &Arc<DiskSpace> {
        self.store.durable().disk_space()
    }

    /// Reads and compares all files that store the rows. Damage in the journal is repaired from the index if the index is intact.
    pub(crate) fn check_rows(&self) -> io::Result<Check> {
        self.store.durable().check(&mut |_| ())
    }

    /// Returns when something may be due earlier than before, or at once if that happened since the last call.
    pub(crate) async fn schedule_changed(&self) {
        self.schedule_changed.notified().await;
    }

    pub(super) fn with_vault<T>(
        &self,
        name: &VaultName,
        see: impl FnOnce(&Vault) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let vaults = self.read();
        let live = vaults.get(name).filter(|vault| vault.settings.deletion.is_none());
        see(live.ok_or_else(|| VaultError::VaultNotFound(name.clone()))?)
    }

    /// Changes a vault in memory, after the change is on disk.
    pub(super) fn with_vault_mut<T>(
        &self,
        name: &VaultName,
        change: impl FnOnce(&mut Vault) -> T,
    ) -> Result<T, VaultError> {
        let mut vaults = self.write(name);
        let vault = vaults.get_mut(name).ok_or_else(|| VaultError::VaultNotFound(name.clone()))?;
        Ok(change(vault))
    }

    // No code panics while it holds one of these locks; the guarded data is consistent even if they are poisoned.

    pub(super) fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, BTreeMap<VaultName, Vault>> {
        self.vaults.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives write access to the vaults in memory, and reports the change. No other method gives write access.
    pub(super) fn write(
        &self,
        vault: &VaultName,
    ) -> NotifyingGuard<'_, BTreeMap<VaultName, Vault>> {
        let guard = self.vaults.write().unwrap_or_else(PoisonError::into_inner);
        self.changes.notifying(guard, ChangeKind::Vault, Some(vault.as_str()))
    }
}

impl fmt::Debug for Vaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vaults").finish_non_exhaustive()
    }
}
