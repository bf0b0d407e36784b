//! The set of open registries: lookup, order, and notifications.
//!
//! Every module above looks registries up in it. `start.rs` opens it; the other files of this folder extend it. `local`
//! always exists and is always first; the others are sorted by name.
//!
//! Invariants:
//! - Each registry has its own content, ring, identities, key and state.
//! - A registry is stored as a whole or not at all: its row and its ring are written in one transaction.
//! - Creations, changes and deletions run one at a time, and run to their end even if the caller is gone.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use azure_emulator_core::clock::Clock;
use azure_emulator_core::disk_space::DiskSpace;
use time::OffsetDateTime;
use tokio::sync::watch;

use super::error::ManageError;
use crate::keys::IdentityId;
use crate::names::RegistryName;
use crate::registry::audit::AuditLog;
use crate::registry::error::Error;
use crate::registry::intents::Intents;
use crate::registry::parts::Registry;
use crate::registry::resources::{AssignedIdentity, Platform};
use crate::registry::settings::Settings;
use crate::store::Store;

/// The open registries. Clones share the set.
#[derive(Clone)]
pub struct Registries(Arc<Set>);

struct Set {
    common: Common,
    open: RwLock<Vec<Registry>>,
    /// Serializes changes of the set.
    changing: tokio::sync::Mutex<()>,
    /// Serializes the creation and deletion of identities.
    identities: tokio::sync::Mutex<()>,
    /// Increases whenever a registry is created, deleted or changed.
    changes: watch::Sender<u64>,
    /// Increases with each change in a vault.
    vault_changes: AtomicU64,
}

/// The state that all registries of a data folder share.
#[derive(Clone)]
pub(in crate::registry) struct Common {
    pub(in crate::registry) store: Arc<Store>,
    pub(in crate::registry) audit: Arc<AuditLog>,
    pub(in crate::registry) clock: Clock,
    pub(in crate::registry) settings: Settings,
    pub(in crate::registry) platform: Arc<dyn Platform>,
    pub(in crate::registry) intents: Intents,
}

impl Registries {
    /// A set without registries.
    pub(super) fn new(common: Common) -> Self {
        Self(Arc::new(Set {
            common,
            open: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            identities: tokio::sync::Mutex::default(),
            changes: watch::Sender::new(0),
            vault_changes: AtomicU64::new(0),
        }))
    }

    /// Stops the store's background work: the program is stopping.
    pub fn stop_soon(&self) {
        self.common().store.stop_soon();
    }

    /// Marks the stored rows as checked or not: for tests. Changes do not wait for the real check.
    #[cfg(feature = "internals")]
    pub fn pretend_proven(&self, proven: bool) {
        self.common().store.set_proof_timeout(std::time::Duration::ZERO);
        self.common().store.pretend_proven(proven);
    }

    /// The disk space of the data folder's device.
    pub fn disk_space(&self) -> &Arc<DiskSpace> {
        self.0.common.store.disk_space()
    }

    /// All registries, `local` first.
    pub fn all(&self) -> Vec<Registry> {
        self.0.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The registry of this name, in any letter case.
    pub fn get(&self, name: &str) -> Option<Registry> {
        let open = self.0.open.read().unwrap_or_else(PoisonError::into_inner);
        open.iter().find(|registry| registry.name().eq_ignore_ascii_case(name)).cloned()
    }

    /// Notifies of every registry that is created, deleted or changed. [`KeyRing::watch`](crate::keys::KeyRing::watch)
    /// reports the state of a key.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Notes a change in a vault. Returns the registries that it may affect; a registry that is being created checks
    /// afterwards.
    pub(crate) fn vault_changed(&self) -> Vec<Registry> {
        // This comes before the list is read: a registry that is not in the list yet reads the count later.
        self.0.vault_changes.fetch_add(1, Ordering::SeqCst);
        self.all()
    }

    pub(in crate::registry) fn platform(&self) -> &Arc<dyn Platform> {
        &self.0.common.platform
    }

    pub(in crate::registry) fn common(&self) -> &Common {
        &self.0.common
    }

    /// The operations that have begun and not ended.
    pub fn intents(&self) -> &Intents {
        &self.common().intents
    }

    pub(super) async fn lock(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.changing.lock().await
    }

    pub(super) async fn lock_identities(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.identities.lock().await
    }

    pub(super) fn open_one(&self, name: &RegistryName) -> Result<Registry, ManageError> {
        self.get(name.as_str()).ok_or_else(|| ManageError::NoRegistry(name.clone()))
    }

    pub(super) fn notify(&self) {
        self.0.changes.send_modify(|count| *count += 1);
    }

    /// How often a vault changed.
    pub(super) fn vault_changes(&self) -> u64 {
        self.0.vault_changes.load(Ordering::SeqCst)
    }

    /// The identity in the form of a ring. The start identity may have another client id at the next start, so it has
    /// no name there.
    pub(super) fn identity_id(&self, identity: &AssignedIdentity) -> Option<IdentityId> {
        let start = self.platform().start_identity();
        (identity.resource != start.resource)
            .then(|| identity.principal.client_id.parse().ok())
            .flatten()
    }

    /// Why a registry cannot be opened, as an error for the caller who wanted to create it.
    pub(super) fn opening_error(
        &self,
        error: Error,
        name: &RegistryName,
        identity: &str,
    ) -> ManageError {
        match error {
            Error::Ring(error) => {
                let platform = self.platform();
                ManageError::from_ring_error(error, name, identity, |key| {
                    platform.key_identifier(key)
                })
            }
            other => other.into(),
        }
    }

    /// The current time in whole seconds, as in rows.
    pub(super) fn now(&self) -> OffsetDateTime {
        let now = self.common().clock.now();
        now.replace_nanosecond(0).unwrap_or(now)
    }

    /// Adds an open registry to the set.
    pub(super) fn insert(&self, registry: Registry) {
        self.write(|open| {
            open.push(registry);
            open.sort_by_key(|registry| {
                let name = registry.registry_name();
                (!name.is_local(), name.clone())
            });
        });
    }

    pub(super) fn write(&self, change: impl FnOnce(&mut Vec<Registry>)) {
        change(&mut self.0.open.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Runs work to its end, even if the caller is gone.
pub(super) async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = Result<T, ManageError>> + Send + 'static,
) -> Result<T, ManageError> {
    tokio::spawn(work).await.map_err(Error::from)?
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}
