//! The set of open registries: lookup, order, creation, deletion, and notifications.
//!
//! `serve.rs` opens it, and every module above looks registries up in it. `local` always exists and is always first;
//! the others are sorted by name.
//!
//! Invariants:
//! - Each registry has its own content, ring, identities, key and state.
//! - A registry is stored as a whole or not at all: its row and its ring are written in one transaction.
//! - Creations, changes and deletions run one at a time, and run to their end even if the caller is gone.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::disk_space::DiskSpace;
use time::OffsetDateTime;
use tokio::sync::watch;
use uuid::Uuid;

use super::blocking::blocking;
use super::content::sweep_after_start;
use super::creation::NewRegistry;
use super::deletion::OF_REGISTRY;
use super::intents::{Intent, Intents};
use super::manage_error::{ManageError, Warning};
use super::names::RegistryName;
use super::opening::Opening;
use super::resources::{AssignedIdentity, Identity, Location, Platform, Profile, Tags};
use super::{Error, Registry, Settings, audit};
use crate::keys::IdentityId;
use crate::store::{End, Store};

/// How long a change waits for the check of the stored rows once the registries are open. Clients then retry.
const PROOF_LIMIT: Duration = Duration::from_secs(5);

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
pub(super) struct Common {
    pub(super) store: Arc<Store>,
    pub(super) audit: Arc<audit::AuditLog>,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) platform: Arc<dyn Platform>,
    pub(super) intents: Intents,
}

