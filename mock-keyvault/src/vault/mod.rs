//! The vaults of one data folder: their keys, access to them, and deleted keys and vaults.
//!
//! Called by the routes and by the fixture's handle. The methods block (RSA, disk): callers on async threads use
//! `spawn_blocking`. Invariant: the result of a method is on disk before the method returns it, and a change is on disk before
//! memory shows it. One lock serializes all changes; readers never wait for the disk.
//!
//! This folder does not know HTTP, hosts or tokens.

pub mod algorithm;
pub mod ec;
pub mod error;
pub mod key;
pub mod lifecycle;
pub mod names;
pub mod network;
pub mod policy;
pub mod rsa;
pub mod settings;

mod access;
mod agenda;
mod backup;
mod crypto;
mod import;
mod manage;
mod material;
mod rotation;
mod soft_delete;
mod view;

#[cfg(test)]
mod races;
#[cfg(test)]
mod vectors;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::store::{AUTHORIZATION, LoadedVault, PublicRow, Store, StoreError, VersionRow};
use azure_emulator_core::authorization::{Authorization, Scope};
use azure_emulator_core::changes::{ChangeKind, Changes, Telling};
use azure_emulator_core::clock::Clock;
use azure_emulator_core::durable::{Check, Listener};
use azure_emulator_core::events::{EventKind, EventLog, KeyEvent};
use azure_emulator_core::identity::PrincipalKind;
use azure_emulator_core::room::Room;
use azure_emulator_core::sealing::SealingKey;

use ec::EcPublic;
use error::VaultError;
use key::{Key, PrivateSlot, Version};
use names::{KeyName, KeyVersion, VaultName};
use policy::{AccessPolicy, KeyPermission};
use rsa::RsaPublic;
use settings::{LOCAL_SUBSCRIPTION, VaultPath, VaultSettings};

pub(crate) use access::Granted;
pub(crate) use agenda::Agenda;
pub(crate) use crypto::Purpose;
pub(crate) use import::KeyParts;
pub(crate) use manage::{KeyChanges, NewKey, NewVersion};
pub(crate) use material::{KeyShape, PublicKey};
pub(crate) use rotation::{PolicyTerms, PolicyView, Trigger};
pub(crate) use rsa::RsaParts;
pub(crate) use view::{KeyView, Page, PageRequest};

/// The caller, in the form in which refusals name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The client id of the application.
    pub app_id: String,
    /// The object id of its service principal, which access policies refer to.
    pub object_id: String,
    /// The issuer of the token.
    pub issuer: String,
    /// The kind of principal: a managed identity may be a trusted service.
    pub kind: PrincipalKind,
}

/// A key or a version of it, in the form in which refusals name it: `name` or `name/version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReference {
    /// The key.
    pub name: KeyName,
    /// The version; `None` means the newest.
    pub version: Option<KeyVersion>,
}

impl fmt::Display for KeyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            None => write!(f, "{}", self.name),
            Some(version) => write!(f, "{}/{version}", self.name),
        }
    }
}

/// The vaults of one data folder.
pub(crate) struct Vaults {
    store: Store,
    sealing: Arc<SealingKey>,
    clock: Clock,
    /// The role assignments, for vaults of the role-based model and for administrators of vaults.
    authorization: Arc<Authorization>,
    /// All vaults, including deleted ones until they are purged.
    vaults: RwLock<BTreeMap<VaultName, Vault>>,
    /// Held during each change, from the check until memory shows the change.
    changing: Mutex<()>,
    events: EventLog,
    /// Held while scheduled actions are performed, so that two callers do not mix up the order.
    keeping_time: Mutex<()>,
    /// Notified when something may be due earlier than before.
    agenda_changed: Notify,
    /// Reports every change of `vaults`.
    changes: Changes,
}

