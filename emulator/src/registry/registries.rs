//! The set of open registries: who is there, in which order, how one comes and goes, and who hears of it.
//!
//! `serve.rs` opens it, every area above looks registries up in it. `local` is always there and always first; the
//! others follow in the order of their names.
//!
//! Invariants:
//! - Each registry has its own ring, identities, key and state. What befalls one never touches another.
//! - A registry is stored as a whole or not at all: its row comes with its ring, in one transaction.
//! - What comes, changes and goes does so one at a time, and to its end, whether or not the caller still waits.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use mock_keyvault::clock::Clock;
use mock_keyvault::room::Room;
use time::OffsetDateTime;
use tokio::sync::watch;
use uuid::Uuid;

use super::blocking::blocking;
use super::creation::NewRegistry;
use super::deletion::OF_REGISTRY;
use super::identity::{AssignedIdentity, Identity, Platform};
use super::intents::{Intent, Intents};
use super::manage_error::{ManageError, Warning};
use super::names::RegistryName;
use super::profile::Profile;
use super::resource::{Location, Tags};
use super::{Error, Opening, Registry, Settings, audit, collect};
use crate::keys::IdentityId;
use crate::store::{End, Store};

/// How long a change waits at most for the proof of the rows once the registries are open. A client asks again then.
const PROOF_LIMIT: Duration = Duration::from_secs(5);

/// The open registries. Clones share the set.
#[derive(Clone)]
pub struct Registries(Arc<Set>);

struct Set {
    common: Common,
    open: RwLock<Vec<Registry>>,
    /// One change of the set at a time.
    changing: tokio::sync::Mutex<()>,
    /// One identity is made or deleted at a time.
    identities: tokio::sync::Mutex<()>,
    /// Grows whenever a registry comes, goes or is changed.
    changes: watch::Sender<u64>,
    /// Grows with each change in a vault.
    vault_changes: AtomicU64,
}

/// What all registries of a data folder share.
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
    /// Opens all registries of a data folder. `local` is made if it is not there, as `local` says.
    ///
    /// A registry whose vault does not answer opens dark. One that cannot be opened is logged and left out, unless it is
    /// `local`; its name stays taken.
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
                    tracing::error!(%error, "a registry cannot be read, and is left out");
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
                    tracing::error!(registry.name = %name, error, "a registry cannot be opened, and is left out");
                }
            }
        }
        if !has_local {
            registries.make_local(local).await?;
        }
        registries.ensure_groups().await?;
        registries.adopt_leaving().await?;
        let store = Arc::clone(&registries.0.common.store);
        store.wait_at_most(PROOF_LIMIT);
        tokio::spawn(collect::sweep_after_start(store));
        Ok(registries)
    }

    /// Ends what the store does in the background: the program stops.
    pub fn stop_soon(&self) {
        self.common().store.stop_soon();
    }

    /// Has the stored rows be proven or not: for tests. Changes do not wait for that.
    pub fn pretend_proven(&self, proven: bool) {
        self.common().store.wait_at_most(Duration::ZERO);
        self.common().store.pretend_proven(proven);
    }

    /// The room on the device of the data folder.
    pub fn room(&self) -> &Arc<Room> {
        self.0.common.store.room()
    }

    /// All registries, `local` first.
    pub fn all(&self) -> Vec<Registry> {
        self.0.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The registry of this name, whatever its case.
    pub fn get(&self, name: &str) -> Option<Registry> {
        let open = self.0.open.read().unwrap_or_else(PoisonError::into_inner);
        open.iter().find(|registry| registry.name().eq_ignore_ascii_case(name)).cloned()
    }

    /// Tells of every registry that comes, goes or is changed. The state of a key is told by
    /// [`KeyRing::watch`](crate::keys::KeyRing::watch).
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// A vault has changed. Returns the registries that may be concerned; one that is being made asks when it is there.
    pub(crate) fn vault_changed(&self) -> Vec<Registry> {
        // Before the list is read: a registry that is not in it yet reads the count after it is.
        self.0.vault_changes.fetch_add(1, Ordering::SeqCst);
        self.all()
    }

    /// Makes a registry, or nothing. It goes on if the caller is dropped.
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

    /// Makes a registry. `intent` ends with the transaction that stores it.
    async fn make(
        &self,
        new: NewRegistry,
        intent: &mut Option<Intent>,
    ) -> Result<(Registry, Vec<Warning>), ManageError> {
        new.check()?;
        self.check_name(&new.name).await?;
        let (store, name) = (Arc::clone(&self.common().store), new.name.clone());
        if !blocking(move || store.is_leaving(name.as_str())).await? {
            // What waits was meant for an earlier registry of this name.
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

    /// The identity as a ring knows it. The one of the start has another client id at another start, and no name there.
    pub(super) fn identity_id(&self, identity: &AssignedIdentity) -> Option<IdentityId> {
        let start = self.platform().start_identity();
        (identity.resource != start.resource)
            .then(|| identity.principal.client_id.parse().ok())
            .flatten()
    }

    /// Who asks for the key of a new registry: as its ring knows them, and as people do.
    fn asker_of(
        &self,
        new: &NewRegistry,
        profile: &Profile,
    ) -> Result<(Option<IdentityId>, String), ManageError> {
        let asker = new.asker(profile)?;
        let client_id = asker.map(|asker| asker.principal.client_id.clone());
        Ok((asker.and_then(|asker| self.identity_id(asker)), client_id.unwrap_or_default()))
    }

    /// What the opening of a registry failed of, in the words of those who wanted to make it.
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

    /// The emulator makes `local` itself, for everybody's start: nothing of a vault is held against it.
    async fn make_local(&self, local: NewRegistry) -> Result<(), ManageError> {
        let profile = self.profile_of(&local).await?;
        let store = Arc::clone(&self.common().store);
        // A folder from before registries were rows has the ring already.
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

    /// The identity that the program was started with is a resource like the others.
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

    /// Rows have whole seconds.
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

/// Does what was begun, although nobody may wait for it any more.
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