impl Registries {
    /// Opens all registries of a data folder. If `local` does not exist, it is created from the last argument.
    ///
    /// A registry whose vault does not answer opens dark. A registry that cannot be opened is logged and skipped,
    /// unless it is `local`; its name stays taken.
    pub async fn open(
        store: Arc<Store>,
        platform: Arc<dyn Platform>,
        settings: Settings,
        intents: Intents,
        local: NewRegistry,
    ) -> Result<Self, ManageError> {
        let audit = Arc::new(audit::AuditLog::open(&store)?);
        let clock = intents.clock().clone();
        let (events, time) = (settings.events.clone(), clock.clone());
        let tell = move |notice: &_| events.noticed(time.now(), "registry", notice);
        store.listen_to_notices(Box::new(tell));
        let common = Common { store, audit, clock, settings, platform, intents };
        let registries = Self(Arc::new(Set {
            common,
            open: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            identities: tokio::sync::Mutex::default(),
            changes: watch::Sender::new(0),
            vault_changes: AtomicU64::new(0),
        }));
        registries.note_start_identity().await?;
        let store = Arc::clone(&registries.0.common.store);
        let records = blocking(move || store.registries()).await?;
        let mut has_local = false;
        for record in records {
            let (name, profile) = match Profile::of_record(record) {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%error, "cannot read the row of a registry; skipping it");
                    continue;
                }
            };
            has_local |= name.is_local();
            match Registry::open(Opening::stored(&registries.0.common, name.clone(), profile)).await
            {
                Ok(registry) => registries.insert(registry),
                Err(error) if name.is_local() => return Err(error.into()),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(registry.name = %name, error, "cannot open a registry; skipping it");
                }
            }
        }
        if !has_local {
            registries.make_local(local).await?;
        }
        registries.ensure_groups().await?;
        registries.adopt_leaving().await?;
        let store = Arc::clone(&registries.0.common.store);
        store.set_proof_timeout(PROOF_LIMIT);
        tokio::spawn(sweep_after_start(store));
        Ok(registries)
    }

    /// Stops the store's background work: the program is stopping.
    pub fn stop_soon(&self) {
        self.common().store.stop_soon();
    }

    /// Marks the stored rows as checked or not: for tests. Changes do not wait for the real check.
    pub fn pretend_proven(&self, proven: bool) {
        self.common().store.set_proof_timeout(Duration::ZERO);
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

    /// Creates a registry, or nothing. Continues if the caller is dropped.
    pub async fn create(&self, new: NewRegistry) -> Result<(Registry, Vec<Warning>), ManageError> {
        self.intents().refuse_in_reset()?;
        let this = self.clone();
        to_the_end(async move { this.create_now(new, None).await }).await
    }

    pub(super) async fn create_now(
        &self,
        new: NewRegistry,
        mut intent: Option<Intent>,
    ) -> Result<(Registry, Vec<Warning>), ManageError> {
        let _alone = self.0.changing.lock().await;
        match self.make(new, &mut intent).await {
            Ok(made) => {
                if let Some(intent) = intent {
                    intent.ended().await;
                }
                Ok(made)
            }
            Err(error) => {
                if let Some(intent) = intent {
                    self.undo_creation(intent).await;
                }
                Err(error)
            }
        }
    }

    /// Creates a registry. `intent` ends with the transaction that stores it.
    async fn make(
        &self,
        new: NewRegistry,
        intent: &mut Option<Intent>,
    ) -> Result<(Registry, Vec<Warning>), ManageError> {
        new.check()?;
        self.check_name(&new.name).await?;
        let (store, name) = (Arc::clone(&self.common().store), new.name.clone());
        if !blocking(move || store.is_leaving(name.as_str())).await? {
            // Waiting operations were for an earlier registry of this name.
            self.intents().replace(&OF_REGISTRY, new.name.as_str()).await?;
        }
        let mut profile = self.profile_of(&new).await?;
        let warnings = match &new.encryption {
            Some(encryption) => {
                let strict = new.strict || self.common().settings.strict_parity;
                self.check_vault(encryption.key.vault(), strict).await?
            }
            None => Vec::new(),
        };
        let (asker, identity) = self.asker_of(&new, &profile)?;
        if new.system_identity {
            if intent.is_none() {
                *intent = Some(self.begin_creation(&new).await?);
            }
            profile.system_identity = Some(self.make_system_identity(&new.group, &new.name).await?);
        }
        if let Some(intent) = intent {
            intent.passed().await?;
        }
        let vault_changes = self.vault_changes();
        let opening = Opening {
            asker,
            is_new: true,
            access: new.access,
            end: intent.as_ref().map(Intent::end_with).unwrap_or_default(),
            ..Opening::stored(self.common(), new.name.clone(), profile)
        };
        let opened = Registry::open(opening).await;
        let registry = opened.map_err(|error| self.why_not(error, &new.name, &identity))?;
        self.insert(registry.clone());
        if self.vault_changes() != vault_changes {
            registry.key_ring().suspect();
        }
        self.tell();
        self.ensure_group(&new.group, &new.location).await?;
        tracing::info!(registry.name = %new.name, "made a registry");
        Ok((registry, warnings))
    }

    pub(super) fn platform(&self) -> &Arc<dyn Platform> {
        &self.0.common.platform
    }

    pub(super) fn common(&self) -> &Common {
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

    pub(super) fn tell(&self) {
        self.0.changes.send_modify(|count| *count += 1);
    }

    fn vault_changes(&self) -> u64 {
        self.0.vault_changes.load(Ordering::SeqCst)
    }

    /// Whether a name is free.
    pub(super) async fn check_name(&self, name: &RegistryName) -> Result<(), ManageError> {
        let (store, row) = (Arc::clone(&self.common().store), name.clone());
        let is_taken = blocking(move || store.registry(row.as_str())).await?.is_some();
        if is_taken { Err(ManageError::NameTaken(name.clone())) } else { Ok(()) }
    }

    /// The identity in the form of a ring. The start identity may have another client id at the next start, so it has
    /// no name there.
    pub(super) fn identity_id(&self, identity: &AssignedIdentity) -> Option<IdentityId> {
        let start = self.platform().start_identity();
        (identity.resource != start.resource)
            .then(|| identity.principal.client_id.parse().ok())
            .flatten()
    }

    /// The identity for the key of a new registry, as its ring names it and as people do.
    fn asker_of(
        &self,
        new: &NewRegistry,
        profile: &Profile,
    ) -> Result<(Option<IdentityId>, String), ManageError> {
        let asker = new.asker(profile)?;
        let client_id = asker.map(|asker| asker.principal.client_id.clone());
        Ok((asker.and_then(|asker| self.identity_id(asker)), client_id.unwrap_or_default()))
    }

    /// Why a registry cannot be opened, as an error for the caller who wanted to create it.
    pub(super) fn why_not(&self, error: Error, name: &RegistryName, identity: &str) -> ManageError {
        match error {
            Error::Ring(error) => {
                let platform = self.platform();
                ManageError::of_ring(error, name, identity, |key| platform.key_identifier(key))
            }
            other => other.into(),
        }
    }

    async fn profile_of(&self, new: &NewRegistry) -> Result<Profile, ManageError> {
        let mut identities: Vec<AssignedIdentity> = Vec::with_capacity(new.identities.len());
        for resource in &new.identities {
            identities.push(self.identity(resource).await?.into());
        }
        Ok(Profile {
            id: Some(Uuid::new_v4().to_string()),
            created: self.now(),
            sku: new.sku,
            location: new.location.clone(),
            group: new.group.clone(),
            tags: new.tags.clone(),
            made_with: new.encryption.as_ref().map(|encryption| encryption.key.clone()),
            identities,
            system_identity: None,
            anonymous: new.anonymous,
            strict: new.strict,
            no_bypass: new.no_bypass,
            created_by: new.author.clone(),
            port: None,
            former_identity: None,
        })
    }

    /// The emulator itself creates `local` at a start, so no problem of the vault refuses it.
    async fn make_local(&self, local: NewRegistry) -> Result<(), ManageError> {
        let profile = self.profile_of(&local).await?;
        let store = Arc::clone(&self.common().store);
        // A data folder from before registries had rows has the ring already.
        let has_ring = {
            let store = Arc::clone(&store);
            blocking(move || store.ring(RegistryName::local().as_str())).await?.is_some()
        };
        if has_ring {
            let record = profile.record(&local.name);
            blocking(move || store.create_registry(&record.into(), None)).await?;
        }
        let (asker, identity) = self.asker_of(&local, &profile)?;
        let opening = Opening {
            asker,
            is_new: !has_ring,
            ..Opening::stored(self.common(), local.name.clone(), profile)
        };
        let opened = Registry::open(opening).await;
        self.insert(opened.map_err(|error| self.why_not(error, &local.name, &identity))?);
        Ok(())
    }

    /// Stores the start identity as a resource like the others.
    async fn note_start_identity(&self) -> Result<(), ManageError> {
        let AssignedIdentity { resource, principal } = self.platform().start_identity().clone();
        let known = self.identity(&resource).await.ok();
        if known.as_ref().is_some_and(|known| known.principal == principal) {
            return Ok(());
        }
        if let Some(known) = known {
            self.forget_identity(&known.resource, End::Nothing).await?;
        }
        let identity = Identity {
            resource,
            location: Location::default(),
            created: self.now(),
            tenant: self.platform().tenant().to_owned(),
            principal,
            tags: Tags::default(),
        };
        self.keep_identity(&identity, End::Nothing, None).await.map(drop)
    }

    /// The current time in whole seconds, as in rows.
    pub(super) fn now(&self) -> OffsetDateTime {
        let now = self.common().clock.now();
        now.replace_nanosecond(0).unwrap_or(now)
    }

    fn insert(&self, registry: Registry) {
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
pub(super) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ManageError>> + Send + 'static,
) -> Result<T, ManageError> {
    tokio::spawn(work).await.map_err(Error::from)?
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}
