//! The vaults of one data folder: their keys, who may use them, and what becomes of deleted ones.
//!
//! Called by the routes and by the fixture's handle. The methods block (RSA, disk): callers on async threads use
//! `spawn_blocking`. Invariant: what a method returned is on disk, and what memory shows was on disk before.
//! Changes are made one at a time under one lock; readers never wait for the disk.
//!
//! This folder knows nothing of HTTP, of hosts and of tokens.

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

/// Who asks, as refusals name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The client id of the application.
    pub app_id: String,
    /// The object id of its service principal: what access policies go by.
    pub object_id: String,
    /// Who issued the token.
    pub issuer: String,
    /// What kind of principal it is: a managed identity may be a trusted service.
    pub kind: PrincipalKind,
}

/// A key or a version of it, as refusals name it: `name` or `name/version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReference {
    /// The key.
    pub name: KeyName,
    /// The version; none means the newest.
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
    /// Who may do what, for vaults of the role-based model and for those who manage vaults.
    authorization: Arc<Authorization>,
    /// Deleted ones as well, as long as they can be recovered.
    vaults: RwLock<BTreeMap<VaultName, Vault>>,
    /// Held over each change, from the check to the moment memory shows it.
    changing: Mutex<()>,
    events: EventLog,
    /// Held while what is due is done, so that two who do it do not mix up the order.
    keeping_time: Mutex<()>,
    /// Told when something may be due earlier than it was.
    agenda_changed: Notify,
    /// Told of every change of `vaults`.
    changes: Changes,
}

/// One vault in memory.
#[derive(Debug)]
struct Vault {
    settings: VaultSettings,
    policies: Vec<AccessPolicy>,
    /// By the name in upper case: the order in which Azure lists.
    keys: BTreeMap<String, Key>,
}

impl Vaults {
    /// What people should know about the stored rows since the start, in sentences.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.store.durable().notices().iter().map(ToString::to_string).collect()
    }

    /// Tells a listener of all notices: those so far at once, and each one to come.
    pub(crate) fn listen_to_notices(&self, listener: Listener) {
        self.store.durable().listen(listener);
    }

    /// Reads the vaults in a store. At the first start, `owner` owns the subscription that they are in.
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

    /// Who may do what.
    pub(crate) fn authorization(&self) -> &Arc<Authorization> {
        &self.authorization
    }

    /// Makes a vault with these access policies, unless there is one of this name or a deleted one.
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

    /// Whether there is a vault of this name that is not deleted.
    pub(crate) fn contains(&self, name: &VaultName) -> bool {
        self.read().get(name).is_some_and(|vault| vault.settings.deletion.is_none())
    }

    /// The device that everything is kept on.
    pub(crate) fn room(&self) -> &Arc<Room> {
        self.store.durable().room()
    }

    /// Reads everything that the rows are stored in, and compares it. Damage of the journal is repaired from the index if that
    /// is right.
    pub(crate) fn check_rows(&self) -> io::Result<Check> {
        self.store.durable().check(&mut |_| ())
    }

    /// What became of keys.
    pub(crate) fn events(&self) -> &EventLog {
        &self.events
    }

    /// Returns when something may be due earlier than it was, or at once if it was since the last call.
    pub(crate) async fn agenda_changed(&self) {
        self.agenda_changed.notified().await;
    }

    /// Takes down what became of a version at a moment. Blocks.
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

    // Nothing panics while one of these locks is held; what they guard is whole even if they are poisoned.

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<VaultName, Vault>> {
        self.vaults.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The only way to change what is in memory: whoever listens is told.
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

/// The row of a version.
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

/// The version that rows hold.
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

/// The public part that a row holds.
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