/// One vault in memory.
#[derive(Debug)]
struct Vault {
    settings: VaultSettings,
    policies: Vec<AccessPolicy>,
    /// By the name in upper case, which is the order of Azure's lists.
    keys: BTreeMap<String, Key>,
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
            keeping_time: Mutex::new(()),
            agenda_changed: Notify::new(),
            changes: changes.clone(),
        };
        opened.forget_roles_of_deleted()?;
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
    pub(crate) fn room(&self) -> &Arc<Room> {
        self.store.durable().room()
    }

    /// Reads and compares all files that store the rows. Damage in the journal is repaired from the index if the index is intact.
    pub(crate) fn check_rows(&self) -> io::Result<Check> {
        self.store.durable().check(&mut |_| ())
    }

    /// The events of keys.
    pub(crate) fn events(&self) -> &EventLog {
        &self.events
    }

    /// Returns when something may be due earlier than before, or at once if that happened since the last call.
    pub(crate) async fn agenda_changed(&self) {
        self.agenda_changed.notified().await;
    }

    /// Records an event of a version with its time. Blocks.
    fn announce(&self, kind: EventKind, view: &KeyView, at: i64) {
        let version = &view.version;
        let at = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let named = (view.vault.as_str(), view.name.as_str(), version.id.as_str());
        let validity = (version.attributes.not_before, version.attributes.expires);
        self.events.record(KeyEvent::new(kind, at, named, validity));
    }

    fn with_vault<T>(
        &self,
        name: &VaultName,
        see: impl FnOnce(&Vault) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let vaults = self.read();
        let live = vaults.get(name).filter(|vault| vault.settings.deletion.is_none());
        see(live.ok_or_else(|| VaultError::VaultNotFound(name.clone()))?)
    }

    /// Changes a vault in memory, after the change is on disk.
    fn with_vault_mut<T>(
        &self,
        name: &VaultName,
        change: impl FnOnce(&mut Vault) -> T,
    ) -> Result<T, VaultError> {
        let mut vaults = self.write(name);
        let vault = vaults.get_mut(name).ok_or_else(|| VaultError::VaultNotFound(name.clone()))?;
        Ok(change(vault))
    }

    // No code panics while it holds one of these locks; the guarded data is consistent even if they are poisoned.

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<VaultName, Vault>> {
        self.vaults.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives write access to the vaults in memory, and reports the change. No other method gives write access.
    fn write(&self, vault: &VaultName) -> Telling<'_, BTreeMap<VaultName, Vault>> {
        let guard = self.vaults.write().unwrap_or_else(PoisonError::into_inner);
        self.changes.telling(guard, ChangeKind::Vault, Some(vault.as_str()))
    }
}

impl fmt::Debug for Vaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vaults").finish_non_exhaustive()
    }
}

impl Vault {
    fn from_rows(vault: &VaultName, rows: LoadedVault) -> Result<Self, StoreError> {
        let mut keys = BTreeMap::new();
        for (folded, loaded) in rows.keys {
            let mut versions = Vec::with_capacity(loaded.versions.len());
            for (id, row, tags) in loaded.versions {
                versions.push(Arc::new(version_of(&id, row, tags)?));
            }
            versions.sort_by_key(|version| version.sequence);
            let name = loaded.row.name.parse().map_err(damaged)?;
            let (deletion, agenda) = (loaded.row.deletion, loaded.agenda);
            keys.insert(folded, Key { name, versions, deletion, agenda });
        }
        let settings = rows.settings.brought_up(vault);
        Ok(Self { settings, policies: rows.policies, keys })
    }

    /// A key that is not deleted.
    fn live(&self, name: &KeyName) -> Option<&Key> {
        self.keys.get(name.folded()).filter(|key| key.deletion.is_none())
    }
}

/// Creates the row of a version.
fn row_of(version: &Version) -> VersionRow {
    VersionRow {
        sequence: version.sequence,
        kty: version.kty,
        public: match &version.public {
            PublicKey::Rsa(public) => PublicRow::Rsa {
                modulus: URL_SAFE_NO_PAD.encode(&public.modulus),
                exponent: URL_SAFE_NO_PAD.encode(&public.exponent),
            },
            PublicKey::Ec(public) => PublicRow::Ec {
                curve: public.curve,
                x: URL_SAFE_NO_PAD.encode(&public.x),
                y: URL_SAFE_NO_PAD.encode(&public.y),
            },
        },
        operations: version.operations.clone(),
        attributes: version.attributes.clone(),
    }
}

/// Reads the version in a row.
fn version_of(
    id: &str,
    row: VersionRow,
    tags: BTreeMap<String, String>,
) -> Result<Version, StoreError> {
    Ok(Version {
        id: id.parse().map_err(damaged)?,
        sequence: row.sequence,
        kty: row.kty,
        public: public_of(&row.public)?,
        operations: row.operations,
        attributes: row.attributes,
        tags,
        private: Arc::new(PrivateSlot::default()),
    })
}

/// Reads the public part in a row.
fn public_of(row: &PublicRow) -> Result<PublicKey, StoreError> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(damaged);
    Ok(match row {
        PublicRow::Rsa { modulus, exponent } => {
            PublicKey::Rsa(RsaPublic { modulus: decode(modulus)?, exponent: decode(exponent)? })
        }
        PublicRow::Ec { curve, x, y } => {
            PublicKey::Ec(EcPublic { curve: *curve, x: decode(x)?, y: decode(y)? })
        }
    })
}

fn damaged(error: impl fmt::Display) -> StoreError {
    StoreError::Damaged(error.to_string())
}
